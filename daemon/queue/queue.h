/*
 * queue - what the rest of the daemon sees of the store
 *
 * Changes are jobs: a struct handed over with its letter, done by the
 * committer thread in one LMDB transaction with whatever else waits, and sent
 * home to the mailbox it names once the commit that covers it is on disk.
 * Reads are direct, by a reader of the calling thread's own; no read
 * transaction outlives the call.
 *
 * Promise (P1): `result` 0 is set only after the sync that covers the job.
 */
#ifndef RELAIS_QUEUE_QUEUE_H
#define RELAIS_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/message.h"
#include "runtime/mailbox.h"

struct queue;
struct queue_reader;
struct settings;
struct submitter_rule;

/* One line of waiting parts, served fairly against the others. */
struct lane_key {
	uint32_t relay; /* id of the relay, never its settings */
	enum priority priority;
	uint32_t submitter_class;
	const char *domain; /* recipient domain with `direct`, else "" */
	bool is_large; /* mail over LANE_LARGE_BYTES: it holds connections up */
};
#define LANE_LARGE_BYTES (1u << 20)

/* ------------------------------------------------------------ life cycle */

/*
 * Opens or makes the store in settings->queue.directory and takes its lock.
 * Recovers what a crash left: sweeps half-received bodies, reads the in-flight
 * marks and marks exactly their recipients, checks the format version.
 * On error `*ret_error` is a sentence for the log; the caller frees it.
 */
int queue_open(struct queue **ret_queue, const struct settings *settings,
               char **ret_error);

/* New limits of the settings (retention, maximum); main loop. */
void queue_apply_settings(struct queue *queue, const struct settings *settings);

/* Starts the committer thread. Notices go to the listeners set before. */
int queue_start(struct queue *queue);

/* Finishes every job posted, then ends the thread, leaves a clean mark. */
void queue_stop(struct queue *queue);
void queue_free(struct queue *queue);

/*
 * Writes the queue as it is now to a descriptor, as a store of its own. 0 or
 * -errno (-EPIPE: nobody reads). Thread: one of its own, since it blocks.
 */
int queue_copy(struct queue *queue, int fd);

/* --------------------------------------------------------------- notices */

/*
 * After each commit the committer posts what changed for the scheduler as one
 * notice, and then lets the jobs go home.
 */
enum part_event {
	PART_NOW_FRESH, /* waits, row in fresh: keep it in memory */
	PART_NOW_SCHED, /* waits in sched, due at due_ms */
	/*
	 * Waits no more as it did: its attempt is on disk and the claim is
	 * over, or a change (hold, cancel, park, reroute) took its row away.
	 * What goes on waiting has another notice, fresh or sched.
	 */
	PART_NOW_SETTLED,
};

struct part_notice {
	enum part_event event;
	uint16_t part;
	uint32_t lane;
	uint64_t id;
	uint64_t due_ms;
};

struct queue_notice {
	struct letter letter;
	void *context; /* the listener's */
	size_t count;
	struct part_notice parts[];
};

/*
 * `open` of each notice is the given function; the receiver frees the notice
 * with queue_notice_free(). Before queue_start().
 */
void queue_listen_parts(struct queue *queue, struct mailbox *mailbox,
                        void (*open)(struct letter *letter), void *context);
void queue_notice_free(struct queue_notice *notice);

/*
 * A wake-up that the feed has grown, at most one under way at a time: the
 * listener calls queue_feed_listen_again() before it reads the feed, and
 * whenever it wants to hear again; until then it is left in peace.
 */
struct feed_listener {
	struct letter letter; /* `open` is the listener's function */
	struct mailbox *mailbox;
	/* the queue's own */
	_Atomic bool is_listening;
	uint64_t told_sequence;
	struct feed_listener *next;
};
/* Before queue_start(). The listener outlives the queue's thread. */
void queue_listen_feed(struct queue *queue, struct feed_listener *listener);
/* Any thread. */
void queue_feed_listen_again(struct feed_listener *listener);

/*
 * The same for reports that are owed: the letter comes when there are more, or
 * an earlier one; then queue_reports_listen_again() before they are read.
 */
void queue_listen_reports(struct queue *queue, struct mailbox *mailbox,
                          struct letter *letter);
void queue_reports_listen_again(struct queue *queue);

/* ------------------------------------------------------------------ jobs */

enum queue_job_kind {
	QUEUE_SUBMIT,   /* struct submission */
	QUEUE_UPLOAD,   /* struct upload */
	QUEUE_DISCARD,  /* struct upload, whose body nobody will submit */
	QUEUE_SETTLE,   /* struct settlement */
	QUEUE_CHANGE,   /* struct change */
	QUEUE_REMEMBER, /* struct relay_memory */
	QUEUE_REPORT,   /* struct report, report.h */
};

/* First member of every job. */
struct queue_job {
	struct letter letter;
	enum queue_job_kind kind;
	/* Where it goes when done; letter.open is then on_done. */
	struct mailbox *home;
	void (*on_done)(struct letter *letter);
	void *context; /* the sender's */
	/*
	 * 0, or -ENOSPC (disk, map or the configured maximum is full), -EIO,
	 * -ENOMEM: nothing of the job was kept, it may be tried again later.
	 * -EBADMSG: the record is damaged. Others: see the job.
	 */
	int result;
};

/* A body in pieces as they came. Freed by whoever holds the list. */
#define BODY_PIECE_MAX 65520
struct body_chunk {
	struct body_chunk *next;
	uint32_t len; /* at most BODY_PIECE_MAX */
	uint32_t size;
	char data[];
};
/* NULL without memory. */
struct body_chunk *body_chunk_new(uint32_t size);
void body_chunk_free_list(struct body_chunk *first);

/* What a submitter may have in the queue; 0: no limit. */
struct queue_quota {
	uint64_t messages; /* that have not ended */
	uint64_t bytes;    /* see accounts.h */
};
struct queue_quota queue_quota_of(const struct settings *settings,
                                  const struct submitter_rule *rule);

/* Where a new message's recipients go; recipients[i].part is an index here. */
struct submission_part {
	struct lane_key lane; /* its domain: memory of the message's arena */
	uint64_t due_ms;      /* 0: at once */
};

/*
 * A new message. Header and body are taken: where the result is 0 or -EEXIST
 * they are freed by then (and NULL), else still there, to be tried again. The
 * message comes home in any case, with its id. The header block is without
 * the empty line that ends it; the body is all after that line. Both are in
 * CRLF form. With an upload_id, message->header_len is the caller's to set.
 *
 * Out: id; is_replay where the key was known and the envelope is the same
 * (then id is the earlier message's and nothing was queued). result -EEXIST:
 * the key belongs to the other envelope of message `id`. -EUSERS, -EDQUOT: its
 * submitter has too many messages, or bytes. Whatever the error is, an upload
 * stays until it is discarded.
 */
struct submission {
	struct queue_job job;
	struct message *message; /* state MESSAGE_QUEUED, or HELD with reason */
	struct submission_part *parts; /* of the message's arena */
	unsigned part_count;
	char *header;
	size_t header_len;
	struct body_chunk *body; /* unless upload_id: it is in the store then */
	uint64_t upload_id;
	/* Or: header and body are those of another message that has them still
	 * (CHANGE_RESEND); message->header_len is the caller's to set. */
	uint64_t shared_body_id;
	struct queue_quota quota;
	uint64_t id;
	bool is_replay;
};
struct submission *submission_new(void); /* with an empty message */
void submission_free(struct submission *submission);

/*
 * A slice of a body over QUEUE_SLICE_MAX, stored as it comes. Every chunk but
 * the very last of a body is full (BODY_PIECE_MAX). The first slice has
 * first_piece 0 and brings the header block; its result has the body id for
 * the next ones and for the submission's upload_id. Each result says with
 * which piece the next slice goes on. The chunks are freed by the committer,
 * the header too, whatever the result (-EDQUOT: the submitter's share).
 * QUEUE_DISCARD deletes what was stored of body_id.
 */
#define QUEUE_SLICE_PIECES 16
#define QUEUE_SLICE_MAX    (QUEUE_SLICE_PIECES * BODY_PIECE_MAX)
struct upload {
	struct queue_job job;
	uint64_t body_id;
	uint32_t first_piece; /* 0: header and chunks; else next_piece */
	uint32_t next_piece;  /* out */
	uint32_t uid;
	struct queue_quota quota;
	char *header;
	size_t header_len;
	struct body_chunk *chunks;
};
struct upload *upload_new(enum queue_job_kind kind, uint64_t body_id);
void upload_free(struct upload *upload);

/* What became of one recipient in one attempt. */
struct settlement_recipient {
	uint16_t index;
	enum recipient_state state; /* RECIPIENT_WAITING: again at due_ms */
	bool is_charged;
	bool is_maybe_duplicate;
	bool is_report_owed; /* the sender is to hear of it */
	bool is_relay_fault; /* it expired while the relay was at fault */
	uint64_t due_ms;     /* queue time */
	struct verdict verdict;
};

/*
 * The end of an attempt at one part. Recipients that go on waiting become a
 * part with a new number (or several where their dues differ by more than a
 * second, or join one that is due at the same time). A recipient that isn't
 * named keeps waiting and is due at once.
 * result: -ENOENT where the message or part is gone (cancelled meanwhile).
 * Verdicts are never refused for lack of room: the store has a reserve.
 */
struct settlement {
	struct queue_job job;
	uint64_t id;
	uint16_t part;
	uint64_t started_ms; /* wall */
	uint32_t duration_ms;
	char *relay; /* malloc'ed, freed with the settlement; may be NULL */
	char *host;
	char *tls;
	unsigned inflight_slot;  /* cleared once committed; INFLIGHT_NONE */
	bool is_awaited;         /* by the submitter: it goes at once */
	bool has_lost_signature; /* told once a relay: TIMELINE_UNSIGNED */
	bool is_null_refused;    /* goes on with MESSAGE_NULL_REFUSED */
	unsigned recipient_count;
	struct settlement_recipient recipients[];
};
struct settlement *settlement_new(unsigned recipient_count);
void settlement_free(struct settlement *settlement);

enum change_kind {
	CHANGE_HOLD,
	CHANGE_RELEASE,
	CHANGE_RETRY,   /* what waits becomes due at once */
	CHANGE_CANCEL,  /* what waits ends as cancelled */
	CHANGE_PARK,    /* set aside: needs a human; the reason says why */
	CHANGE_REROUTE, /* move parts to the lanes given */
	/* What failed or expired goes out again as another message. */
	CHANGE_RESEND,
	CHANGE_RESCHEDULE, /* what was never tried becomes due then */
};

/*
 * Someone's wish for one message. By way of the scheduler
 * (scheduler_change_take), which knows what is being delivered; but for RESEND,
 * which does nothing to what waits.
 * result: -ENOENT (no such message, or not one of owner_uid's),
 * -EALREADY (nothing left to change: it has ended, or is not held, or was tried
 * before), -ERANGE (RESCHEDULE: behind its deadline).
 */
struct change {
	struct queue_job job;
	enum change_kind kind;
	uint64_t id;
	bool is_for_owner_only;
	uint32_t owner_uid;
	char *reason; /* shown; malloc'ed, freed with the change; or NULL */
	uint64_t until_ms; /* wall; HOLD (0: no end) and RESCHEDULE */
	/* REROUTE: a lane for each recipient of the message, by index (those
	 * that have ended are not looked at). One block of malloc, with the
	 * domains behind the array; freed with the change. */
	struct lane_key *lanes;
	uint32_t relay; /* REROUTE: the message's own; 0: as it is */
	/* RESEND: the new message, with shared_body_id of this one; freed with
	 * the change. -EALREADY: that body is gone, or another's by now. */
	struct submission *submission;
	bool is_accepted_only; /* out: is being delivered; done if that fails */
};
struct change *change_new(enum change_kind kind, uint64_t id);
void change_free(struct change *change);

/*
 * What a relay is to be remembered for over a restart (breaker, buckets,
 * counts), opaque bytes. Rides on a commit, at most once a second a relay.
 */
#define RELAY_MEMORY_MAX 3072
struct relay_memory {
	struct queue_job job;
	uint32_t relay;
	bool is_awaited; /* mail waits for it: it goes at once */
	/* TIMELINE_TROUBLE or _RELIEF goes into the feed; ACCEPTED: nothing. */
	enum timeline_kind event;
	size_t len;
	unsigned char bytes[RELAY_MEMORY_MAX];
};

/* Any thread. The job is the committer's until it comes home. */
void queue_post_take(struct queue *queue, struct queue_job *job);

/* Several jobs (linked by letter.next) with one wake-up. */
void queue_post_list_take(struct queue *queue, struct letter *first);

/*
 * May a new message of about size_bytes be taken now? 0, -ENOSPC, or -EBUSY
 * (too many wait for the committer, or the disk stalls). Any thread; cheap.
 */
int queue_may_accept(struct queue *queue, uint64_t size_bytes);

/* ----------------------------------------------------------------- reads */

/* One a thread. */
int queue_reader_new(struct queue_reader **ret_reader, struct queue *queue);
void queue_reader_free(struct queue_reader *reader);

/*
 * All reads in between see the queue of one moment. Not for long: what is
 * deleted meanwhile keeps its room. 0 or -errno.
 */
int queue_reader_hold(struct queue_reader *reader);
void queue_reader_release(struct queue_reader *reader);

/* The whole record with recipients and story; -ENOENT, -EBADMSG, -ENOMEM. */
int queue_read_message(struct queue_reader *reader, uint64_t id,
                       struct message **ret_message);

/*
 * Piece `piece` of a body, copied to `into` (BODY_PIECE_MAX octets). Piece 0
 * begins with the header block of header_len octets and may hold all or part
 * of the body behind it. -ENOENT: no such piece (the last was before it).
 */
int queue_read_piece(struct queue_reader *reader, uint64_t body_id,
                     uint32_t piece, char *into, size_t *ret_len);

/* Lane of an id, its domain copied. -ENOENT. */
#define LANE_DOMAIN_MAX 256
struct lane_info {
	uint32_t id;
	struct lane_key key; /* key.domain points to domain */
	char domain[LANE_DOMAIN_MAX];
	uint64_t waiting; /* parts */
	uint64_t waiting_bytes;
};
int queue_read_lane(struct queue_reader *reader, uint32_t lane,
                    struct lane_info *ret_info);
/* Lanes with an id above `after`; fills up to `max`; returns the number. */
int queue_read_lanes(struct queue_reader *reader, uint32_t after,
                     struct lane_info *infos, unsigned max);

struct part_row {
	uint64_t id;
	uint64_t due_ms;
	uint32_t lane;
	uint16_t part;
	uint16_t attempts;
};
/* Rows of fresh above (after_id, after_part), up to max; the number. */
int queue_read_fresh(struct queue_reader *reader, uint64_t after_id,
                     uint16_t after_part, struct part_row *rows, unsigned max);
/*
 * Rows of sched of one lane from (from_due, from_id, from_part) inclusive up
 * to due `until_ms`; returns the number. *ret_next_due: the due of the first
 * row not given, UINT64_MAX without one.
 */
int queue_read_due(struct queue_reader *reader, uint32_t lane,
                   const struct part_row *from, uint64_t until_ms,
                   struct part_row *rows, unsigned max, uint64_t *ret_next_due);
struct wake_row {
	uint64_t due_ms;
	uint32_t lane;
};
/* The earliest lanes of wake from (due, lane) inclusive; the number. */
int queue_read_wake(struct queue_reader *reader, const struct wake_row *from,
                    struct wake_row *rows, unsigned max);

/*
 * Reports that are due up to `until_ms`, from (due, id) inclusive, up to max;
 * the number. *ret_next_due: the due of the first not given, UINT64_MAX
 * without one.
 */
struct report_row {
	uint64_t due_ms;
	uint64_t id;
};
int queue_read_reports(struct queue_reader *reader,
                       const struct report_row *from, uint64_t until_ms,
                       struct report_row *rows, unsigned max,
                       uint64_t *ret_next_due);

/* The message that a submitter's key belongs to; -ENOENT without. */
int queue_read_key(struct queue_reader *reader, uint32_t uid, const char *key,
                   uint64_t *ret_id);

/* 0 and the bytes, or -ENOENT. */
int queue_read_relay(struct queue_reader *reader, uint32_t relay,
                     struct relay_memory *ret_memory);

/* What a list shows; unset fields match everything. */
struct queue_filter {
	bool has_state, has_uid, has_relay;
	enum message_state state;
	uint32_t uid;
	const char *relay; /* name, as in replies and lanes */
	uint32_t relay_id;
	const char *sender; /* address, or "@domain" */
	const char *recipient;
	const char *tag;
	uint64_t since_ms;
};
/*
 * Newest first, ids below `before` (0: from the newest), up to max records
 * without their stories; returns the number, -errno. The cost does not depend
 * on the depth: where matches are very rare, a call gives up after a bounded
 * number of rows, with fewer records than asked for (even none) and *ret_next
 * set. *ret_next: pass it as `before` for the next page, 0 at the end. The
 * caller frees the records.
 */
int queue_list(struct queue_reader *reader, const struct queue_filter *filter,
               uint64_t before, struct message **messages, unsigned max,
               uint64_t *ret_next);

struct feed_row {
	uint64_t sequence;
	uint64_t id; /* of a message; with TROUBLE and RELIEF of a relay */
	uint64_t time_ms;
	enum timeline_kind kind;
};
/*
 * Rows above `after`, up to max; the number. -ERANGE where the ring has moved
 * on; *ret_oldest is then the oldest there is.
 */
int queue_read_feed(struct queue_reader *reader, uint64_t after,
                    struct feed_row *rows, unsigned max, uint64_t *ret_oldest);

struct queue_counts {
	uint64_t messages[MESSAGE_STATES];
	uint64_t waiting_parts;
	uint64_t bytes_used;    /* live pages of the store */
	uint64_t bytes_maximum; /* where new mail is refused */
	uint64_t disk_free;
	uint64_t last_sequence;
	uint64_t oldest_kept_ms;   /* real retention: oldest record's time */
	uint64_t stalled_since_ms; /* wall; 0: the disk answers */
	bool is_full;
	uint64_t commits; /* since start */
	uint64_t committed_jobs;
};
int queue_read_counts(struct queue_reader *reader, struct queue_counts *ret);

/* Now, in queue time; any thread. */
uint64_t queue_time_ms(const struct queue *queue);
/* The clock leapt at the start (queue_time.h): nothing ends by its age now. */
bool queue_is_time_unsure(const struct queue *queue);

/* When the committer last made progress, CLOCK_BOOTTIME ms; any thread. */
uint64_t queue_last_progress_ms(const struct queue *queue);

/*
 * Marks of what may be at the far side: a small shared mapping that survives
 * the process. A worker fills a slot right before the final dot is written;
 * the committer clears it when the verdict is on disk. No system call.
 */
#define INFLIGHT_NONE (~0u)
/* A free slot, or INFLIGHT_NONE when all are taken. Any thread. */
unsigned inflight_fill(struct queue *queue, uint64_t id, uint16_t part);
/*
 * The calling thread works on this message from now on (0: on none). If it
 * crashes meanwhile, the next start counts that, and a message that did so
 * three times in a row without getting anywhere is parked.
 */
void queue_note_work(uint64_t id);
/* For an attempt that ended without a settlement. */
void inflight_clear(struct queue *queue, unsigned slot);

#endif
