/*
 * smtp/verdict - what the far side said of a recipient, as data
 *
 * A verdict says what is true now (class), whom it hurts (scope), where in
 * the dialogue it was said (phase) and, for faults of a relay, what kind of
 * trouble it is (fault). It is never an error: errors are -errno.
 *
 * Class and scope are independent. A relay that answers 550 to everything
 * because a quota is used up gives TEMPORARY and SCOPE_RELAY: nothing may
 * bounce because of it. PERMANENT is final for its recipients.
 *
 * Thread: any; plain values.
 */
#ifndef RELAIS_SMTP_VERDICT_H
#define RELAIS_SMTP_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct smtp_reply;
struct verdict_ruleset;

/* The numbers of these enums are stored on disk: append, never renumber. */

enum verdict_class {
	/* nothing was said: not tried, or the attempt goes on */
	VERDICT_NONE = 0,
	/* the next hop has taken responsibility (2xx to the final dot) */
	VERDICT_DELIVERED = 1,
	/* try again */
	VERDICT_TEMPORARY = 2,
	/* never again */
	VERDICT_PERMANENT = 3,
	/* the final dot was sent and no reply came: try again, later, and
	 * mark the recipient as a possible duplicate (RFC 1047) */
	VERDICT_UNKNOWN = 4,
};

/* Whose back-off counter goes up. */
enum verdict_scope {
	/* only this connection: nobody is charged, connect again */
	SCOPE_CONNECTION = 0,
	/* everything that goes through this relay */
	SCOPE_RELAY = 1,
	/* all mail of this sender through this relay */
	SCOPE_SENDER = 2,
	SCOPE_MESSAGE = 3,
	SCOPE_RECIPIENT = 4,
	/* a recipient's, too, but relais made it so on purpose */
	SCOPE_STAGING = 5,
};

/* Where in the dialogue, in the order of the dialogue. */
enum smtp_phase {
	PHASE_NAME = 0,
	PHASE_CONNECT = 1,
	PHASE_TLS = 2,
	PHASE_GREETING = 3,
	PHASE_EHLO = 4,
	PHASE_STARTTLS = 5,
	PHASE_AUTH = 6,
	PHASE_MAIL = 7,
	PHASE_RCPT = 8,
	PHASE_DATA = 9,
	PHASE_BODY = 10,
	PHASE_DOT = 11,
	PHASE_RSET = 12,
	PHASE_QUIT = 13,
};

/* What kind of trouble; a relay's breaker acts on it. */
enum verdict_fault {
	FAULT_NONE = 0,
	/* login refused, or login required */
	FAULT_AUTH = 1,
	/* a sending quota is used up */
	FAULT_QUOTA = 2,
	/* too fast */
	FAULT_RATE = 3,
	/* too many connections at once */
	FAULT_CONCURRENCY = 4,
	/* will not work before somebody changes the settings or the account */
	FAULT_CONFIG = 5,
	/* no name, no route, refused, reset, timed out */
	FAULT_NETWORK = 6,
	FAULT_TLS = 7,
	/* what came was not SMTP */
	FAULT_PROTOCOL = 8,
	FAULT_OTHER = 9,
	/* 452 4.5.3: the rest goes into another transaction at once */
	FAULT_TOO_MANY_RECIPIENTS = 10,
};

enum { VERDICT_TEXT_SIZE = 400 };

struct verdict {
	enum verdict_class class;
	enum verdict_scope scope;
	enum smtp_phase phase;
	enum verdict_fault fault;
	/* the reply's code; 0: no reply, relais itself says so */
	uint16_t code;
	/* RFC 3463; 0.0.0: none */
	uint16_t enhanced[3];
	/* the relay's wish, "try again in …"; 0: none */
	uint32_t retry_after_s;
	/* valid UTF-8 on one line without control characters; without the
	 * code and the enhanced code */
	char text[VERDICT_TEXT_SIZE];
};

/*
 * What a reply means at this place of the dialogue, by the rules of the table
 * in verdict_rules.c. A positive reply gives DELIVERED at PHASE_DOT, and NONE
 * before it.
 */
void verdict_from_reply(struct verdict *ret_verdict,
                        const struct smtp_reply *reply, enum smtp_phase phase);

/* The same, with rules that go before those of the table; or NULL. */
void verdict_from_reply_by(struct verdict *ret_verdict,
                           const struct smtp_reply *reply,
                           enum smtp_phase phase,
                           const struct verdict_ruleset *own);

/* A verdict of our own, without a reply; text is cleaned and cut. */
void verdict_local(struct verdict *ret_verdict, enum verdict_class class,
                   enum verdict_scope scope, enum smtp_phase phase,
                   enum verdict_fault fault, const char *text);

/* Replaces the text; it is cleaned and cut. */
void verdict_set_text(struct verdict *verdict, const char *text);

/* May this recipient's story end here? DELIVERED and PERMANENT. */
bool verdict_is_final(const struct verdict *verdict);

/* Fixed lower-case words for logs and the API: "temporary", "relay", "rcpt",
 * "auth". */
const char *verdict_class_name(enum verdict_class class);
const char *verdict_scope_name(enum verdict_scope scope);
const char *verdict_fault_name(enum verdict_fault fault);
const char *smtp_phase_name(enum smtp_phase phase);

#endif
