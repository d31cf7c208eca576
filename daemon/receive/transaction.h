/*
 * transaction - the mail of one session: from MAIL to the answer
 *
 * Stands between the SMTP engine, whose events come here, and the queue,
 * whose letters come home here. One message at a time.
 *
 * Promise (P1): a positive answer to a message is given only when its
 *               submission has come home with result 0.
 * Thread: the receive loop's.
 */
#ifndef RELAIS_RECEIVE_TRANSACTION_H
#define RELAIS_RECEIVE_TRANSACTION_H

#include <stddef.h>
#include <stdint.h>

#include "receive/admission.h"
#include "receive/intake.h"
#include "receive/outcome.h"
#include "receive/waiters.h"
#include "receive/wishes.h"
#include "runtime/peer.h"
#include "smtp/server.h"

struct session_host;

/* Embedded in a session, which fills the first part and frees what is its. */
struct transaction {
	/* first: what the intake knows of us */
	struct intake_owner intake_owner;
	struct session_host *host;
	const struct settings *settings;
	const struct submitter_rule *rule;
	struct submitter *submitter;
	bool is_crowd; /* its uid has many: it waits for its turn */
	const struct peer *peer;
	struct smtp_server *server;
	/* The engine has an answer, or room: go on. May free the session. */
	void (*on_progress)(struct transaction *transaction);

	struct intake *intake;
	bool has_served; /* a message was answered */
	bool is_idle;    /* while the daemon stops: nothing has come since */
	/* of the MAIL that is open */
	const char *sender;
	uint64_t size_bytes; /* declared; 0 without */
	int64_t began_us;    /* monotonic, its MAIL */
	struct wishes wishes;
	unsigned *ends; /* see envelope_record.h; NULL between messages */
	size_t end_count;
	struct waiter waiter;
	uint64_t id; /* of the message that was stored, or has the key */
	bool is_replay;
	uint32_t origin_flag; /* MESSAGE_HTTP, or 0: by the greeting */
	enum outcome how;     /* of the message that was answered */
	struct outcome_text outcome;
	char text[480];
};

/* The engine's events, with a struct transaction as its session. */
extern const struct smtp_server_callbacks transaction_callbacks;

/*
 * host, settings, rule, is_crowd and peer are set. Makes the server, with the
 * limits of the settings and the rule. 0 or -ENOMEM; transaction_done() in any
 * case.
 */
int transaction_init(struct transaction *transaction);
void transaction_done(struct transaction *transaction);

/*
 * The client has a message under way, or has come to hand one over: an orderly
 * stop lets it, for a while.
 */
bool transaction_is_expected(const struct transaction *transaction);

/* Whoever is refused comes again; the log hears of it now and then. */
void transaction_log_refusal(struct session_host *host, uid_t uid,
                             struct smtp_answer answer);

#endif
