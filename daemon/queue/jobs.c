/*
 * jobs - making and freeing what travels to the committer
 */
#include "config.h"

#include "queue/queue.h"
#include "queue/report.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/xalloc.h"

struct submission *submission_new(void)
{
	struct submission *submission = xcalloc(1, sizeof(*submission));

	submission->job.kind = QUEUE_SUBMIT;
	submission->message = message_new();
	submission->message->state = MESSAGE_QUEUED;
	return submission;
}

struct queue_quota queue_quota_of(const struct settings *settings,
                                  const struct submitter_rule *rule)
{
	bool has_share = rule->share_percent > 0 && rule->share_percent < 100;

	return (struct queue_quota){
		.messages = rule->queued,
		.bytes = has_share ? settings->queue.maximum_bytes / 100 *
		                         rule->share_percent
		                   : 0,
	};
}

void submission_free(struct submission *submission)
{
	if (submission == NULL)
		return;
	message_free(submission->message);
	free(submission->header);
	body_chunk_free_list(submission->body);
	free(submission);
}

struct upload *upload_new(enum queue_job_kind kind, uint64_t body_id)
{
	struct upload *upload = xcalloc(1, sizeof(*upload));

	upload->job.kind = kind;
	upload->body_id = body_id;
	return upload;
}

void upload_free(struct upload *upload)
{
	if (upload == NULL)
		return;
	free(upload->header);
	body_chunk_free_list(upload->chunks);
	free(upload);
}

struct settlement *settlement_new(unsigned recipient_count)
{
	struct settlement *settlement =
	    xcalloc(1, sizeof(*settlement) +
	                   recipient_count * sizeof(settlement->recipients[0]));

	settlement->job.kind = QUEUE_SETTLE;
	settlement->inflight_slot = INFLIGHT_NONE;
	settlement->recipient_count = recipient_count;
	return settlement;
}

void settlement_free(struct settlement *settlement)
{
	if (settlement == NULL)
		return;
	free(settlement->relay);
	free(settlement->host);
	free(settlement->tls);
	free(settlement);
}

struct change *change_new(enum change_kind kind, uint64_t id)
{
	struct change *change = xcalloc(1, sizeof(*change));

	change->job.kind = QUEUE_CHANGE;
	change->kind = kind;
	change->id = id;
	return change;
}

void change_free(struct change *change)
{
	if (change == NULL)
		return;
	free(change->reason);
	free(change->lanes);
	submission_free(change->submission);
	free(change);
}

struct report *report_new(void)
{
	struct report *report = xcalloc(1, sizeof(*report));

	report->job.kind = QUEUE_REPORT;
	return report;
}

void report_free(struct report *report)
{
	if (report == NULL)
		return;
	submission_free(report->submission);
	for (unsigned i = 0; i < report->subject_count; i++)
		free(report->subjects[i].recipients);
	free(report->subjects);
	free(report);
}

void report_add_subject(struct report *report, uint64_t id, uint64_t due_ms,
                        const struct reported *recipients, unsigned count)
{
	struct report_subject *subject;

	report->subjects =
	    xrealloc(report->subjects,
	             (report->subject_count + 1) * sizeof(*report->subjects));
	subject = &report->subjects[report->subject_count++];
	*subject = (struct report_subject){
		.id = id,
		.due_ms = due_ms,
		.count = count,
	};
	if (count == 0)
		return;
	subject->recipients = xcalloc(count, sizeof(*recipients));
	memcpy(subject->recipients, recipients, count * sizeof(*recipients));
}
