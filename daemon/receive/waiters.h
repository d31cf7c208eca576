/*
 * waiters - sessions that hold their answer until a message has ended
 *
 * Commit, then wait: the message is on disk before anybody waits for it, and
 * a waiter costs its entry here and a timer. Woken by the queue's feed.
 *
 * Thread: the receive loop's.
 */
#ifndef RELAIS_RECEIVE_WAITERS_H
#define RELAIS_RECEIVE_WAITERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct event;
struct event_base;
struct mailbox;
struct message;
struct queue;
struct waiters;

/* Embedded in who waits; zero before the first use. */
struct waiter {
	LIST_ENTRY(waiter) link;
	uint64_t id; /* 0: doesn't wait */
	struct event *timer;
	struct waiters *waiters;
	/*
	 * It has ended, or the time has: message as it is now, borrowed; NULL
	 * where it could not be read. The waiter waits no more.
	 */
	void (*on_outcome)(struct waiter *waiter,
	                   const struct message *message);
};

/* Before queue_start(). */
int waiters_new(struct waiters **ret_waiters, struct event_base *base,
                struct queue *queue, struct mailbox *mailbox);
void waiters_free(struct waiters *waiters);

/* on_outcome may come before this returns. */
void waiters_wait(struct waiters *waiters, struct waiter *waiter, uint64_t id,
                  unsigned wait_s);

/* Without an outcome; does nothing where it doesn't wait. */
void waiters_leave(struct waiter *waiter);

/* Every time is over: each hears how things stand. */
void waiters_end_all(struct waiters *waiters);

#endif
