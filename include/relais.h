/*
 * relais.h - hand mail to the local relais queue
 *
 * A session is a connection to relaisd over its Unix socket, opened when it is
 * first needed, and again when it was lost. Calls block, each up to the
 * time-out it is given. What went wrong is in the answer: the library never
 * logs, aborts, exits, raises SIGPIPE or starts a thread.
 *
 * The socket is the one named at the start, else the one that the environment
 * names in RELAIS_SOCKET, else /run/relais/submit.sock.
 *
 * Thread: a session serves one thread at a time; sessions are independent.
 * Signals: interrupted calls go on.
 */
#ifndef RELAIS_H
#define RELAIS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RELAIS_EXPORT __attribute__((visibility("default")))

/* A queue id is 13 characters and a NUL. */
#define RELAIS_ID_SIZE 16
/* "5.7.1" and a NUL, with room for what servers make up */
#define RELAIS_STATUS_SIZE 20
#define RELAIS_TEXT_SIZE   256
/* Any address and a NUL */
#define RELAIS_ADDRESS_SIZE 512

struct relais_session;

enum relais_result {
	/* The message is on stable storage, or was already (see key). If an
	   outcome was waited for: every recipient has been delivered to. */
	RELAIS_OK = 0,
	/* The message is on stable storage. The outcome that was to be waited
	   for is not known yet. */
	RELAIS_PENDING = 1,
	/* The message is on record, and the relay has refused it for good
	   while the outcome was waited for. No bounce is sent. */
	RELAIS_FAILED = 2,
	/* The same, for some of the recipients; to the others the message has
	   been delivered. */
	RELAIS_PARTIAL = 3,

	/* All below: nothing was queued, unless they say otherwise. */

	/* relaisd has refused it for good; see code, status and text. */
	RELAIS_REJECTED = 16,
	/* relaisd can't take it now: the queue is full, the disk is slow, the
	   submitter beyond its rate. Try again later. */
	RELAIS_TRY_LATER = 17,
	/* Nobody listens at the socket, the time is over, or the link was lost
	   before the message was complete. Try again later. */
	RELAIS_UNAVAILABLE = 18,
	/* The link was lost, or the time was over, behind the message, and
	   relaisd could not be asked: the message may be queued. Submitting it
	   again with the same key can't double it. */
	RELAIS_UNKNOWN = 19,
	/* This relaisd lacks what the envelope asks for: see text. */
	RELAIS_UNSUPPORTED = 20,
	/* The arguments make no sense, such as an address that is none. */
	RELAIS_INVALID = 21,
	/* Reading the body failed; see error. */
	RELAIS_BODY_UNREADABLE = 22,
	/* Out of memory. */
	RELAIS_NO_MEMORY = 23,

	/* Of relais_status() alone. */

	/* There is no message of that id, its record is no longer kept, or it
	   is somebody else's: relaisd does not tell which. */
	RELAIS_NO_SUCH_MESSAGE = 24,
	/* relaisd did not answer in time. */
	RELAIS_TIMED_OUT = 25
};

/* What became of one message. Every member is set by every call. */
struct relais_answer {
	enum relais_result result;
	/* The SMTP reply code, such as 250, or for relais_status() that of
	   HTTP, such as 404; 0 if relaisd didn't say anything */
	int code;
	/* errno of what failed on our side; 0 where nothing did */
	int error;
	/* The queue id; "" where there is none */
	char id[RELAIS_ID_SIZE];
	/* The enhanced status code (RFC 3463) such as "5.7.1"; or "" */
	char status[RELAIS_STATUS_SIZE];
	/* One line for people: printable, UTF-8 */
	char text[RELAIS_TEXT_SIZE];
	/* The index of the recipient that was refused; or -1 */
	long recipient;
	/* Was the key known: is it the id of an earlier submission? */
	int is_duplicate;
	/* Zero; so that members can be added. */
	int reserved[15];
};

/* For relais_envelope.notify, or-ed (RFC 3461); 0 leaves it to relaisd */
#define RELAIS_NOTIFY_NEVER   1u
#define RELAIS_NOTIFY_SUCCESS 2u
#define RELAIS_NOTIFY_FAILURE 4u
#define RELAIS_NOTIFY_DELAY   8u

/* How much of the message a delivery report carries. */
enum relais_return {
	RELAIS_RETURN_UNSTATED = 0,
	RELAIS_RETURN_HEADERS = 1,
	RELAIS_RETURN_FULL = 2
};

/*
 * Who sends to whom, and how. Set what you need and leave the rest zero:
 * designated initialisers do. All is borrowed for the time of a call, and
 * texts are UTF-8. Addresses are plain: "app@example.com", without brackets;
 * a name alone, as in "root", gets relaisd's domain.
 */
struct relais_envelope {
	/* NULL or "": the null sender, as of bounces */
	const char *sender;
	const char *const *recipients;
	size_t recipient_count;
	/* Idempotency key, 1 to 256 bytes: a second submission with it answers
	   with the id of the first, for as long as relaisd remembers (a day or
	   more). NULL: one is made, so that a lost link can't double mail. */
	const char *key;
	/* For lists and filters, up to 128 bytes */
	const char *tag;
	/* Anything of yours, up to 2,048 bytes; comes back in events */
	const char *meta;
	/* The relay to use, if the submitter may choose */
	const char *relay;
	/* Wait up to 300 s for the outcome, once the message is durable. The
	   time-out of the call must be longer. */
	unsigned wait_s;
	/* Not to be relayed before so many seconds have passed */
	unsigned hold_s;
	/* To be relayed within so many seconds, or to be returned */
	unsigned deadline_s;
	/* -9 to 9 (RFC 6710): 4 and more is urgent, -4 and less is bulk */
	int priority;
	unsigned notify;
	enum relais_return return_what;
	/* Comes back in delivery reports; up to 33 printable ASCII characters,
	   or more where few need encoding */
	const char *envelope_id;
	/* Is the content known to be 7-bit text? Else 8BITMIME is declared. */
	int is_7bit;
	/* Was SMTPUTF8 asked for? Addresses beyond ASCII do so themselves. */
	int is_smtputf8;
	/* Zero; so that members can be added. */
	void *reserved[8];
};

/**
 * The version of the library that is running, such as "0.1.0".
 *
 * @return a constant string. Thread: any.
 */
RELAIS_EXPORT const char *relais_version(void);

/**
 * Make a session. Nothing is connected yet.
 *
 * @param socket  path of the submission socket, copied; NULL: see above
 * @return yours, to be closed with relais_close(); NULL: out of memory
 */
RELAIS_EXPORT struct relais_session *relais_open(const char *socket);

/**
 * End a session. A message that relais_begin() started is not queued.
 *
 * @param session  may be NULL
 */
RELAIS_EXPORT void relais_close(struct relais_session *session);

/**
 * Queue one message from memory and wait until it is on disk.
 *
 * @param envelope    at least one recipient
 * @param data        the message: header, empty line, body. Lines may end in
 *                    LF or CRLF. Bcc fields are removed by relaisd; a missing
 *                    Date, Message-ID or From is added
 * @param len         bytes of data
 * @param timeout_ms  whole call, milliseconds; 0 waits for ever
 * @param ret_answer  what became of it; may be NULL
 * @return the same as ret_answer->result
 *
 * All recipients are queued for, or none: if one is refused, so is the message.
 */
RELAIS_EXPORT enum relais_result
relais_submit(struct relais_session *session,
              const struct relais_envelope *envelope, const void *data,
              size_t len, unsigned timeout_ms,
              struct relais_answer *ret_answer);

/**
 * The same with the message from a descriptor.
 *
 * @param body_fd  read from its offset to end of file, in blocking mode; stays
 *                 open, yours. Memory is the same for any size
 */
RELAIS_EXPORT enum relais_result
relais_submit_fd(struct relais_session *session,
                 const struct relais_envelope *envelope, int body_fd,
                 unsigned timeout_ms, struct relais_answer *ret_answer);

/**
 * Queue one message piece by piece: begin, write as often as you like, finish.
 *
 * @param envelope    borrowed until relais_finish(), relais_abort() or
 *                    relais_close()
 * @param timeout_ms  for each of the calls that follow; 0 waits for ever
 * @return RELAIS_OK, or why it can't begin: then there is nothing to finish
 */
RELAIS_EXPORT enum relais_result
relais_begin(struct relais_session *session,
             const struct relais_envelope *envelope, unsigned timeout_ms,
             struct relais_answer *ret_answer);

/**
 * @return RELAIS_OK; else the message is lost already, and relais_finish()
 *         will say the same
 */
RELAIS_EXPORT enum relais_result relais_write(struct relais_session *session,
                                              const void *data, size_t len);

/**
 * The message is complete: wait until it is on disk.
 *
 * @return as relais_submit()
 */
RELAIS_EXPORT enum relais_result
relais_finish(struct relais_session *session, struct relais_answer *ret_answer);

/**
 * The message will not be complete: nothing is queued.
 */
RELAIS_EXPORT void relais_abort(struct relais_session *session);

/* One message of a batch. */
struct relais_submission {
	const struct relais_envelope *envelope;
	const void *data;
	size_t len;
	/* filled in by relais_submit_batch() */
	struct relais_answer answer;
};

/**
 * Queue many messages, over several connections at once, so that one write to
 * the disk makes several of them durable. They are independent: each has its
 * own answer, and none waits for another's refusal. In the queue their order
 * is any.
 *
 * @param submissions  borrowed for the call
 * @param timeout_ms   whole call, milliseconds; 0 waits for ever
 * @return how many were queued: those with an id
 */
RELAIS_EXPORT size_t relais_submit_batch(struct relais_session *session,
                                         struct relais_submission *submissions,
                                         size_t count, unsigned timeout_ms);

/* Of a message. A recipient's is QUEUED, DELIVERED, FAILED, EXPIRED or
   CANCELLED. */
enum relais_state {
	/* one that this library does not know */
	RELAIS_STATE_OTHER = 0,

	/* waits for an attempt */
	RELAIS_STATE_QUEUED = 1,
	/* under way just now */
	RELAIS_STATE_DELIVERING = 2,
	/* kept back, by an administrator or by a limit */
	RELAIS_STATE_HELD = 3,
	/* set aside, since relaisd cannot handle it */
	RELAIS_STATE_PARKED = 4,

	/* From 16 on: over. */

	/* The relay has taken it. */
	RELAIS_STATE_DELIVERED = 16,
	/* The relay has refused it for good. */
	RELAIS_STATE_FAILED = 17,
	/* It was tried for as long as it was worth it. */
	RELAIS_STATE_EXPIRED = 18,
	RELAIS_STATE_CANCELLED = 19,
	/* delivered to some of its recipients, and over */
	RELAIS_STATE_PARTIAL = 20
};

struct relais_recipient {
	char address[RELAIS_ADDRESS_SIZE];
	enum relais_state state;
	/* Those that count: a relay that is down costs none. */
	unsigned attempts;
	/* Milliseconds since 1970-01-01T00:00:00Z; 0: there is none to come */
	int64_t next_attempt_ms;
	/* The last reply, as in struct relais_answer. code 0: it was relaisd
	   that said so, not a server; no text either: there was none yet */
	int code;
	char status[RELAIS_STATUS_SIZE];
	char text[RELAIS_TEXT_SIZE];
	/* Zero; so that members can be added. */
	void *reserved[8];
};

/* Only the library makes these. */
struct relais_message {
	char id[RELAIS_ID_SIZE];
	enum relais_state state;
	/* Milliseconds since 1970-01-01T00:00:00Z; 0: not yet */
	int64_t submitted_ms;
	int64_t ended_ms;
	struct relais_recipient *recipients;
	size_t recipient_count;
	/* Zero; so that members can be added. */
	void *reserved[8];
};

/**
 * Ask what became of a message: one's own, or any if an administrator asks.
 *
 * Needs no session. Thread: any, several at once.
 *
 * @param socket       path of the control socket; NULL: the one that the
 *                     environment names in RELAIS_CONTROL_SOCKET, else
 *                     /run/relais/control.sock
 * @param id           as in struct relais_answer
 * @param wait_s       let relaisd answer when the message's end is known, or
 *                     after so many seconds, up to 300; 0: at once
 * @param timeout_ms   whole call, milliseconds, and longer than wait_s; 0:
 *                     until relaisd has been silent for a minute
 * @param ret_message  yours if the result is RELAIS_OK, to be freed with
 *                     relais_message_free(); else NULL
 * @param ret_answer   why not; may be NULL
 * @return RELAIS_OK: the status is known, whatever it is.
 *         RELAIS_NO_SUCH_MESSAGE, RELAIS_UNAVAILABLE (nobody listens, or we
 *         may not connect), RELAIS_TIMED_OUT, RELAIS_TRY_LATER (too many
 *         questions), RELAIS_REJECTED, RELAIS_INVALID or RELAIS_NO_MEMORY
 */
RELAIS_EXPORT enum relais_result
relais_status(const char *socket, const char *id, unsigned wait_s,
              unsigned timeout_ms, struct relais_message **ret_message,
              struct relais_answer *ret_answer);

/**
 * @param message  may be NULL
 */
RELAIS_EXPORT void relais_message_free(struct relais_message *message);

#ifdef __cplusplus
}
#endif
#endif
