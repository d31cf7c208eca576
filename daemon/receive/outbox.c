#include "config.h"

#include "receive/outbox.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <event2/event.h>

#include "queue/queue.h"
#include "runtime/xalloc.h"

struct outbox {
	struct queue *queue;
	struct event *turn;
	struct letter *first;
	struct letter **end;
};

static void on_turn(evutil_socket_t fd, short what, void *argument);

int outbox_new(struct outbox **ret_outbox, struct event_base *base,
               int priority, struct queue *queue)
{
	struct outbox *outbox = xcalloc(1, sizeof(*outbox));

	outbox->queue = queue;
	outbox->end = &outbox->first;
	outbox->turn = event_new(base, -1, 0, on_turn, outbox);
	if (outbox->turn == NULL) {
		free(outbox);
		return -ENOMEM;
	}
	(void)event_priority_set(outbox->turn, priority);
	*ret_outbox = outbox;
	return 0;
}

void outbox_free(struct outbox *outbox)
{
	if (outbox == NULL)
		return;
	event_free(outbox->turn);
	free(outbox);
}

void outbox_add_take(struct outbox *outbox, struct queue_job *job)
{
	/* Behind all events that are active already. */
	if (outbox->first == NULL)
		event_active(outbox->turn, EV_WRITE, 0);
	job->letter.next = NULL;
	*outbox->end = &job->letter;
	outbox->end = &job->letter.next;
}

static void on_turn(evutil_socket_t fd, short what, void *argument)
{
	struct outbox *outbox = argument;
	struct letter *first = outbox->first;

	(void)fd;
	(void)what;
	outbox->first = NULL;
	outbox->end = &outbox->first;
	queue_post_list_take(outbox->queue, first);
}
