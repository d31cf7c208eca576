/*
 * backlog - the jobs that wait for the next transaction, in four lines
 *
 * New mail is taken in turns, one of each submitter that waits: nobody's waits
 * behind all that somebody else has sent. While there are several, none has
 * more of a transaction than about doubles its time, either.
 *
 * Thread: the committer's, but for backlog_job_bytes().
 */
#ifndef RELAIS_QUEUE_BACKLOG_H
#define RELAIS_QUEUE_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"

struct job_list {
	struct letter *first;
	struct letter **end;
};

/* Submitters beyond share lines. */
#define FAIR_LINES 32

/* Lines of those who have mail waiting. */
struct fair_line {
	struct {
		struct job_list jobs;
		uint32_t uid;
	} of[FAIR_LINES];
	unsigned count;    /* jobs in all of them */
	unsigned next;     /* whose turn it is */
	uint32_t last_uid; /* who sent last */
	uint64_t mixed_ms; /* boot time when it was another one before */
};

struct backlog {
	struct job_list verdicts; /* settlements and changes */
	uint64_t verdict_ms;      /* boot time when the first of them came */
	unsigned verdict_count;
	bool is_hurried;          /* somebody waits for one of them */
	struct fair_line mail;    /* small messages */
	struct fair_line bulk;    /* large ones, and slices of larger ones */
	struct job_list memories; /* of relays; they can wait for company */
	uint64_t small_ms;        /* boot time when some was taken last */
	uint64_t bulk_ms;
	int64_t commit_us; /* what the end of the last transaction took */
};

void backlog_init(struct backlog *backlog);

/* At the end of the line it belongs to. now_ms: boot time. */
void backlog_add(struct backlog *backlog, struct queue_job *job,
                 uint64_t now_ms);

void job_list_init(struct job_list *line);
void job_list_append(struct job_list *line, struct queue_job *job);
void job_list_prepend(struct job_list *line, struct queue_job *job);

/* Takes jobs of a line into batch[count..max); the new count. */
unsigned backlog_take(struct job_list *line, struct queue_job **batch,
                      unsigned count, unsigned max);

/*
 * So long until the verdicts are worth a transaction, and not before retry_ms;
 * -1: there are none. They wait a moment for more of their kind, since each
 * writes pages that its neighbours write, too; those that somebody waits for,
 * and changes, do not.
 */
int backlog_verdicts_wait_ms(const struct backlog *backlog, uint64_t retry_ms,
                             uint64_t now_ms);
/* Into batch[0..max); how many. */
unsigned backlog_take_verdicts(struct backlog *backlog,
                               struct queue_job **batch, unsigned max);

/*
 * The same of new mail: small messages up to 4 MiB, large ones up to 1 MiB but
 * one in any case. While small ones come all the time, large ones have a turn
 * only now and then: what one writes of them the others wait for.
 * now_ms: boot time; UINT64_MAX: as they come.
 */
unsigned backlog_take_mail(struct backlog *backlog, struct queue_job **batch,
                           unsigned count, unsigned max, uint64_t now_ms);
/* What the end of a transaction took: the sync, above all. */
void backlog_note_commit(struct backlog *backlog, int64_t commit_us);
/* So long until some of it may be taken; -1: there is none. */
int backlog_mail_wait_ms(const struct backlog *backlog, uint64_t now_ms);

/* Bytes of new mail in a job; any thread that has it. */
uint64_t backlog_job_bytes(const struct queue_job *job);

#endif
