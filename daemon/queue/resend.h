/*
 * resend - a new message with the content of one that failed
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_RESEND_H
#define RELAIS_QUEUE_RESEND_H

#include "queue/queue.h"

struct ledger;

int resend_apply(struct ledger *ledger, struct resend *resend);

#endif
