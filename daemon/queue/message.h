/*
 * message - a message's record in memory: envelope, recipients, story
 *
 * A record is read from the store in one piece: its strings point into the
 * arena that came with it and live as long as the record. A record under
 * construction (a submission) owns its strings through message_dup_text().
 *
 * Times are milliseconds since 1970: `_ms` fields of the story are wall clock,
 * dues are queue time (queue_time.h).
 * Thread: one at a time; a record is handed over with what it travels in.
 */
#ifndef RELAIS_QUEUE_MESSAGE_H
#define RELAIS_QUEUE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings.h" /* enum priority: on disk, never renumber */
#include "smtp/verdict.h"

/* On disk: never renumber. */
enum recipient_state {
	RECIPIENT_WAITING = 0,
	RECIPIENT_DELIVERED = 1,
	RECIPIENT_FAILED = 2,
	RECIPIENT_EXPIRED = 3,
	RECIPIENT_CANCELLED = 4,
};

/*
 * What is stored; "delivering" is a matter of the moment and only in memory.
 * On disk: never renumber. The order is the one of the state table.
 */
enum message_state {
	MESSAGE_RECEIVING = 0, /* a body still coming in; no record yet */
	MESSAGE_QUEUED = 1,
	MESSAGE_HELD = 2,
	MESSAGE_PARKED = 3,
	MESSAGE_FAILED = 4,
	MESSAGE_EXPIRED = 5,
	MESSAGE_CANCELLED = 6,
	MESSAGE_PARTIAL = 7,
	MESSAGE_DELIVERED = 8, /* has no row in the state table */
};
#define MESSAGE_STATES 9

/* message.flags, on disk */
#define MESSAGE_8BIT           0x0001u /* body has octets above 127 */
#define MESSAGE_SMTPUTF8       0x0002u /* envelope or header needs RFC 6531 */
#define MESSAGE_ADD_DATE       0x0004u /* composed at delivery: missing Date */
#define MESSAGE_ADD_MESSAGE_ID 0x0008u
#define MESSAGE_ADD_FROM       0x0010u
#define MESSAGE_LONG_LINES     0x0020u /* a line over 998 octets */
#define MESSAGE_RET_FULL       0x0040u /* RFC 3461 4.3 */
#define MESSAGE_RET_HDRS       0x0080u
#define MESSAGE_BODY_GONE      0x0100u /* its pieces have been deleted */
#define MESSAGE_LMTP           0x0200u /* came by LMTP: for Received */
#define MESSAGE_IS_BOUNCE      0x0400u
#define MESSAGE_FROM_TCP       0x0800u /* no credentials behind it */
#define MESSAGE_8BIT_DECLARED  0x1000u /* BODY=8BITMIME was said */
#define MESSAGE_HTTP           0x2000u /* came by the control API */
#define MESSAGE_NULL_REFUSED   0x4000u /* a relay refused the null sender */
#define MESSAGE_AWAITED        0x8000u /* its submitter waits for the outcome */
#define MESSAGE_TELLS_DELAY    0x10000u /* at its deadline, and then goes on */

/* recipient.flags, on disk */
#define RECIPIENT_MAYBE_DUPLICATE 0x01u
#define RECIPIENT_HAS_NOTIFY      0x02u
#define RECIPIENT_REPORT_OWED     0x04u /* the sender is to hear of it */
#define RECIPIENT_DELAY_TOLD      0x08u /* or is about to be */
#define RECIPIENT_RELAY_FAULT     0x10u /* expired in its relay's outage */

/* recipient.notify: RFC 3461 4.1 */
#define NOTIFY_NEVER   0x01u
#define NOTIFY_SUCCESS 0x02u
#define NOTIFY_FAILURE 0x04u
#define NOTIFY_DELAY   0x08u

/* The last word of the far side about one recipient; text NULL: none yet. */
struct message_reply {
	uint16_t code;
	uint16_t enhanced[3];
	const char *text;
	const char *relay; /* its name in the settings */
	const char *host;  /* name:port as tried */
};

struct message_recipient {
	const char *address;
	const char *original; /* ORCPT as received, or NULL */
	enum recipient_state state;
	uint8_t flags;
	uint8_t notify;
	uint16_t part;     /* the part it waits in; meaningless when ended */
	uint16_t attempts; /* charged ones, the one that ended it included */
	struct message_reply reply;
};

/* Where a part's row is. On disk. */
enum part_place {
	PART_FRESH = 0, /* fresh: never deferred, in the scheduler's memory */
	PART_SCHED = 1, /* sched: due at due_ms */
	PART_HELD = 2,  /* nowhere: the message is held or parked */
};

struct message_part {
	uint16_t number;
	enum part_place place;
	uint32_t lane;
	uint16_t attempts;
	uint64_t due_ms;
};

/* How far ahead a release may lie, as FUTURERELEASE announces it. */
#define MESSAGE_RELEASE_MAX_S (60 * 24 * 3600)

/* On disk: never renumber. */
enum timeline_kind {
	TIMELINE_ACCEPTED = 0,
	TIMELINE_DELIVERED = 1,
	TIMELINE_DEFERRED = 2,
	TIMELINE_FAILED = 3,
	TIMELINE_EXPIRED = 4,
	TIMELINE_CANCELLED = 5,
	TIMELINE_HELD = 6,
	TIMELINE_RELEASED = 7,
	TIMELINE_RETRIED = 8,
	TIMELINE_UNKNOWN = 9, /* outcome unknown: RFC 1047 */
	TIMELINE_PARKED = 10,
	TIMELINE_BOUNCED = 11,
	TIMELINE_REROUTED = 12,
	TIMELINE_RESENT = 13,
	TIMELINE_DROPPED = 14,  /* entries left out of a very long story */
	TIMELINE_UNSIGNED = 15, /* sent without a DKIM-Signature it had */
	/* In the feed only, of relays: trouble that lasts, and its end. */
	TIMELINE_TROUBLE = 16,
	TIMELINE_RELIEF = 17,
	TIMELINE_RESCHEDULED = 18,
};
const char *timeline_kind_name(enum timeline_kind kind);

struct timeline_entry {
	uint64_t time_ms;
	enum timeline_kind kind;
	enum smtp_phase phase;
	enum verdict_scope scope;
	bool is_charged;
	bool is_for_all; /* every recipient; then `recipients` is empty */
	uint16_t code;
	uint16_t enhanced[3];
	uint32_t duration_ms; /* of DROPPED: the number of entries left out */
	const char *relay;    /* these four: NULL where they say nothing */
	const char *host;
	const char *tls;
	const char *text;           /* reply, reason, who asked for it */
	const uint16_t *recipients; /* indexes */
	unsigned recipient_count;
};

/* Very long stories keep the first 4 and the last 60 entries. */
#define TIMELINE_KEEP_FIRST 4
#define TIMELINE_KEEP_LAST  60

struct message {
	uint64_t id;      /* 0 until the committer gave one */
	uint64_t body_id; /* likewise; 0 when the body is gone */
	enum message_state state;
	uint32_t flags;
	enum priority priority;
	uint32_t uid, gid; /* the submitter, by the kernel's word */
	uint64_t submitted_ms;
	uint64_t ended_ms;      /* 0: not yet */
	uint64_t release_ms;    /* wall; not relayed before it; 0: at once */
	uint64_t deadline_ms;   /* wall; 0: none; see message_end_ms() */
	uint64_t hold_until_ms; /* wall; 0: no end */
	uint64_t report_ms;     /* queue time its report is due; 0: none owed */
	uint16_t crashes;       /* of ours with it in hand, in a row */
	uint64_t header_len;    /* octets of the header block, CRLFs included */
	uint64_t size;      /* octets of header block, empty line and body */
	const char *sender; /* "" is the null sender */
	const char *envelope_id; /* ENVID decoded; these six may be NULL */
	const char *tag;
	const char *key;
	const char *meta;
	const char *message_id; /* with its angle brackets; also if composed */
	const char *hold_reason;
	const char *helo; /* what the client called itself */
	struct message_recipient *recipients;
	unsigned recipient_count;
	struct message_part *parts; /* those that wait or are held */
	unsigned part_count;
	/* Id of the relay that was asked for, or that a removed one's mail went
	 * to; 0: as the rules say. */
	uint32_t relay;
	uint16_t next_part; /* numbers are not given twice in a row */
	struct timeline_entry *timeline;
	unsigned timeline_count;
	struct message_arena *arena;
};

/* An empty record with an arena. Aborts without memory. */
struct message *message_new(void);
void message_free(struct message *message);

/*
 * Stands for a message whose record cannot be read: parked, nobody's, without
 * recipients. Aborts without memory.
 */
struct message *message_new_stand_in(uint64_t id);

/* Memory of the record's own; lives as long as it. Aborts without memory. */
void *message_allocate(struct message *message, size_t size);
/* The same where a peer controls the size: NULL without memory. */
void *message_try_allocate(struct message *message, size_t size);
const char *message_dup_text(struct message *message, const char *text);

/* When it is given back instead of being relayed, wall clock; 0: never. */
uint64_t message_end_ms(const struct message *message);

/* 4, 0 or -4 (RFC 6710) */
int message_priority_level(const struct message *message);

/* What the recipients' states amount to, for a message that isn't held. */
enum message_state message_state_of(const struct message *message);
const char *message_state_name(enum message_state state);
/* -EINVAL for a word that is none. */
int message_state_parse(const char *word, enum message_state *ret_state);
const char *recipient_state_name(enum recipient_state state);

struct message_part *message_find_part(struct message *message,
                                       uint16_t number);

#endif
