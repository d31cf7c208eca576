/*
 * mailbox - how a struct changes thread; the only lock of the daemon
 *
 * A list, a mutex and a way to wake the receiver: an eventfd that its loop
 * reads, or a condition variable. The receiver is woken only when the list
 * was empty, takes the whole list at once, and opens it unlocked.
 */
#include "config.h"

#include "runtime/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "runtime/loop.h"

struct mailbox {
	pthread_mutex_t lock;
	struct letter *first;
	struct letter **end;

	/* bound to a loop */
	struct event *event;
	int wake_fd;

	/* blocking */
	pthread_cond_t arrived;
	bool is_blocking;
};

static void on_wake(evutil_socket_t fd, short what, void *argument);
static struct letter *take_all(struct mailbox *mailbox);

static struct mailbox *mailbox_allocate(void)
{
	struct mailbox *mailbox = calloc(1, sizeof(*mailbox));

	if (mailbox == NULL)
		return NULL;
	pthread_mutex_init(&mailbox->lock, NULL);
	mailbox->end = &mailbox->first;
	mailbox->wake_fd = -1;
	return mailbox;
}

int mailbox_new(struct mailbox **ret_mailbox, struct loop *loop)
{
	struct mailbox *mailbox;
	int r;

	assert(loop_is_mine(loop));
	mailbox = mailbox_allocate();
	if (mailbox == NULL)
		return -ENOMEM;
	mailbox->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (mailbox->wake_fd < 0) {
		r = -errno;
		goto out;
	}
	mailbox->event = event_new(loop_base(loop), mailbox->wake_fd,
	                           EV_READ | EV_PERSIST, on_wake, mailbox);
	r = -ENOMEM;
	if (mailbox->event == NULL || event_add(mailbox->event, NULL) < 0)
		goto out;

	*ret_mailbox = mailbox;
	mailbox = NULL;
	r = 0;
out:
	mailbox_free(mailbox);
	return r;
}

int mailbox_new_blocking(struct mailbox **ret_mailbox)
{
	struct mailbox *mailbox = mailbox_allocate();
	pthread_condattr_t attributes;

	if (mailbox == NULL)
		return -ENOMEM;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&mailbox->arrived, &attributes);
	pthread_condattr_destroy(&attributes);
	mailbox->is_blocking = true;
	*ret_mailbox = mailbox;
	return 0;
}

void mailbox_free(struct mailbox *mailbox)
{
	if (mailbox == NULL)
		return;
	if (mailbox->event != NULL)
		event_free(mailbox->event);
	if (mailbox->wake_fd >= 0)
		(void)close(mailbox->wake_fd);
	if (mailbox->is_blocking)
		pthread_cond_destroy(&mailbox->arrived);
	pthread_mutex_destroy(&mailbox->lock);
	free(mailbox);
}

void mailbox_post_take(struct mailbox *mailbox, struct letter *letter)
{
	letter->next = NULL;
	mailbox_post_list_take(mailbox, letter);
}

void mailbox_post_list_take(struct mailbox *mailbox, struct letter *first)
{
	struct letter *last = first;
	bool was_empty;

	if (first == NULL)
		return;
	while (last->next != NULL)
		last = last->next;

	pthread_mutex_lock(&mailbox->lock);
	was_empty = mailbox->first == NULL;
	*mailbox->end = first;
	mailbox->end = &last->next;
	if (was_empty && mailbox->is_blocking)
		pthread_cond_signal(&mailbox->arrived);
	/* Under the lock, so that a mailbox is not freed between the two. */
	if (was_empty && !mailbox->is_blocking)
		(void)eventfd_write(mailbox->wake_fd, 1);
	pthread_mutex_unlock(&mailbox->lock);
}

static void on_wake(evutil_socket_t fd, short what, void *argument)
{
	struct letter *letter, *next;
	eventfd_t count;

	(void)what;
	/* Read before the list is taken: a letter posted in between writes
	 * again, and at worst wakes us for an empty list. */
	(void)eventfd_read(fd, &count);
	for (letter = take_all(argument); letter != NULL; letter = next) {
		next = letter->next;
		letter->next = NULL;
		letter->open(letter);
	}
}

static struct letter *take_all(struct mailbox *mailbox)
{
	struct letter *first;

	pthread_mutex_lock(&mailbox->lock);
	first = mailbox->first;
	mailbox->first = NULL;
	mailbox->end = &mailbox->first;
	pthread_mutex_unlock(&mailbox->lock);
	return first;
}

static void deadline_in(struct timespec *ret_deadline, int timeout_ms)
{
	clock_gettime(CLOCK_MONOTONIC, ret_deadline);
	ret_deadline->tv_sec += timeout_ms / 1000;
	ret_deadline->tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (ret_deadline->tv_nsec >= 1000000000) {
		ret_deadline->tv_sec++;
		ret_deadline->tv_nsec -= 1000000000;
	}
}

struct letter *mailbox_wait(struct mailbox *mailbox, int timeout_ms)
{
	struct timespec deadline;
	struct letter *first;
	int r = 0;

	assert(mailbox->is_blocking);
	if (timeout_ms > 0)
		deadline_in(&deadline, timeout_ms);

	pthread_mutex_lock(&mailbox->lock);
	while (mailbox->first == NULL && timeout_ms != 0 && r != ETIMEDOUT) {
		if (timeout_ms < 0)
			r = pthread_cond_wait(&mailbox->arrived,
			                      &mailbox->lock);
		else
			r = pthread_cond_timedwait(&mailbox->arrived,
			                           &mailbox->lock, &deadline);
	}
	first = mailbox->first;
	mailbox->first = NULL;
	mailbox->end = &mailbox->first;
	pthread_mutex_unlock(&mailbox->lock);
	return first;
}
