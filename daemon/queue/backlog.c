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

static struct job_list *line_of(struct backlog *backlog,
                                const struct queue_job *job);
static bool is_awaited(const struct queue_job *job);

void backlog_init(struct backlog *backlog)
{
	job_list_init(&backlog->verdicts);
	job_list_init(&backlog->mail);
	job_list_init(&backlog->bulk);
	job_list_init(&backlog->memories);
}

void job_list_init(struct job_list *line)
{
	line->first = NULL;
	line->end = &line->first;
}

void backlog_add(struct backlog *backlog, struct queue_job *job,
                 uint64_t now_ms)
{
	struct job_list *line = line_of(backlog, job);

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

static struct job_list *line_of(struct backlog *backlog,
                                const struct queue_job *job)
{
	switch (job->kind) {
	case QUEUE_SETTLE:
	case QUEUE_CHANGE:
		return &backlog->verdicts;
	case QUEUE_REMEMBER:
		return ((const struct relay_memory *)job)->is_awaited
		           ? &backlog->verdicts
		           : &backlog->memories;
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

/* Up to max_bytes of new mail, but one job in any case. */
static unsigned take(struct job_list *line, uint64_t max_bytes,
                     struct queue_job **batch, unsigned count, unsigned max)
{
	uint64_t bytes = 0;

	while (count < max && line->first != NULL) {
		struct queue_job *job =
		    LETTER_OF(line->first, struct queue_job, letter);
		uint64_t more = backlog_job_bytes(job);

		if (bytes > 0 && bytes + more > max_bytes)
			break;
		bytes += more;
		batch[count++] = job;
		line->first = job->letter.next;
		if (line->first == NULL)
			line->end = &line->first;
	}
	return count;
}

unsigned backlog_take(struct job_list *line, struct queue_job **batch,
                      unsigned count, unsigned max)
{
	return take(line, UINT64_MAX, batch, count, max);
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

static uint64_t bulk_due_ms(const struct backlog *backlog)
{
	uint64_t calm_ms = backlog->small_ms + CALM_MS;
	uint64_t turn_ms = backlog->bulk_ms + BULK_TURN_MS;

	return calm_ms < turn_ms ? calm_ms : turn_ms;
}

unsigned backlog_take_mail(struct backlog *backlog, struct queue_job **batch,
                           unsigned count, unsigned max, uint64_t now_ms)
{
	bool has_bulk;

	if (backlog->mail.first != NULL && now_ms != UINT64_MAX)
		backlog->small_ms = now_ms;
	has_bulk =
	    backlog->bulk.first != NULL && bulk_due_ms(backlog) <= now_ms;
	/* However many small ones there are, a large one has its place. */
	count = take(&backlog->mail, MAIL_BYTES_MAX, batch, count,
	             has_bulk && max > 1 ? max - 1 : max);
	if (!has_bulk)
		return count;
	if (now_ms != UINT64_MAX)
		backlog->bulk_ms = now_ms;
	return take(&backlog->bulk, BULK_BYTES_MAX, batch, count, max);
}

int backlog_mail_wait_ms(const struct backlog *backlog, uint64_t now_ms)
{
	uint64_t due_ms = bulk_due_ms(backlog);

	if (backlog->mail.first != NULL)
		return 0;
	if (backlog->bulk.first == NULL)
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
