/*
 * brake - stops the mail before a relay's mistake bounces all of it
 *
 * A relay that is set wrong, or whose account is closed, often refuses every
 * message for good in the same words. After a few of them in a row, with no
 * success between, something other than the mail is wrong: it is held back
 * instead of bounced, and looked at again from time to time.
 *
 * Where at least two submitters and two senders met the same refusal the relay
 * is held; else only the mail of the one submitter: nobody can stop the mail of
 * others by sending what is refused.
 *
 * Thread: one; plain values. Times in queue milliseconds.
 */
#ifndef RELAIS_DELIVER_BRAKE_H
#define RELAIS_DELIVER_BRAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "smtp/verdict.h"

struct settlement;

/* Messages in a row that were refused as a whole, at MAIL, DATA or the dot. */
#define BRAKE_MESSAGES 3
/* Those whose recipients were refused: there are lists of dead addresses. */
#define BRAKE_RECIPIENTS 25

/* What a message met; its recipients all the same, or it is no refusal. */
struct refusal {
	uint64_t signature; /* 0: it was not refused */
	bool is_of_recipients;
	uint32_t sender; /* a hash */
};

/* The same for replies that differ in addresses, numbers and ids; never 0. */
uint64_t brake_signature(const struct verdict *verdict);
/* Never 0. */
uint32_t brake_sender_hash(const char *sender);

/*
 * What a settlement teaches: has anybody been delivered, and if nobody, was
 * everybody refused alike? The reply is borrowed from the settlement; NULL
 * without a refusal.
 */
const struct verdict *brake_lesson(struct refusal *ret_refusal,
                                   bool *ret_has_delivered,
                                   const struct settlement *settlement);

/* The same refusal in a row. */
struct brake_streak {
	uint64_t signature;
	unsigned count;
	unsigned submitter_count, sender_count; /* different ones, at most 2 */
	uint32_t submitters[2], senders[2];
};

/* Of one submitter class at one relay. */
struct brake_hold {
	LIST_ENTRY(brake_hold) links;
	uint32_t submitter;
	struct brake_streak streak;
	uint64_t since_ms, until_ms; /* 0: not held */
	uint8_t step;
	bool is_probing;
	char *reason;
};

/* Of one relay. */
struct brake {
	struct brake_streak streak;
	uint64_t relay_signature; /* what the relay is held for; or 0 */
	LIST_HEAD(, brake_hold) holds;
	unsigned hold_count;
};

void brake_init(struct brake *brake);
void brake_done(struct brake *brake);

enum brake_pull {
	BRAKE_NOT_PULLED,
	BRAKE_SUBMITTER_HELD, /* this submitter's mail from now on */
	BRAKE_RELAY_HELD,     /* the caller holds the relay */
};

/* reason: the refusal as people read it; copied if it is needed. */
enum brake_pull brake_note_refusal(struct brake *brake, uint32_t submitter,
                                   const struct refusal *refusal,
                                   const char *reason, uint64_t now_ms);

/* True where the submitter's mail was held, and is not any more. */
bool brake_note_success(struct brake *brake, uint32_t submitter);

/* Held and its time has come: one message goes. */
bool brake_is_probe(const struct brake *brake, uint32_t submitter);
void brake_begin_probe(struct brake *brake, uint32_t submitter);
/* It met the same again, or (has_met false) nothing at all. */
void brake_end_probe(struct brake *brake, uint32_t submitter, bool has_met,
                     uint64_t now_ms);

/* May a submitter's mail go now? */
bool brake_may_pass(const struct brake *brake, uint32_t submitter,
                    uint64_t now_ms);

/* The refusal that is to be taken for a fault of the relay; 0: none. */
uint64_t brake_watched(const struct brake *brake, uint32_t submitter);

/* When the next submitter may be tried again; UINT64_MAX: none is held. */
uint64_t brake_next_ms(const struct brake *brake, uint64_t now_ms);

/* Whoever is held may be tried at once. */
void brake_ask_now(struct brake *brake, uint64_t now_ms);

/* Remembered from an earlier run: a submitter that was held. */
void brake_recall(struct brake *brake, uint32_t submitter, uint64_t signature,
                  uint64_t since_ms, uint64_t until_ms, uint8_t step,
                  const char *reason);

/* The relay works, or somebody says so: all is forgotten. */
void brake_clear(struct brake *brake);

#endif
