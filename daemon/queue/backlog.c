#include "config.h"

#include "queue/backlog.h"

#include <stddef.h>

#include "queue/body.h"
#include "queue/report.h"

#define BATCH_BYTES_MAX (4u << 20)

static struct job_list *line_of(struct backlog *backlog,
    const struct queue_job *job);

void backlog_init(struct backlog *backlog)
{
	job_list_init(&backlog->verdicts);
	job_list_init(&backlog->mail);
	job_list_init(&backlog->memories);
}

void job_list_init(struct job_list *line)
{
	line->first = NULL;
	line->end = &line->first;
}

void backlog_add(struct backlog *backlog, struct queue_job *job)
{
	job_list_append(line_of(backlog, job), job);
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
		return &backlog->memories;
	case QUEUE_SUBMIT:
	case QUEUE_UPLOAD:
	case QUEUE_DISCARD:
	case QUEUE_REPORT:
		break;
	}
	/* A discard stays behind the slices it is about. */
	return &backlog->mail;
}

unsigned backlog_take(struct job_list *line, struct queue_job **batch,
    unsigned count, unsigned max)
{
	uint64_t bytes = 0;

	while (count < max && line->first != NULL) {
		struct queue_job *job = LETTER_OF(line->first,
		    struct queue_job, letter);
		uint64_t more = backlog_job_bytes(job);

		if (bytes > 0 && bytes + more > BATCH_BYTES_MAX)
			break;
		bytes += more;
		batch[count++] = job;
		line->first = job->letter.next;
		if (line->first == NULL)
			line->end = &line->first;
	}
	return count;
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
