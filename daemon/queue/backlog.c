#include "config.h"

#include "queue/backlog.h"

#include <stdbool.h>
#include <stddef.h>

#include "queue/body.h"
#include "queue/report.h"

#define MAIL_BYTES_MAX (4u << 20)
#define BULK_BYTES_MAX (1u << 20)
/* After a small message so long comes another, if they come all the time. */
#define CALM_MS 3
/* Then large ones have a turn after so long. */
#define BULK_TURN_MS 50
/* From here on a message is large. */
#define BULK_BYTES (128u << 10)
/* Verdicts wait so long for company, or until there are so many. */
#define VERDICTS_MS    5
#define VERDICTS_COUNT 128

/* Two submitters send at a time if no longer lies between their mail. */
#define MIXED_MS 1000
/* Then one has so many in a transaction, or more where its sync is slow. */
#define FAIR_JOBS_MIN 8
#define FAIR_JOB_US   100
#define NOBODY        UINT32_MAX

static struct job_list *line_of(struct backlog *backlog,
                                const struct queue_job *job);
static void fair_line_init(struct fair_line *line);
static struct fair_line *fair_line_of(struct backlog *backlog,
                                      const struct queue_job *job);
static void fair_line_add(struct fair_line *line, struct queue_job *job,
                          uint64_t now_ms);
static uint32_t uid_of(const struct queue_job *job);
static bool is_awaited(const struct queue_job *job);

void backlog_init(struct backlog *backlog)
{
	job_list_init(&backlog->verdicts);
	fair_line_init(&backlog->mail);
	fair_line_init(&backlog->bulk);
	job_list_init(&backlog->memories);
}

void job_list_init(struct job_list *line)
{
	line->first = NULL;
	line->end = &line->first;
}

static void fair_line_init(struct fair_line *line)
{
	unsigned i;

	*line = (struct fair_line){ .last_uid = NOBODY };
	for (i = 0; i < FAIR_LINES; i++)
		job_list_init(&line->of[i].jobs);
}

void backlog_add(struct backlog *backlog, struct queue_job *job,
                 uint64_t now_ms)
{
	struct fair_line *mail = fair_line_of(backlog, job);
	struct job_list *line = line_of(backlog, job);

	if (mail != NULL) {
		fair_line_add(mail, job, now_ms);
		return;
	}
	if (line == &backlog->verdicts) {
		if (line->first == NULL)
			backlog->verdict_ms = now_ms;
		backlog->verdict_count++;
		backlog->is_hurried |= is_awaited(job);
	}
	job_list_append(line, job);
}

static bool is_awaited(const struct queue_job *job)
{
	return job->kind != QUEUE_SETTLE ||
	       ((const struct settlement *)job)->is_awaited;
}

void job_list_append(struct job_list *line, struct queue_job *job)
{
	job->letter.next = NULL;
	*line->end = &job->letter;
	line->end = &job->letter.next;
}

void job_list_prepend(struct job_list *line, struct queue_job *job)
{
	job->letter.next = line->first;
	line->first = &job->letter;
	if (job->letter.next == NULL)
		line->end = &job->letter.next;
}

/* What is no new mail. */
static struct job_list *line_of(struct backlog *backlog,
                                const struct queue_job *job)
{
	if (job->kind == QUEUE_REMEMBER &&
	    !((const struct relay_memory *)job)->is_awaited)
		return &backlog->memories;
	return &backlog->verdicts;
}

/* NULL: it is no new mail. */
static struct fair_line *fair_line_of(struct backlog *backlog,
                                      const struct queue_job *job)
{
	switch (job->kind) {
	case QUEUE_SETTLE:
	case QUEUE_CHANGE:
	case QUEUE_REMEMBER:
		return NULL;
	case QUEUE_UPLOAD:
	case QUEUE_DISCARD: /* behind the slices it is about */
		return &backlog->bulk;
	case QUEUE_SUBMIT:
	case QUEUE_REPORT:
		break;
	}
	return backlog_job_bytes(job) > BULK_BYTES ? &backlog->bulk
	                                           : &backlog->mail;
}

static uint32_t uid_of(const struct queue_job *job)
{
	switch (job->kind) {
	case QUEUE_SUBMIT:
		return ((const struct submission *)job)->message->uid;
	case QUEUE_UPLOAD:
	case QUEUE_DISCARD:
		return ((const struct upload *)job)->uid;
	case QUEUE_REPORT: /* relais's own */
	case QUEUE_SETTLE:
	case QUEUE_CHANGE:
	case QUEUE_REMEMBER:
		break;
	}
	return 0;
}

static void fair_line_add(struct fair_line *line, struct queue_job *job,
                          uint64_t now_ms)
{
	uint32_t uid = uid_of(job);
	unsigned place = uid % FAIR_LINES, i;

	for (i = 0; i < FAIR_LINES; i++) {
		if (line->of[i].jobs.first == NULL) {
			place = i;
		} else if (line->of[i].uid == uid) {
			place = i;
			break;
		}
	}
	if (line->of[place].jobs.first == NULL)
		line->of[place].uid = uid;
	job_list_append(&line->of[place].jobs, job);
	line->count++;
	if (line->last_uid != uid && line->last_uid != NOBODY)
		line->mixed_ms = now_ms;
	line->last_uid = uid;
}

static struct queue_job *first_of(const struct job_list *line)
{
	return line->first == NULL
	           ? NULL
	           : LETTER_OF(line->first, struct queue_job, letter);
}

static void drop_first(struct job_list *line)
{
	line->first = line->first->next;
	if (line->first == NULL)
		line->end = &line->first;
}

unsigned backlog_take(struct job_list *line, struct queue_job **batch,
                      unsigned count, unsigned max)
{
	while (count < max && line->first != NULL) {
		batch[count++] = first_of(line);
		drop_first(line);
	}
	return count;
}

int backlog_verdicts_wait_ms(const struct backlog *backlog, uint64_t retry_ms,
                             uint64_t now_ms)
{
	bool is_company =
	    backlog->is_hurried || backlog->verdict_count >= VERDICTS_COUNT;
	uint64_t due_ms = backlog->verdict_ms + (is_company ? 0 : VERDICTS_MS);

	if (backlog->verdicts.first == NULL)
		return -1;
	if (due_ms < retry_ms)
		due_ms = retry_ms;
	return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}

unsigned backlog_take_verdicts(struct backlog *backlog,
                               struct queue_job **batch, unsigned max)
{
	unsigned count = backlog_take(&backlog->verdicts, batch, 0, max);

	if (backlog->verdicts.first == NULL) {
		backlog->verdict_count = 0;
		backlog->is_hurried = false;
	}
	return count;
}

/* One of each in turn; up to max_bytes of new mail, but one job in any case. */
static unsigned take(struct fair_line *line, uint64_t max_bytes,
                     unsigned each_max, struct queue_job **batch,
                     unsigned count, unsigned max)
{
	unsigned rounds = each_max * FAIR_LINES;
	uint64_t bytes = 0;

	for (; count < max && line->count > 0 && rounds > 0; rounds--) {
		struct job_list *jobs = &line->of[line->next].jobs;
		struct queue_job *job = first_of(jobs);
		uint64_t more = job == NULL ? 0 : backlog_job_bytes(job);

		if (bytes > 0 && bytes + more > max_bytes)
			break;
		line->next = (line->next + 1) % FAIR_LINES;
		if (job == NULL)
			continue;
		bytes += more;
		batch[count++] = job;
		drop_first(jobs);
		line->count--;
	}
	return count;
}

void backlog_note_commit(struct backlog *backlog, int64_t commit_us)
{
	backlog->commit_us = commit_us;
}

/*
 * How many of one submitter go into a transaction: where others send, too,
 * about as much work as its sync lasts.
 */
static unsigned each_max(const struct backlog *backlog, unsigned max,
                         uint64_t now_ms)
{
	unsigned fair_max = FAIR_JOBS_MIN;

	if (now_ms >= backlog->mail.mixed_ms + MIXED_MS)
		return max;
	if (backlog->commit_us / FAIR_JOB_US > FAIR_JOBS_MIN)
		fair_max = (unsigned)(backlog->commit_us / FAIR_JOB_US);
	return fair_max < max ? fair_max : max;
}

static uint64_t bulk_due_ms(const struct backlog *backlog)
{
	uint64_t calm_ms = backlog->small_ms + CALM_MS;
	uint64_t turn_ms = backlog->bulk_ms + BULK_TURN_MS;

	return calm_ms < turn_ms ? calm_ms : turn_ms;
}

unsigned backlog_take_mail(struct backlog *backlog, struct queue_job **batch,
                           unsigned count, unsigned max, uint64_t now_ms)
{
	unsigned each = each_max(backlog, max, now_ms);
	bool has_bulk;

	if (backlog->mail.count > 0 && now_ms != UINT64_MAX)
		backlog->small_ms = now_ms;
	has_bulk = backlog->bulk.count > 0 && bulk_due_ms(backlog) <= now_ms;
	/* However many small ones there are, a large one has its place. */
	count = take(&backlog->mail, MAIL_BYTES_MAX, each, batch, count,
	             has_bulk && max > 1 ? max - 1 : max);
	if (!has_bulk)
		return count;
	if (now_ms != UINT64_MAX)
		backlog->bulk_ms = now_ms;
	return take(&backlog->bulk, BULK_BYTES_MAX, max, batch, count, max);
}

int backlog_mail_wait_ms(const struct backlog *backlog, uint64_t now_ms)
{
	uint64_t due_ms = bulk_due_ms(backlog);

	if (backlog->mail.count > 0)
		return 0;
	if (backlog->bulk.count == 0)
		return -1;
	return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}

uint64_t backlog_job_bytes(const struct queue_job *job)
{
	const struct submission *submission;
	const struct upload *upload;

	switch (job->kind) {
	case QUEUE_SUBMIT:
		submission = (const struct submission *)job;
		return submission->header_len +
		       body_chunks_len(submission->body);
	case QUEUE_UPLOAD:
		upload = (const struct upload *)job;
		return upload->header_len + body_chunks_len(upload->chunks);
	case QUEUE_REPORT:
		submission = ((const struct report *)job)->submission;
		return submission == NULL
		           ? 0
		           : submission->header_len +
		                 body_chunks_len(submission->body);
	case QUEUE_DISCARD:
	case QUEUE_SETTLE:
	case QUEUE_CHANGE:
	case QUEUE_REMEMBER:
		break;
	}
	return 0;
}
