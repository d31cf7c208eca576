/*
 * backlog - the jobs that wait for the next transaction, in three lines
 *
 * Thread: the committer's, but for backlog_job_bytes().
 */
#ifndef RELAIS_QUEUE_BACKLOG_H
#define RELAIS_QUEUE_BACKLOG_H

#include <stdint.h>

#include "queue/queue.h"

struct job_list {
	struct letter *first;
	struct letter **end;
};

struct backlog {
	struct job_list verdicts; /* settlements and changes */
	struct job_list mail;
	struct job_list memories; /* of relays; they can wait for company */
};

void backlog_init(struct backlog *backlog);

/* At the end of the line it belongs to. */
void backlog_add(struct backlog *backlog, struct queue_job *job);

void job_list_init(struct job_list *line);
void job_list_append(struct job_list *line, struct queue_job *job);
void job_list_prepend(struct job_list *line, struct queue_job *job);

/*
 * Takes jobs of a line into batch[count..max) and returns the new count; new
 * mail only up to 4 MiB, but one message in any case.
 */
unsigned backlog_take(struct job_list *line, struct queue_job **batch,
    unsigned count, unsigned max);

/* Bytes of new mail in a job; any thread that has it. */
uint64_t backlog_job_bytes(const struct queue_job *job);

#endif
