/*
 * committer - makes what was posted durable, many jobs per sync
 *
 * One thread does all that waits in one transaction: verdicts first, at most
 * 256 jobs or 4 MiB of new mail. What waits meanwhile is the next batch.
 *
 * Promise: a job goes home with result 0 only after the sync that covers it,
 *          and after the scheduler was told. New mail that finds no room goes
 *          home with an error; a settlement never does, it is tried again.
 *          If the outcome of a commit can't be known, the process ends.
 * Thread:  committer_post_list_take() from any thread.
 */
#ifndef RELAIS_QUEUE_COMMITTER_H
#define RELAIS_QUEUE_COMMITTER_H

#include "queue/queue.h"

struct committer;
struct gauges;
struct inflight;
struct ledger;

/* All three are borrowed until committer_free(). 0 or -errno. */
int committer_new(struct committer **ret_committer, struct ledger *ledger,
                  struct inflight *inflight, struct gauges *gauges);
void committer_free(struct committer *committer);

/* Before the start. */
void committer_listen_parts(struct committer *committer,
                            struct mailbox *mailbox,
                            void (*open)(struct letter *letter), void *context);
void committer_listen_feed(struct committer *committer,
                           struct feed_listener *listener);
void committer_listen_reports(struct committer *committer,
                              struct mailbox *mailbox, struct letter *letter);
void committer_reports_listen_again(struct committer *committer);

int committer_start(struct committer *committer);
/* Does all that was posted before, then ends the thread. */
void committer_stop(struct committer *committer);
/* After the stop: was every job done? */
bool committer_is_clean(const struct committer *committer);

/* Jobs, linked by letter.next; their letter.open is set already. */
void committer_post_list_take(struct committer *committer,
                              struct letter *first);

#endif
