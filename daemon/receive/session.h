/*
 * session - one submitting client: bytes of a socket for the SMTP engine
 *
 * Owned by the receiver; it ends itself, and its receiver hears of it by
 * receiver_forget_session().
 * Thread: the receive loop's.
 */
#ifndef RELAIS_RECEIVE_SESSION_H
#define RELAIS_RECEIVE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/time.h>

#include "receive/admission.h"
#include "receive/intake.h"
#include "receive/waiters.h"
#include "runtime/peer.h"

struct event;
struct event_base;
struct outbox;
struct session;
struct smtp_server;

struct visit;

TAILQ_HEAD(session_list, session);
LIST_HEAD(visit_list, visit);

#define SESSION_READ_SIZE (64 * 1024)

/* What all sessions share; the receiver fills it in. */
struct session_host {
	struct event_base *base;
	struct queue *queue;
	struct outbox *outbox;
	struct outbox *crowd_outbox; /* of those who wait for their turn */
	struct mailbox *home;
	struct memory_budget budget;
	struct admission *admission;
	struct waiters *waiters;
	struct queue_reader *reader; /* for keys; made when first needed */
	struct session_list sessions;
	struct visit_list visits; /* of who came otherwise: visit.h */
	unsigned session_count;   /* of both */
	int64_t next_refusal_us;  /* when the log may hear of one again */
	int fd_limit; /* descriptors from here on are for deliveries */
	bool is_draining;
	struct timeval turn; /* of the event loop, and */
	uint64_t turn_bytes; /* what all sessions have read in it */
	char *scratch;       /* SESSION_READ_SIZE octets, for one callback */
	/* The last session has ended. */
	void (*on_empty)(struct session_host *host);
	void *owner;
};

/*
 * Begins with the greeting, or with a refusal and the end. Takes fd, and
 * peer's contents; a reference of settings is taken.
 */
void session_start(struct session_host *host, int fd, struct peer *peer,
                   const struct settings *settings);

/*
 * The daemon stops, and asks again and again. Told and left is, if is_final,
 * any client, else one that has handed its mail over and was silent since the
 * last time: it would take a 421 instead of the answer to QUIT for a failure.
 */
void session_drain(struct session *session, bool is_final);

/* At once, without a word. */
void session_free(struct session *session);

/* For walks over host->sessions. */
struct session *session_next(struct session *session);

#endif
