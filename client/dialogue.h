/*
 * dialogue - one conversation with relaisd: greeting, messages, replies
 *
 * A message is begun, sent in chunks (BDAT, so that nothing is escaped or
 * copied), and finished. Commands wait for the first chunk, and a message that
 * is one chunk leaves in one write. With several recipients the last chunk is
 * held back until all of them have been accepted, so that a message is queued
 * for all or for none.
 *
 * Two cursors, `sent` and `answered`, run over the commands of a message; the
 * first refusal is its outcome. A conversation in which anything was refused
 * or lost is closed: the next one costs less than to set this one right.
 *
 * Results: enum relais_result, with the answer filled in where it is not
 *          RELAIS_OK. Dialogues themselves never try anything twice.
 */
#ifndef RELAIS_DIALOGUE_H
#define RELAIS_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connection.h"
#include "envelope_commands.h"
#include "relais.h"

struct dialogue {
	struct connection connection;
	struct offers offers;
	/* Has a message gone through? Then it may have been closed since. */
	bool is_used;
	/* not yet sent */
	struct buffer commands;
	/* of the message: replies that are due and those that have come */
	size_t sent;
	size_t answered;
	size_t recipient_count;
	/* Is all of the message with the kernel? From then on it is unknown
	   what became of it, until the reply comes. */
	bool is_complete;
	/* Is an outcome to be waited for, and can relaisd do so? */
	bool waits;
	bool can_wait;
};

void dialogue_init(struct dialogue *dialogue);
/* Nothing of an unfinished message is queued. Can be opened again. */
void dialogue_close(struct dialogue *dialogue);

/*
 * Connects and says EHLO, unless there is a conversation that is still alive.
 * What goes wrong is RELAIS_UNAVAILABLE, or what the greeting says.
 */
enum relais_result dialogue_open(struct dialogue *dialogue, const char *path,
                                 struct relais_answer *answer);

/* envelope has passed envelope_check(). key may be NULL. */
enum relais_result dialogue_begin(struct dialogue *dialogue,
                                  const struct relais_envelope *envelope,
                                  uint64_t size_bytes, const char *key,
                                  struct relais_answer *answer);

enum relais_result dialogue_send(struct dialogue *dialogue, const void *data,
                                 size_t len, bool is_last,
                                 struct relais_answer *answer);

/* The reply to the message: RELAIS_OK, RELAIS_PENDING and so on. */
enum relais_result dialogue_finish(struct dialogue *dialogue,
                                   struct relais_answer *answer);

/*
 * Has a message with this key been queued? RELAIS_OK with its id;
 * RELAIS_REJECTED: no; RELAIS_TRY_LATER: it is being received.
 */
enum relais_result dialogue_ask(struct dialogue *dialogue, const char *key,
                                struct relais_answer *answer);

#endif
