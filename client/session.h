/*
 * session - what stands behind relais.h: whole messages, and second tries
 *
 * A message that is in memory as a whole can be sent again on a fresh link
 * when relaisd had closed the old one for silence. After a link that was lost
 * behind the message, relaisd is asked by the message's key what became of it.
 */
#ifndef RELAIS_SESSION_H
#define RELAIS_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "dialogue.h"
#include "relais.h"
#include "uuid.h"

/* Connections of a batch: what one write to the disk makes durable together. */
#define SESSION_LINKS 16

/* Content is sent in chunks of so much. */
#define SESSION_CHUNK_BYTES (64 * 1024)

struct relais_session {
	char *path;
	/* single messages use the first */
	struct dialogue links[SESSION_LINKS];
	/* keys that were made */
	char keys[SESSION_LINKS][UUID_SIZE];

	/* the message that relais_begin() started; NULL: there is none */
	const struct relais_envelope *envelope;
	unsigned timeout_ms;
	/* as far as it is known before; 0: it is not */
	uint64_t size_bytes;
	/* what is not yet sent of it */
	struct buffer chunk;
	/* has a part of it been sent? */
	bool is_streaming;
	/* RELAIS_OK until the message is lost */
	struct relais_answer answer;
};

/* For sendmail -vv: every line of the conversation. */
void session_set_tracer(struct relais_session *session,
                        connection_tracer tracer);

/* Of all links, from now on. */
void session_set_timeout(struct relais_session *session, unsigned timeout_ms);

/*
 * Opens a link and begins a message on it, with a key of its own if it has
 * none and relaisd takes keys. size_bytes 0: not known.
 */
enum relais_result session_begin(struct relais_session *session, unsigned link,
                                 const struct relais_envelope *envelope,
                                 uint64_t size_bytes,
                                 struct relais_answer *answer);

/* Begins and sends a message as a whole. */
enum relais_result session_send(struct relais_session *session, unsigned link,
                                const struct relais_envelope *envelope,
                                const void *data, size_t len,
                                struct relais_answer *answer);

/*
 * The reply to what was sent last on that link. Where it was lost: asks, and
 * sends again what can be sent again; data NULL: nothing can.
 */
enum relais_result session_settle(struct relais_session *session, unsigned link,
                                  const struct relais_envelope *envelope,
                                  const void *data, size_t len,
                                  struct relais_answer *answer);

/* All of a message in memory. */
enum relais_result session_submit(struct relais_session *session, unsigned link,
                                  const struct relais_envelope *envelope,
                                  const void *data, size_t len,
                                  struct relais_answer *answer);

#endif
