/*
 * waiver - no report about what the submitter was told itself
 *
 * Who waits for the outcome and is answered by the relay's refusal needs no
 * bounce about it.
 *
 * Thread: the receive loop's.
 */
#ifndef RELAIS_RECEIVE_WAIVER_H
#define RELAIS_RECEIVE_WAIVER_H

#include <stdbool.h>

#include "queue/queue.h"

/*
 * Takes the marks of the reports that are owed for recipients which failed,
 * if is_each also where others were delivered. A report that goes out all the
 * same, because something changed meanwhile, does no harm.
 */
void waiver_post(struct queue *queue, struct mailbox *home,
                 const struct message *message, bool is_each);

#endif
