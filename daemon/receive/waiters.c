#include "config.h"

#include "receive/waiters.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>

#include "queue/queue.h"
#include "runtime/xalloc.h"

#define TABLE_SIZE   1024
#define ROWS_AT_ONCE 256

LIST_HEAD(waiter_list, waiter);

struct waiters {
	struct event_base *base;
	struct queue *queue;
	struct queue_reader *reader; /* made with the first waiter */
	struct feed_listener feed;
	bool is_listening;
	uint64_t position; /* of the feed */
	unsigned count;
	struct waiter_list table[TABLE_SIZE];
};

static void on_feed(struct letter *letter);
static void on_time(evutil_socket_t fd, short what, void *argument);
static void listen_again(struct waiters *waiters);
static bool look(struct waiter *waiter, bool must_end);
static void look_at(struct waiters *waiters, uint64_t id);
static void look_at_all(struct waiters *waiters, bool must_end);

int waiters_new(struct waiters **ret_waiters, struct event_base *base,
                struct queue *queue, struct mailbox *mailbox)
{
	struct waiters *waiters = xcalloc(1, sizeof(*waiters));

	waiters->base = base;
	waiters->queue = queue;
	waiters->feed.letter.open = on_feed;
	waiters->feed.mailbox = mailbox;
	queue_listen_feed(queue, &waiters->feed);
	*ret_waiters = waiters;
	return 0;
}

void waiters_free(struct waiters *waiters)
{
	if (waiters == NULL)
		return;
	queue_reader_free(waiters->reader);
	free(waiters);
}

static struct waiter_list *list_of(struct waiters *waiters, uint64_t id)
{
	/* The counter's bits and the milliseconds' lowest ones. */
	return &waiters->table[(id ^ id >> 22) % TABLE_SIZE];
}

/* The first waiter begins where the feed is now: what it wants is looked at
 * once by itself, so nothing falls in between. */
static int begin(struct waiters *waiters)
{
	struct queue_counts counts;
	int r;

	if (waiters->reader == NULL) {
		r = queue_reader_new(&waiters->reader, waiters->queue);
		if (r < 0)
			return r;
	}
	listen_again(waiters);
	r = queue_read_counts(waiters->reader, &counts);
	if (r == 0)
		waiters->position = counts.last_sequence;
	return r;
}

void waiters_wait(struct waiters *waiters, struct waiter *waiter, uint64_t id,
                  unsigned wait_s)
{
	const struct timeval limit = { .tv_sec = wait_s };

	if (waiter->timer == NULL)
		waiter->timer = evtimer_new(waiters->base, on_time, waiter);
	if (waiter->timer == NULL ||
	    (waiters->count == 0 && begin(waiters) < 0)) {
		waiter->on_outcome(waiter, NULL);
		return;
	}
	waiter->id = id;
	waiter->waiters = waiters;
	waiters->count++;
	LIST_INSERT_HEAD(list_of(waiters, id), waiter, link);
	(void)event_add(waiter->timer, &limit);
	(void)look(waiter, false);
}

static void leave(struct waiter *waiter)
{
	if (waiter->id == 0)
		return;
	waiter->id = 0;
	waiter->waiters->count--;
	LIST_REMOVE(waiter, link);
	(void)event_del(waiter->timer);
}

void waiters_leave(struct waiter *waiter)
{
	leave(waiter);
	if (waiter->timer != NULL)
		event_free(waiter->timer);
	waiter->timer = NULL;
}

void waiters_end_all(struct waiters *waiters)
{
	look_at_all(waiters, true);
}

static bool has_ended(const struct message *message)
{
	unsigned i;

	for (i = 0; i < message->recipient_count; i++)
		if (message->recipients[i].state == RECIPIENT_WAITING)
			return false;
	return true;
}

/* True when the waiter has been told and is gone from the table. */
static bool look(struct waiter *waiter, bool must_end)
{
	struct message *message = NULL;

	(void)queue_read_message(waiter->waiters->reader, waiter->id, &message);
	if (!must_end && message != NULL && !has_ended(message)) {
		message_free(message);
		return false;
	}
	leave(waiter);
	waiter->on_outcome(waiter, message);
	message_free(message);
	return true;
}

static void look_at(struct waiters *waiters, uint64_t id)
{
	struct waiter *waiter, *next;

	waiter = LIST_FIRST(list_of(waiters, id));
	for (; waiter != NULL; waiter = next) {
		next = LIST_NEXT(waiter, link);
		if (waiter->id == id)
			(void)look(waiter, false);
	}
}

static void look_at_all(struct waiters *waiters, bool must_end)
{
	struct waiter *waiter, *next;
	unsigned i;

	for (i = 0; i < TABLE_SIZE; i++) {
		waiter = LIST_FIRST(&waiters->table[i]);
		for (; waiter != NULL; waiter = next) {
			next = LIST_NEXT(waiter, link);
			(void)look(waiter, must_end);
		}
	}
}

static void on_time(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	(void)look(argument, true);
}

static void listen_again(struct waiters *waiters)
{
	if (waiters->is_listening)
		return;
	waiters->is_listening = true;
	queue_feed_listen_again(&waiters->feed);
}

/* Only an end is of interest; a part of one may be the last. */
static bool may_be_an_end(const struct feed_row *row)
{
	return row->kind == TIMELINE_DELIVERED ||
	       row->kind == TIMELINE_FAILED || row->kind == TIMELINE_EXPIRED ||
	       row->kind == TIMELINE_CANCELLED;
}

static void on_feed(struct letter *letter)
{
	struct waiters *waiters =
	    LETTER_OF(letter, struct waiters, feed.letter);
	struct feed_row rows[ROWS_AT_ONCE];
	uint64_t oldest;
	int count, i;

	waiters->is_listening = false;
	if (waiters->count == 0)
		return;
	listen_again(waiters);
	do {
		count = queue_read_feed(waiters->reader, waiters->position,
		                        rows, ROWS_AT_ONCE, &oldest);
		if (count < 0) {
			/* The ring has moved on, or can't be read. */
			if (count == -ERANGE)
				waiters->position = oldest;
			look_at_all(waiters, false);
			return;
		}
		for (i = 0; i < count; i++)
			if (may_be_an_end(&rows[i]))
				look_at(waiters, rows[i].id);
		if (count > 0)
			waiters->position = rows[count - 1].sequence;
	} while (count == ROWS_AT_ONCE);
}
