/*
 * bounce_text - the part of a report that people read
 */
#include "config.h"

#include "deliver/bounce.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "deliver/prose.h"
#include "header.h"
#include "hints.h"
#include "queue/queue.h"
#include "queue/report.h"
#include "queue_id.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* The machine's part has them all. */
#define LISTED_MAX 50

enum news {
	NEWS_FAILED,
	NEWS_LATE,
	NEWS_DELIVERED,
};

static enum news news_of(enum recipient_state state);
static void add_news(struct buffer *into, const struct bounce *bounce,
                     enum news news);
static void add_introduction(struct buffer *into, const struct bounce *bounce,
                             enum news news);
static void add_recipient(struct buffer *into, const struct bounce *bounce,
                          unsigned index);
static void add_answer(struct buffer *into,
                       const struct message_recipient *recipient,
                       const struct timeline_entry *answer);
static void add_hint(struct buffer *into, const struct settings *settings,
                     const struct message_reply *reply,
                     const struct timeline_entry *answer);
static void add_message(struct buffer *into, const struct bounce *bounce);

void bounce_add_text(struct buffer *into, const struct bounce *bounce)
{
	prose_add(into, "This is the mail system at host %s.\r\n\r\n",
	          bounce->settings->hostname);
	add_news(into, bounce, NEWS_FAILED);
	add_news(into, bounce, NEWS_LATE);
	add_news(into, bounce, NEWS_DELIVERED);
	add_message(into, bounce);
}

static enum news news_of(enum recipient_state state)
{
	switch (state) {
	case RECIPIENT_WAITING:
		return NEWS_LATE;
	case RECIPIENT_DELIVERED:
		return NEWS_DELIVERED;
	case RECIPIENT_FAILED:
	case RECIPIENT_EXPIRED:
	case RECIPIENT_CANCELLED:
		break;
	}
	return NEWS_FAILED;
}

static void add_news(struct buffer *into, const struct bounce *bounce,
                     enum news news)
{
	unsigned count = 0;

	for (unsigned i = 0; i < bounce->count; i++) {
		const struct reported *reported = &bounce->recipients[i];

		if (news_of(reported->state) != news)
			continue;
		if (count == 0)
			add_introduction(into, bounce, news);
		if (count++ < LISTED_MAX)
			add_recipient(into, bounce, reported->index);
	}
	if (count > LISTED_MAX)
		prose_add(into,
		          "and %u more; the delivery report that comes "
		          "with this mail\r\nlists them all.\r\n\r\n",
		          count - LISTED_MAX);
}

static void add_introduction(struct buffer *into, const struct bounce *bounce,
                             enum news news)
{
	const struct message *message = bounce->message;
	char date[CLOCK_RFC5322_SIZE];
	int64_t end_ms = (int64_t)message->submitted_ms +
	                 (int64_t)bounce->settings->retry.expire_s * 1000;

	switch (news) {
	case NEWS_FAILED:
		prose_add(into, "Your message could not be delivered to:\r\n"
		                "\r\n");
		break;
	case NEWS_LATE:
		clock_format_rfc5322(end_ms, clock_zone_minutes(end_ms), date);
		prose_add(
		    into,
		    "This is a warning only: your message has not been "
		    "delivered yet, but\r\nit is tried again until %s.\r\n"
		    "You need not send it again. It waits for:\r\n\r\n",
		    date);
		break;
	case NEWS_DELIVERED:
		prose_add(
		    into,
		    "Your message was delivered to the next mail system, "
		    "which does not\r\nreport what becomes of it, for:\r\n"
		    "\r\n");
		break;
	}
}

static void add_recipient(struct buffer *into, const struct bounce *bounce,
                          unsigned index)
{
	const struct message *message = bounce->message;
	const struct message_recipient *recipient = &message->recipients[index];
	const struct timeline_entry *answer =
	    bounce_last_answer(message, index);

	prose_add(into, "  %s\r\n", recipient->address);
	if (recipient->state != RECIPIENT_DELIVERED) {
		if (recipient->state == RECIPIENT_EXPIRED)
			prose_add_wrapped(
			    into, 4,
			    "It was not delivered within the time allowed, "
			    "and is given up.");
		add_answer(into, recipient, answer);
		add_hint(into, bounce->settings, &recipient->reply, answer);
	}
	prose_add(into, "\r\n");
}

/* "mx.example.net:25 said: 550 5.1.1 no such user" */
static void add_answer(struct buffer *into,
                       const struct message_recipient *recipient,
                       const struct timeline_entry *answer)
{
	const char *host =
	    answer != NULL ? answer->host : recipient->reply.host;
	const char *text =
	    answer != NULL ? answer->text : recipient->reply.text;
	char code[40] = "";
	char *line;

	if (text == NULL)
		return;
	if (answer != NULL && answer->code != 0 && answer->enhanced[0] != 0)
		(void)snprintf(code, sizeof(code), "%u %u.%u.%u ", answer->code,
		               answer->enhanced[0], answer->enhanced[1],
		               answer->enhanced[2]);
	else if (answer != NULL && answer->code != 0)
		(void)snprintf(code, sizeof(code), "%u ", answer->code);
	if (host != NULL && *code != '\0')
		line = xasprintf("%s said: %s%s", host, code, text);
	else if (host != NULL)
		line = xasprintf("%s: %s", host, text);
	else
		line = xasprintf("%s%s", code, text);
	prose_add_wrapped(into, 4, line);
	free(line);
}

static void add_hint(struct buffer *into, const struct settings *settings,
                     const struct message_reply *reply,
                     const struct timeline_entry *answer)
{
	const struct relay_settings *relay = NULL;
	struct explanation explanation;
	char *line;

	if (answer == NULL || answer->text == NULL)
		return;
	if (reply->relay != NULL)
		relay = settings_find_relay_by_name(settings, reply->relay);
	if (!hints_explain(&explanation, settings, relay, answer->code,
	                   answer->enhanced, answer->text))
		return;
	line = xasprintf("What it means: %s", explanation.explain);
	prose_add_wrapped(into, 4, line);
	free(line);
	if (explanation.next == NULL)
		return;
	line = xasprintf("What to do: %s", explanation.next);
	prose_add_wrapped(into, 4, line);
	free(line);
}

static void add_message(struct buffer *into, const struct bounce *bounce)
{
	const struct message *message = bounce->message;
	int64_t submitted_ms = (int64_t)message->submitted_ms;
	char id[QUEUE_ID_SIZE], date[CLOCK_RFC5322_SIZE];

	queue_id_format(message->id, id);
	clock_format_rfc5322(submitted_ms, clock_zone_minutes(submitted_ms),
	                     date);
	prose_add(into,
	          "The message was accepted on %s,\r\n"
	          "its queue id is %s. Whoever looks after the mail of\r\n"
	          "%s finds its story by that id: relaisctl show %s\r\n",
	          date, id, bounce->settings->hostname, id);
}

/* ------------------------------------------------------------ the story */

static bool is_about(const struct timeline_entry *entry, unsigned index)
{
	if (entry->is_for_all)
		return true;
	for (unsigned i = 0; i < entry->recipient_count; i++)
		if (entry->recipients[i] == index)
			return true;
	return false;
}

static bool is_attempt(enum timeline_kind kind)
{
	return kind == TIMELINE_DELIVERED || kind == TIMELINE_DEFERRED ||
	       kind == TIMELINE_FAILED || kind == TIMELINE_EXPIRED ||
	       kind == TIMELINE_UNKNOWN;
}

const struct timeline_entry *bounce_last_attempt(const struct message *message,
                                                 unsigned index)
{
	for (unsigned i = message->timeline_count; i-- > 0;) {
		const struct timeline_entry *entry = &message->timeline[i];

		if (is_attempt(entry->kind) && is_about(entry, index))
			return entry;
	}
	return NULL;
}

const struct timeline_entry *bounce_last_answer(const struct message *message,
                                                unsigned index)
{
	for (unsigned i = message->timeline_count; i-- > 0;) {
		const struct timeline_entry *entry = &message->timeline[i];

		if (is_attempt(entry->kind) &&
		    entry->kind != TIMELINE_EXPIRED && is_about(entry, index))
			return entry;
	}
	return NULL;
}
