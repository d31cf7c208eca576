/*
 * resend - a new message with the content of one that failed
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_RESEND_H
#define RELAIS_QUEUE_RESEND_H

#include "queue/queue.h"

struct ledger;

/* Adds change->submission; the message is the one of change->id. */
int resend_apply(struct ledger *ledger, const struct change *change,
                 struct message *message);

#endif
