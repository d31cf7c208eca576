#include "config.h"

#include "deliver/delivery_log.h"

#include <stdio.h>

#include "queue/message.h"
#include "queue/queue.h"
#include "queue/tag_counts.h"
#include "runtime/log.h"

static const char *event_name(const struct settlement_recipient *decision)
{
	switch (decision->state) {
	case RECIPIENT_WAITING:
		return decision->verdict.class == VERDICT_UNKNOWN
		           ? "outcome_unknown"
		           : "deferred";
	case RECIPIENT_DELIVERED:
		return "delivered";
	case RECIPIENT_FAILED:
		return "failed";
	case RECIPIENT_EXPIRED:
		return "expired";
	case RECIPIENT_CANCELLED:
		break;
	}
	return "cancelled";
}

/* For metrics. What a person cancels is counted by nobody. */
static void count_by_tag(const struct delivery_report *report)
{
	const char *tag = report->message->tag;

	switch (report->decision->state) {
	case RECIPIENT_DELIVERED:
		tag_count(tag, TAG_DELIVERED, 1);
		break;
	case RECIPIENT_FAILED:
		tag_count(tag, TAG_FAILED, 1);
		break;
	case RECIPIENT_EXPIRED:
		tag_count(tag, TAG_EXPIRED, 1);
		break;
	case RECIPIENT_WAITING:
	case RECIPIENT_CANCELLED:
		break;
	}
}

static void log_reply(struct log_line *line, const struct verdict *verdict)
{
	char text[VERDICT_TEXT_SIZE + 8];

	if (verdict->enhanced[0] != 0) {
		(void)snprintf(text, sizeof(text), "%u.%u.%u",
		               (unsigned)verdict->enhanced[0],
		               (unsigned)verdict->enhanced[1],
		               (unsigned)verdict->enhanced[2]);
		log_text(line, "dsn", text);
	}
	if (verdict->code == 0) {
		log_text(line, "reply", verdict->text);
		return;
	}
	(void)snprintf(text, sizeof(text), "%u %s", (unsigned)verdict->code,
	               verdict->text);
	log_text(line, "reply", text);
}

void delivery_log(const struct delivery_report *report)
{
	const struct settlement_recipient *decision = report->decision;
	const struct message *message = report->message;
	struct log_line line;

	count_by_tag(report);
	log_begin(&line, LOG_LEVEL_INFO, event_name(decision));
	if (!line.is_wanted)
		return;
	log_id(&line, "id", message->id);
	log_text(&line, "rcpt", report->recipient->address);
	log_text(&line, "relay", report->relay);
	if (report->host)
		log_text(&line, "host", report->host);
	if (report->tls)
		log_text(&line, "tls", report->tls);
	log_text(&line, "phase", smtp_phase_name(decision->verdict.phase));
	log_number(&line, "attempt",
	           report->recipient->attempts +
	               (decision->is_charged ? 1 : 0));
	log_number(&line, "ms", report->duration_ms);
	log_number(&line, "delay_s",
	           ((int64_t)report->now_ms - (int64_t)message->submitted_ms) /
	               1000);
	if (decision->state == RECIPIENT_WAITING)
		log_number(&line, "next_s",
		           ((int64_t)decision->due_ms -
		            (int64_t)report->queue_now_ms) /
		               1000);
	log_reply(&line, &decision->verdict);
	log_end(&line);
}
