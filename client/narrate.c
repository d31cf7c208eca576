#include "config.h"

#include "narrate.h"

#include <inttypes.h>
#include <string.h>

#include "json.h"

static void narrate_head(const struct output *output,
                         const struct json *message);
static void narrate_hold(const struct output *output,
                         const struct json *message);
static void narrate_way(const struct output *output, const struct json *message,
                        const struct json *relay);
static void narrate_help(const struct output *output, const char *name,
                         const struct json *relay);
static void narrate_story(const struct output *output,
                          const struct json *message);
static void label(const struct output *output, const char *name);
static void narrate_outcome(const struct output *output,
                            const struct json *entry);
static void narrate_names(const struct output *output,
                          const struct json *names);

enum output_style narrate_style(const char *state)
{
	static const struct {
		const char *state;
		enum output_style style;
	} styles[] = {
		{ "delivered", STYLE_GOOD },    { "closed", STYLE_GOOD },
		{ "delivering", STYLE_GOOD },   { "failed", STYLE_BAD },
		{ "expired", STYLE_BAD },       { "partial", STYLE_BAD },
		{ "open", STYLE_BAD },          { "held", STYLE_WARNING },
		{ "parked", STYLE_WARNING },    { "paused", STYLE_WARNING },
		{ "half-open", STYLE_WARNING }, { "deferred", STYLE_WARNING },
		{ "unknown", STYLE_WARNING },   { "cancelled", STYLE_DIM },
	};
	size_t i;

	for (i = 0; state && i < sizeof(styles) / sizeof(styles[0]); i++)
		if (strcmp(state, styles[i].state) == 0)
			return styles[i].style;
	return STYLE_PLAIN;
}

static const char *or_nothing(const char *text)
{
	return text ? text : "";
}

void narrate_reply(const struct json *reply, char *out, size_t size)
{
	int64_t code = json_number(reply, "code");
	const char *enhanced = json_text(reply, "enhanced");
	const char *text = or_nothing(json_text(reply, "text"));

	if (code)
		snprintf(out, size, "%" PRId64 " %s%s%s", code,
		         or_nothing(enhanced), enhanced ? " " : "", text);
	else
		snprintf(out, size, "%s", text);
}

/* "535 5.7.8 bad credentials (at auth)", or what somebody said. */
static void narrate_fault(const struct json *relay, char *out, size_t size)
{
	const struct json *fault = json_member(relay, "fault");
	const char *reason = or_nothing(json_text(relay, "reason"));
	const char *enhanced = json_text(fault, "enhanced");
	int64_t code = json_number(fault, "code");

	if (code)
		snprintf(out, size, "%" PRId64 " %s%s%s (at %s)", code,
		         or_nothing(enhanced), enhanced ? " " : "", reason,
		         or_nothing(json_text(fault, "phase")));
	else
		snprintf(out, size, "%s", reason);
}

void narrate_breaker(const struct output *output, const struct json *relay,
                     char *out, size_t size)
{
	const char *state = or_nothing(json_text(relay, "state"));
	const char *carrier = json_text(relay, "carried_by");
	const char *trouble = json_text(json_member(relay, "oauth"), "problem");
	int64_t until_ms = output_parse_time(json_text(relay, "until"));
	const char *words = state, *again = "; tried again ";
	char age[OUTPUT_WORDS_SIZE], fault[600];

	*out = '\0';
	if (strcmp(state, "closed") == 0 && !trouble)
		return;
	if (strcmp(state, "closed") == 0) {
		/* Nobody has sent by it since: the breaker doesn't know yet. */
		snprintf(out, size, "cannot log in: %s", trouble);
		return;
	}
	if (strcmp(state, "open") == 0)
		words = "does not work";
	else if (strcmp(state, "half-open") == 0)
		words = "is being tried again";
	else if (strcmp(state, "held") == 0)
		words = "is held until someone acts";
	else if (strcmp(state, "paused") == 0)
		words = "is paused";
	if (strcmp(state, "half-open") == 0)
		until_ms = 0;
	if (strcmp(state, "paused") == 0)
		again = "; goes on ";
	output_age(output,
	           until_ms && until_ms < output->now_ms ? output->now_ms
	                                                 : until_ms,
	           age);
	narrate_fault(relay, fault, sizeof(fault));
	snprintf(out, size, "%s%s%s%s%s%s%s", words, *fault ? ": " : "", fault,
	         until_ms ? again : "", age,
	         carrier ? "; its mail goes by " : "", or_nothing(carrier));
}

/* ---------------------------------------------------------------- message */

void narrate_message(const struct output *output, const struct json *message,
                     const struct json *relay)
{
	const struct json *recipients = json_member(message, "recipients");
	size_t i;

	narrate_head(output, message);
	narrate_hold(output, message);
	narrate_way(output, message, relay);
	fputc('\n', output->file);
	output_text(output, STYLE_BOLD, "Recipients");
	fputc('\n', output->file);
	for (i = 0; i < json_count(recipients); i++)
		narrate_recipient(output, json_item(recipients, i));
	narrate_story(output, message);
}

static void label(const struct output *output, const char *name)
{
	fprintf(output->file, "  %-11s ", name);
}

static void narrate_head(const struct output *output,
                         const struct json *message)
{
	const struct json *submitter = json_member(message, "submitter");
	const char *state = json_text(message, "state");
	const char *sender = or_nothing(json_text(message, "sender"));
	const char *user = json_text(submitter, "user");
	int64_t submitted_ms =
	    output_parse_time(json_text(message, "submitted"));
	char time[OUTPUT_WORDS_SIZE], age[OUTPUT_WORDS_SIZE];
	char size[OUTPUT_WORDS_SIZE];

	output_format(output, STYLE_BOLD, "Message %s",
	              or_nothing(json_text(message, "id")));
	fputs(" is ", output->file);
	output_text(output, narrate_style(state), state);
	fputc('\n', output->file);
	label(output, "from");
	output_format(output, STYLE_PLAIN, "%s", *sender ? sender : "<>");
	if (json_flag(message, "bounce"))
		fputs(" (a bounce)", output->file);
	fputc('\n', output->file);
	label(output, "submitted");
	output_time(submitted_ms, time);
	output_age(output, submitted_ms, age);
	output_format(output, STYLE_PLAIN, "%s (%s) by ", time, age);
	if (user)
		output_text(output, STYLE_PLAIN, user);
	else
		output_format(output, STYLE_PLAIN, "uid %" PRId64,
		              json_number(submitter, "uid"));
	fputc('\n', output->file);
	output_size(json_number(message, "size"), size);
	label(output, "size");
	output_format(output, STYLE_PLAIN, "%s, priority %s%s", size,
	              or_nothing(json_text(message, "priority")),
	              json_flag(message, "has_content") ? ""
	                                                : ", content gone");
	fputc('\n', output->file);
}

static void narrate_hold(const struct output *output,
                         const struct json *message)
{
	static const struct {
		const char *member;
		const char *label;
	} facts[] = {
		{ "message_id", "Message-ID" },
		{ "tag", "tag" },
		{ "key", "key" },
	};
	const struct json *hold = json_member(message, "hold");
	int64_t until_ms = output_parse_time(json_text(hold, "until"));
	char age[OUTPUT_WORDS_SIZE];
	size_t i;

	for (i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		const char *text = json_text(message, facts[i].member);

		if (!text)
			continue;
		label(output, facts[i].label);
		output_text(output, STYLE_PLAIN, text);
		fputc('\n', output->file);
	}
	if (!hold)
		return;
	label(output, "held");
	output_text(output, STYLE_WARNING,
	            json_text(hold, "reason") ? json_text(hold, "reason")
	                                      : "no reason was given");
	if (until_ms) {
		output_age(output, until_ms, age);
		output_format(output, STYLE_PLAIN, "; goes on %s", age);
	}
	fputc('\n', output->file);
}

static void narrate_way(const struct output *output, const struct json *message,
                        const struct json *relay)
{
	const char *name = json_text(message, "relay");
	const char *state = json_text(relay, "state");
	int64_t rate_ms = output_parse_time(json_text(relay, "rate_until"));
	char words[1024], age[OUTPUT_WORDS_SIZE];

	if (!name)
		return;
	label(output, "relay");
	output_text(output, STYLE_PLAIN, name);
	narrate_breaker(output, relay, words, sizeof(words));
	output_age(output, rate_ms, age);
	if (relay && !json_flag(relay, "enabled"))
		snprintf(words, sizeof(words), "is disabled");
	else if (!*words && rate_ms > output->now_ms)
		snprintf(words, sizeof(words),
		         "has had as much as its rate "
		         "allows; goes on %s",
		         age);
	if (*words) {
		fputs(", which ", output->file);
		output_text(output, narrate_style(state), words);
	}
	fputc('\n', output->file);
	if (*words)
		narrate_help(output, name, relay);
}

static void help_line(const struct output *output, const char *text)
{
	if (!text)
		return;
	fprintf(output->file, "%14s", "");
	output_text(output, STYLE_PLAIN, text);
	fputc('\n', output->file);
}

/* Since when, what it means, and which command helps. */
static void narrate_help(const struct output *output, const char *name,
                         const struct json *relay)
{
	const struct json *fault = json_member(relay, "fault");
	const char *state = or_nothing(json_text(relay, "state"));
	int64_t since_ms = output_parse_time(json_text(relay, "since"));
	const char *verb = NULL;
	char time[OUTPUT_WORDS_SIZE], age[OUTPUT_WORDS_SIZE];

	if (!json_flag(relay, "enabled"))
		verb = "enable";
	else if (strcmp(state, "held") == 0 || strcmp(state, "paused") == 0)
		verb = "resume";
	else if (strcmp(state, "open") == 0)
		verb = "test";
	if (!verb)
		return;
	if (since_ms && json_flag(relay, "enabled")) {
		output_time(since_ms, time);
		output_age(output, since_ms, age);
		output_format(output, STYLE_PLAIN, "%14ssince %s (%s)", "",
		              time, age);
		fputc('\n', output->file);
	}
	help_line(output, json_text(fault, "explain"));
	help_line(output, json_text(fault, "next"));
	output_format(output, STYLE_PLAIN, "%14srelaisctl relay %s %s", "",
	              verb, name);
	fputc('\n', output->file);
}

void narrate_recipient(const struct output *output,
                       const struct json *recipient)
{
	const struct json *reply = json_member(recipient, "reply");
	const char *state = or_nothing(json_text(recipient, "state"));
	int64_t attempts = json_number(recipient, "attempts");
	int64_t next_ms =
	    output_parse_time(json_text(recipient, "next_attempt"));
	char age[OUTPUT_WORDS_SIZE];
	char words[1024];

	fputs("  ", output->file);
	output_text(output, STYLE_PLAIN, json_text(recipient, "address"));
	fputs("  ", output->file);
	output_text(output, narrate_style(state), state);
	if (attempts > 0)
		output_format(output, STYLE_PLAIN, ", %" PRId64 " attempt%s",
		              attempts, attempts == 1 ? "" : "s");
	if (next_ms) {
		output_age(output, next_ms, age);
		output_format(output, STYLE_PLAIN, ", next %s",
		              next_ms <= output->now_ms ? "now" : age);
	}
	if (json_flag(recipient, "maybe_duplicate"))
		output_text(output, STYLE_WARNING,
		            strcmp(state, "delivered") == 0
		                ? ", maybe twice"
		                : ", may have arrived already");
	fputc('\n', output->file);
	if (!reply)
		return;
	narrate_reply(reply, words, sizeof(words));
	fputs("    ", output->file);
	output_text(output, STYLE_DIM, words);
	fputc('\n', output->file);
}

/* ------------------------------------------------------------------ story */

static void narrate_story(const struct output *output,
                          const struct json *message)
{
	const struct json *timeline = json_member(message, "timeline");
	size_t i;

	if (json_count(timeline) == 0)
		return;
	fputc('\n', output->file);
	output_text(output, STYLE_BOLD, "What happened");
	fputc('\n', output->file);
	for (i = 0; i < json_count(timeline); i++) {
		const struct json *entry = json_item(timeline, i);
		char time[OUTPUT_WORDS_SIZE];

		output_time(output_parse_time(json_text(entry, "time")), time);
		fputs("  ", output->file);
		output_text(output, STYLE_DIM, time);
		fputs("  ", output->file);
		narrate_event(output, entry);
	}
}

void narrate_event(const struct output *output, const struct json *entry)
{
	const char *event = or_nothing(json_text(entry, "event"));
	const char *explain = json_text(entry, "explain");
	const char *next = json_text(entry, "next");

	output_text(output, narrate_style(event), event);
	narrate_names(output, json_member(entry, "recipients"));
	narrate_outcome(output, entry);
	fputc('\n', output->file);
	if (explain) {
		fputs("      ", output->file);
		output_text(output, STYLE_PLAIN, explain);
		fputc('\n', output->file);
	}
	if (next) {
		fputs("      ", output->file);
		output_text(output, STYLE_PLAIN, next);
		fputc('\n', output->file);
	}
}

static void narrate_names(const struct output *output, const struct json *names)
{
	size_t count = json_count(names);

	if (count == 0)
		return;
	fputs(" for ", output->file);
	output_text(output, STYLE_PLAIN, json_item_text(names, 0));
	if (count == 2) {
		fputs(" and ", output->file);
		output_text(output, STYLE_PLAIN, json_item_text(names, 1));
	} else if (count > 2) {
		fprintf(output->file, " and %zu others", count - 1);
	}
}

/* By whom, how long it took, and what was said at which point. */
static void narrate_outcome(const struct output *output,
                            const struct json *entry)
{
	const char *host = json_text(entry, "host");
	const char *relay = json_text(entry, "relay");
	const char *tls = json_text(entry, "tls");
	const char *phase = json_text(entry, "phase");
	const char *event = or_nothing(json_text(entry, "event"));
	int64_t ms = json_number(entry, "ms");
	char words[1024];

	if (host || relay)
		output_format(output, STYLE_PLAIN, " by %s",
		              host ? host : relay);
	if (host && relay)
		output_format(output, STYLE_PLAIN, " (%s%s%s)", relay,
		              tls ? ", " : "", or_nothing(tls));
	if (ms)
		output_format(output, STYLE_PLAIN, " in %" PRId64 " ms", ms);
	narrate_reply(entry, words, sizeof(words));
	if (!*words)
		return;
	if (phase && strcmp(event, "delivered") != 0)
		output_format(output, STYLE_PLAIN, ", at %s", phase);
	fputs(": ", output->file);
	output_text(output, STYLE_PLAIN, words);
}
