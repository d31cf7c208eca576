/*
 * homecoming - after a commit: who is told, and how jobs come home
 *
 * Thread: the committer's, but for the two _listen_again().
 */
#ifndef RELAIS_QUEUE_HOMECOMING_H
#define RELAIS_QUEUE_HOMECOMING_H

#include "queue/queue.h"

struct gauges;
struct homecoming;
struct ledger;

struct homecoming *homecoming_new(struct gauges *gauges);
void homecoming_free(struct homecoming *homecoming);

void homecoming_listen_parts(struct homecoming *homecoming,
                             struct mailbox *mailbox,
                             void (*open)(struct letter *letter),
                             void *context);
void homecoming_listen_feed(struct homecoming *homecoming,
                            struct feed_listener *listener);
void homecoming_listen_reports(struct homecoming *homecoming,
                               struct mailbox *mailbox, struct letter *letter);
void homecoming_reports_listen_again(struct homecoming *homecoming);

/* A settlement that could not be done: its claim ends with the next notice. */
void homecoming_note_claim(struct homecoming *homecoming,
                           const struct settlement *settlement);
void homecoming_end_claims(struct homecoming *homecoming,
                           struct ledger *ledger);

/* Posts the ledger's notices, and wakes whoever listens to the feed. */
void homecoming_tell(struct homecoming *homecoming, struct ledger *ledger);

/* Sends jobs home, those of one mailbox with one wake-up; frees what mail
 * they brought, after that. */
void homecoming_send(struct homecoming *homecoming, struct queue_job **jobs,
                     unsigned count);

#endif
