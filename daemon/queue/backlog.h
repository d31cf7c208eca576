/*
 * backlog - the jobs that wait for the next transaction, in four lines
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
	struct job_list mail;     /* small messages */
	struct job_list bulk;     /* large ones, and slices of larger ones */
	struct job_list memories; /* of relays; they can wait for company */
	uint64_t small_ms;        /* boot time when some was taken last */
	uint64_t bulk_ms;
};

void backlog_init(struct backlog *backlog);

/* At the end of the line it belongs to. */
void backlog_add(struct backlog *backlog, struct queue_job *job);

void job_list_init(struct job_list *line);
void job_list_append(struct job_list *line, struct queue_job *job);
void job_list_prepend(struct job_list *line, struct queue_job *job);

/* Takes jobs of a line into batch[count..max); the new count. */
unsigned backlog_take(struct job_list *line, struct queue_job **batch,
                      unsigned count, unsigned max);

/*
 * The same of new mail: small messages up to 4 MiB, large ones up to 1 MiB but
 * one in any case. While small ones come all the time, large ones have a turn
 * only now and then: what one writes of them the others wait for.
 * now_ms: boot time; UINT64_MAX: as they come.
 */
unsigned backlog_take_mail(struct backlog *backlog, struct queue_job **batch,
                           unsigned count, unsigned max, uint64_t now_ms);
/* So long until some of it may be taken; -1: there is none. */
int backlog_mail_wait_ms(const struct backlog *backlog, uint64_t now_ms);

/* Bytes of new mail in a job; any thread that has it. */
uint64_t backlog_job_bytes(const struct queue_job *job);

#endif
