/*
 * attempt - one try to hand one part of a message to a relay
 *
 * Reads the record, picks the part's waiting recipients, composes what goes
 * out, keeps a verdict for each recipient, and makes the settlement of them.
 * It knows nothing of connections: its owner asks for one transaction after
 * the other and brings back the results.
 *
 * Life: new; then begin, next_transaction, on_result … finish; begin … again.
 * The memory is kept from message to message.
 * Thread: its reader's.
 */
#ifndef RELAIS_DELIVER_ATTEMPT_H
#define RELAIS_DELIVER_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/transport.h"
#include "queue/queue.h"

struct attempt;
struct relay_settings;
struct settings;

struct attempt *attempt_new(struct queue *queue, struct queue_reader *reader);
/* What may be at the far side without a settlement stays marked. */
void attempt_free(struct attempt *attempt);

enum attempt_start {
	ATTEMPT_BEGUN,      /* there is somebody to send to */
	ATTEMPT_DECIDED,    /* nothing to be sent: finish at once */
	ATTEMPT_GONE,       /* nothing waits in this part any more */
	ATTEMPT_MISROUTED,  /* another relay is to have it now */
	ATTEMPT_UNREADABLE, /* attempt_problem() says why */
	ATTEMPT_NO_MEMORY,  /* likewise; nothing is wrong with the message */
};

/* What to try; borrowed until finish. */
struct attempt_task {
	const struct settings *settings;
	const struct relay_settings *relay; /* of these settings */
	const char *domain; /* "" but with direct; NULL: wherever it is */
	uint64_t id;
	uint16_t part;
	uint64_t size_limit; /* of the relay, as far as known; 0: unknown */
};
enum attempt_start attempt_begin(struct attempt *attempt,
                                 const struct attempt_task *task);

/* A hash of the envelope sender, before finish; 0: it is one of our reports. */
uint32_t attempt_sender(const struct attempt *attempt);

/*
 * May another relay than the message's own have it? Not where an outcome is
 * unknown (RFC 1047), if that one's settings do not say so, nor because of what
 * only this one refuses: its size.
 */
bool attempt_suits_fallback(const struct attempt *attempt, uint64_t size_limit,
                            bool takes_unknown);

/* For the log and for people; after ATTEMPT_UNREADABLE or _is_damaged(). */
const char *attempt_problem(const struct attempt *attempt);

/*
 * The next transaction, at most recipients_max of those who have no verdict;
 * NULL when all have one. Borrowed until its result.
 */
const struct transport_message *
attempt_next_transaction(struct attempt *attempt, unsigned recipients_max);

/* What became of the transaction given last. */
void attempt_on_result(struct attempt *attempt,
                       const struct transport_result *result);

/* Is there somebody who has no verdict yet? */
bool attempt_has_unsent(const struct attempt *attempt);

/* Did the last result bring a verdict for anybody? */
bool attempt_has_progress(const struct attempt *attempt);

/*
 * Whoever was put off before DATA has no verdict again, as another host may
 * take him; false if there is nobody.
 */
bool attempt_reopen(struct attempt *attempt);

/*
 * A refusal of this signature (brake.h) is nobody's end, but a fault of the
 * relay: who met it in the last result has no verdict again. False: nobody did.
 */
bool attempt_take_back(struct attempt *attempt, uint64_t signature,
                       struct verdict *ret_fault);

/* The same verdict for all who have none. */
void attempt_decide_rest(struct attempt *attempt,
                         const struct verdict *verdict);

/*
 * The connection is cut by us: whoever may have got the message has a verdict
 * of an unknown outcome now.
 */
void attempt_cut(struct attempt *attempt);

/* Cancelled: cut it short if its body hasn't begun. */
void attempt_forget(struct attempt *attempt);
/* Was it forgotten, and before anybody had a lasting verdict? */
bool attempt_is_forgotten(const struct attempt *attempt);
/*
 * Was the body cut short because the store could not give it, and has nobody a
 * lasting verdict? It will not be better the next time.
 */
bool attempt_is_damaged(struct attempt *attempt);
/* The end without a settlement. */
void attempt_drop(struct attempt *attempt);

/*
 * The end. NULL where there is nothing to settle: nobody has a verdict, and
 * `fault` (the relay's, or NULL) does not end anybody either. The settlement is
 * the caller's; its recipients are logged.
 */
struct settlement *attempt_finish(struct attempt *attempt,
                                  const struct verdict *fault);

#endif
