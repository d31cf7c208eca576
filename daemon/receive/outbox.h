/*
 * outbox - messages that came in one turn of the loop, posted together
 *
 * The committer begins with what it gets: one message alone, where the next ten
 * are ready a moment later, would have a commit of its own. What is put here
 * goes when the events that are due now have been served; nothing waits for
 * what is not there yet.
 *
 * Thread: the receive loop's.
 */
#ifndef RELAIS_RECEIVE_OUTBOX_H
#define RELAIS_RECEIVE_OUTBOX_H

struct event_base;
struct outbox;
struct queue;
struct queue_job;

/*
 * priority: that of the events whose messages come here (loop.h); a higher one
 * would post each of them alone. 0 or -ENOMEM.
 */
int outbox_new(struct outbox **ret_outbox, struct event_base *base,
               int priority, struct queue *queue);
/* Nothing is inside: the loop has ended its last turn. */
void outbox_free(struct outbox *outbox);

/* As queue_post_take(), at the end of this turn. */
void outbox_add_take(struct outbox *outbox, struct queue_job *job);

#endif
