#include "config.h"

#include "deliver/trouble.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "deliver/prose.h"
#include "runtime/xalloc.h"

struct trouble *trouble_new(void)
{
	return xcalloc(1, sizeof(struct trouble));
}

void trouble_free(struct trouble *trouble)
{
	if (trouble == NULL)
		return;
	free(trouble->relay);
	free(trouble->host);
	free(trouble->explain);
	free(trouble->next);
	free(trouble);
}

static uint64_t seconds(const struct trouble *trouble)
{
	return trouble->now_ms > trouble->since_ms
	           ? (trouble->now_ms - trouble->since_ms) / 1000
	           : 0;
}

char *trouble_sentence(const struct trouble *trouble)
{
	uint64_t s = seconds(trouble);
	char time[40];

	if (s >= 2 * 86400)
		(void)snprintf(time, sizeof(time), "%" PRIu64 " days",
		               s / 86400);
	else if (s >= 2 * 3600)
		(void)snprintf(time, sizeof(time), "%" PRIu64 " hours",
		               s / 3600);
	else
		(void)snprintf(time, sizeof(time), "%" PRIu64 " minutes",
		               s / 60);
	if (trouble->is_over)
		return xasprintf("relay %s works again, after %s",
		                 trouble->relay, time);
	return xasprintf("relay %s has not worked for %s", trouble->relay,
	                 time);
}

/* ------------------------------------------------------------------- JSON */

static void add_string(struct buffer *into, const char *name, const char *text)
{
	if (text == NULL)
		return;
	prose_add(into, "%s\"%s\":\"", into->len > 1 ? "," : "", name);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			prose_add(into, "\\%c", c);
		else if (c < ' ' || c == 127)
			prose_add(into, "\\u%04x", c);
		else
			prose_add(into, "%c", c);
	}
	prose_add(into, "\"");
}

static void add_time(struct buffer *into, const char *name, uint64_t time_ms)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339((int64_t)time_ms, text);
	add_string(into, name, text);
}

void trouble_add_json(struct buffer *into, const struct trouble *trouble)
{
	const struct verdict *fault = &trouble->fault;

	prose_add(into, "{");
	add_string(into, "event",
	           trouble->is_over ? "relay_works" : "relay_trouble");
	add_string(into, "relay", trouble->relay);
	add_string(into, "state", trouble->state);
	add_time(into, "since", trouble->since_ms);
	add_time(into, "time", trouble->now_ms);
	prose_add(into, ",\"hours\":%" PRIu64 ",\"waiting\":%" PRIu64,
	          seconds(trouble) / 3600, trouble->waiting);
	add_string(into, "host", trouble->host);
	if (fault->class != VERDICT_NONE) {
		add_string(into, "phase", smtp_phase_name(fault->phase));
		add_string(into, "fault", verdict_fault_name(fault->fault));
		if (fault->code != 0)
			prose_add(into, ",\"code\":%u", fault->code);
		add_string(into, "reply", fault->text);
	}
	add_string(into, "explain", trouble->explain);
	add_string(into, "next", trouble->next);
	prose_add(into, "}");
}

/* -------------------------------------------------------------------- text */

void trouble_add_text(struct buffer *into, const struct trouble *trouble,
                      const char *hostname)
{
	const struct verdict *fault = &trouble->fault;
	char *sentence = trouble_sentence(trouble);
	char *line;

	prose_add(into, "This is relais at host %s.\r\n\r\n", hostname);
	prose_add_wrapped(into, 0, sentence);
	prose_add(into, "\r\n");
	free(sentence);
	if (fault->class != VERDICT_NONE) {
		char code[8] = "";

		if (fault->code != 0)
			(void)snprintf(code, sizeof(code), "%u ", fault->code);
		line = xasprintf(
		    "%s%s%s%s", trouble->host != NULL ? trouble->host : "",
		    trouble->host != NULL ? ": " : "", code, fault->text);
		prose_add_wrapped(into, 2, line);
		free(line);
	}
	if (trouble->explain != NULL) {
		line = xasprintf("What it means: %s", trouble->explain);
		prose_add_wrapped(into, 2, line);
		free(line);
	}
	if (trouble->next != NULL) {
		line = xasprintf("What to do: %s", trouble->next);
		prose_add_wrapped(into, 2, line);
		free(line);
	}
	prose_add(into, "\r\n%" PRIu64 " messages wait for it. ",
	          trouble->waiting);
	if (trouble->is_over)
		prose_add(into, "They are on their way now.\r\n");
	else
		prose_add(
		    into,
		    "None of them is lost; they go out\r\n"
		    "when it works again, or are returned when they are too "
		    "old.\r\n\r\n"
		    "  relaisctl relay show %s\r\n"
		    "  relaisctl relay resume %s   once it is mended\r\n",
		    trouble->relay, trouble->relay);
}
