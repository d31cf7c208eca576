/*
 * envelope - sender, recipients and their parameters, of one mail transaction
 *
 * All texts live in the envelope's arena until smtp_envelope_reset(). A NULL
 * text, a 0 or an UNSTATED value means that the client did not say.
 */
#ifndef RELAIS_SMTP_ENVELOPE_H
#define RELAIS_SMTP_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

enum smtp_body {
	SMTP_BODY_UNSTATED,
	SMTP_BODY_7BIT,
	SMTP_BODY_8BITMIME,
};

/* RFC 3461 4.3 */
enum smtp_ret {
	SMTP_RET_UNSTATED,
	SMTP_RET_FULL,
	SMTP_RET_HDRS,
};

/* RFC 3461 4.1; 0: unstated */
enum smtp_notify {
	SMTP_NOTIFY_NEVER = 1 << 0,
	SMTP_NOTIFY_SUCCESS = 1 << 1,
	SMTP_NOTIFY_FAILURE = 1 << 2,
	SMTP_NOTIFY_DELAY = 1 << 3,
};

/* RFC 2852 4 */
enum smtp_by_mode {
	SMTP_BY_UNSTATED,
	SMTP_BY_NOTIFY,
	SMTP_BY_RETURN,
};

struct smtp_by {
	enum smtp_by_mode mode;
	bool is_traced;
	/* from the moment MAIL arrived; may be negative with SMTP_BY_NOTIFY */
	int64_t seconds;
};

struct smtp_priority {
	bool is_stated;
	/* -9 to 9 (RFC 6710) */
	int level;
};

/* The parameters of MAIL. */
struct smtp_mail_params {
	/* declared octets */
	uint64_t size_bytes;
	enum smtp_body body;
	bool is_smtputf8;
	enum smtp_ret ret;
	/* xtext as it came, checked */
	const char *envid;
	/* FUTURERELEASE, at most one of both */
	uint64_t hold_for_s;
	int64_t hold_until_wall_ms;
	struct smtp_by by;
	struct smtp_priority priority;
	/* XRELAIS, decoded */
	const char *key;
	const char *tag;
	const char *meta;
	const char *relay;
	unsigned wait_s;
};

/* The parameters of RCPT. */
struct smtp_rcpt_params {
	/* enum smtp_notify, or-ed */
	unsigned notify;
	/* "type;xtext" as it came, checked */
	const char *orcpt;
	/* Some clients state these two here, though they belong to MAIL. */
	struct smtp_by by;
	struct smtp_priority priority;
};

struct smtp_recipient {
	/* checked mailbox, or a bare local part */
	const char *address;
	struct smtp_rcpt_params params;
};

struct smtp_envelope {
	/* "" is the null sender; NULL: no transaction is open */
	const char *sender;
	struct smtp_mail_params params;
	struct smtp_recipient *recipients;
	size_t recipient_count;
	size_t recipient_room;
	struct arena arena;
};

/* limit_bytes bounds all of its texts; 0: no limit */
void smtp_envelope_init(struct smtp_envelope *envelope, size_t limit_bytes);
void smtp_envelope_done(struct smtp_envelope *envelope);

/* Empties it; keeps the memory for the next transaction. */
void smtp_envelope_reset(struct smtp_envelope *envelope);

/* Copies the recipient struct; its texts are in the arena already. */
int smtp_envelope_add(struct smtp_envelope *envelope,
                      const struct smtp_recipient *recipient);

#endif
