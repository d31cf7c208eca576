/*
 * job_apply - one job done within the ledger's transaction
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_JOB_APPLY_H
#define RELAIS_QUEUE_JOB_APPLY_H

#include <stdbool.h>

#include "queue/queue.h"

struct ledger;

/*
 * The result as the job's struct tells; what a job brings is only read, so it
 * can be done again after an abort. is_full: new mail finds no room.
 */
int job_apply(struct ledger *ledger, struct queue_job *job, bool is_full);

#endif
