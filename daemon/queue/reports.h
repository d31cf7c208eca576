/*
 * reports - what senders are still to be told, kept with the mail itself
 *
 * A recipient whose end or delay is owed to the sender is marked in the
 * transaction that says so, and its message has a row in `report`: due time
 * (8), id (8). The report itself is written elsewhere; the transaction that
 * adds it to the queue takes mark and row away.
 *
 * Promise: a report that is owed is sent exactly once, whatever crashes when.
 * Thread:  the ledger's.
 */
#ifndef RELAIS_QUEUE_REPORTS_H
#define RELAIS_QUEUE_REPORTS_H

#include <stdbool.h>

#include "queue/report.h"

#define REPORT_KEY_SIZE 16

struct ledger;

bool reports_are_owed(const struct message *message);

/*
 * By the marks of the recipients: sets message->report_ms and moves the row.
 * Others of the message may join it for gather_ms, or for a second once it has
 * ended; what a relay's fault has ended waits for the end of the
 * summary's time. Before message_rows_write().
 */
int reports_schedule(struct ledger *ledger, struct message *message);

int report_apply(struct ledger *ledger, struct report *report);

#endif
