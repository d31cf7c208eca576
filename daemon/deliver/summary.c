#include "config.h"

#include "deliver/summary.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "deliver/bounce.h"
#include "deliver/notice.h"
#include "deliver/prose.h"
#include "queue/queue.h"
#include "queue/report.h"
#include "queue_id.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* Recipients of one message that are named. */
#define NAMED_MAX 5

struct summary {
	const struct settings *settings;
	int64_t now_ms;
	char *sender, *to; /* NULL before the first */
	char *reason;      /* what the first of them met */
	uint32_t uid, gid;
	unsigned count;
	struct buffer list;
};

struct summary *summary_new(const struct settings *settings, int64_t now_ms)
{
	struct summary *summary = xcalloc(1, sizeof(*summary));

	summary->settings = settings;
	summary->now_ms = now_ms;
	buffer_init(&summary->list, 0);
	return summary;
}

void summary_free(struct summary *summary)
{
	if (summary == NULL)
		return;
	buffer_done(&summary->list);
	free(summary->sender);
	free(summary->to);
	free(summary->reason);
	free(summary);
}

bool summary_is_for(const struct summary *summary,
                    const struct message *message)
{
	return summary->count == 0 ||
	       (summary->uid == message->uid &&
	        strcmp(summary->sender, message->sender) == 0);
}

unsigned summary_count(const struct summary *summary)
{
	return summary->count;
}

static void begin(struct summary *summary, const struct message *message,
                  const struct reported *first)
{
	const char *reason = message->recipients[first->index].reply.text;

	summary->sender = xstrdup(message->sender);
	summary->to = xstrdup(bounce_address(summary->settings, message));
	summary->reason = reason != NULL ? xstrdup(reason) : NULL;
	summary->uid = message->uid;
	summary->gid = message->gid;
}

void summary_add(struct summary *summary, const struct message *message,
                 const struct reported *recipients, unsigned count)
{
	struct buffer *list = &summary->list;
	char id[QUEUE_ID_SIZE], date[CLOCK_RFC5322_SIZE];
	int64_t submitted_ms = (int64_t)message->submitted_ms;

	if (summary->count++ == 0)
		begin(summary, message, &recipients[0]);
	queue_id_format(message->id, id);
	clock_format_rfc5322(submitted_ms, clock_zone_minutes(submitted_ms),
	                     date);
	prose_add(list, "%s  %s\r\n", id, date);
	for (unsigned i = 0; i < count && i < NAMED_MAX; i++)
		prose_add(list, "    %s\r\n",
		          message->recipients[recipients[i].index].address);
	if (count > NAMED_MAX)
		prose_add(list, "    and %u more\r\n", count - NAMED_MAX);
}

struct submission *summary_make(const struct summary *summary)
{
	char *subject = xasprintf("Undelivered: %u messages", summary->count);
	struct notice notice = {
		.settings = summary->settings,
		.to = summary->to,
		.subject = subject,
		.uid = summary->uid,
		.gid = summary->gid,
		.flags = prose_is_8bit(summary->to, strlen(summary->to))
		             ? MESSAGE_SMTPUTF8
		             : 0,
		.now_ms = summary->now_ms,
	};
	struct submission *submission;
	struct buffer text;

	buffer_init(&text, 0);
	prose_add(&text, "This is the mail system at host %s.\r\n\r\n",
	          summary->settings->hostname);
	prose_add(
	    &text,
	    "The way out did not work for so long that %u messages from\r\n"
	    "%s were given up. Nobody has refused them.\r\n\r\n",
	    summary->count, summary->sender);
	if (summary->reason != NULL) {
		prose_add_wrapped(&text, 0, summary->reason);
		prose_add(&text, "\r\n");
	}
	prose_add_wrapped(
	    &text, 0,
	    "Their contents are kept for a while: once the way out works "
	    "again, whoever looks after the mail of this host can send them "
	    "again (relaisctl resend ID). By queue id, with the time of "
	    "submission:");
	prose_add(&text, "\r\n");
	if (buffer_append(&text, summary->list.data, summary->list.len) < 0)
		abort();
	submission = notice_make_text(&notice, &text);
	buffer_done(&text);
	free(subject);
	return submission;
}
