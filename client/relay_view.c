#include "config.h"

#include "relay_view.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "narrate.h"
#include "output.h"

#define VALUE_SIZE 1024

enum form {
	FORM_AS_IT_IS,
	FORM_SECRET, /* an object that says whether it is set */
	FORM_SIZE,   /* octets; 0 is off */
	FORM_TIME,   /* seconds; 0 is off */
	FORM_COUNT,  /* 0 is off */
	FORM_PERCENT,
	FORM_RATES,
	FORM_MAP,   /* a line for each member */
	FORM_TITLE, /* of the lines that follow */
};

/* A key as relais.yaml(5) has it, and where the API has its value. */
static const struct line {
	const char *key;
	const char *outer; /* the object the value is in; NULL: the relay */
	const char *name;
	enum form form;
} lines[] = {
	{ "What it is", NULL, NULL, FORM_TITLE },
	{ "description", NULL, "description", FORM_AS_IT_IS },
	{ "provider", NULL, "provider", FORM_AS_IT_IS },
	{ "enabled", NULL, "enabled", FORM_AS_IT_IS },
	{ "default", NULL, "default", FORM_AS_IT_IS },
	{ "managed by", NULL, "managed", FORM_AS_IT_IS },
	{ "file", NULL, "file", FORM_AS_IT_IS },
	{ "Connection", NULL, NULL, FORM_TITLE },
	{ "url", NULL, "url", FORM_AS_IT_IS },
	{ "host", NULL, "host", FORM_AS_IT_IS },
	{ "port", NULL, "port", FORM_AS_IT_IS },
	{ "security", NULL, "security", FORM_AS_IT_IS },
	{ "tls.verify", "tls", "verify", FORM_AS_IT_IS },
	{ "tls.minimum", "tls", "minimum", FORM_AS_IT_IS },
	{ "tls.fingerprint", "tls", "fingerprint", FORM_AS_IT_IS },
	{ "tls.ca_file", "tls", "ca_file", FORM_AS_IT_IS },
	{ "tls.certificate", "tls", "certificate", FORM_AS_IT_IS },
	{ "tls.key", "tls", "key", FORM_AS_IT_IS },
	{ "hostname", NULL, "hostname", FORM_AS_IT_IS },
	{ "Login", NULL, NULL, FORM_TITLE },
	{ "authentication", NULL, "authentication", FORM_AS_IT_IS },
	{ "username", NULL, "username", FORM_AS_IT_IS },
	{ "password", NULL, "password", FORM_SECRET },
	{ "token", NULL, "token", FORM_SECRET },
	{ "oauth", NULL, "oauth", FORM_MAP },
	{ "Sender", NULL, NULL, FORM_TITLE },
	{ "from.address", "from", "address", FORM_AS_IT_IS },
	{ "from.name", "from", "name", FORM_AS_IT_IS },
	{ "from.apply", "from", "apply", FORM_AS_IT_IS },
	{ "allowed_from", NULL, "allowed_from", FORM_AS_IT_IS },
	{ "reply_to.address", "reply_to", "address", FORM_AS_IT_IS },
	{ "reply_to.name", "reply_to", "name", FORM_AS_IT_IS },
	{ "keep_author", NULL, "keep_author", FORM_AS_IT_IS },
	{ "headers", NULL, "headers", FORM_MAP },
	{ "Limits", NULL, NULL, FORM_TITLE },
	{ "limits.connections", "limits", "connections", FORM_COUNT },
	{ "limits.messages_per_connection", "limits", "messages_per_connection",
	  FORM_COUNT },
	{ "limits.rate", "limits", "rates", FORM_RATES },
	{ "limits.recipients", "limits", "recipients", FORM_COUNT },
	{ "limits.size", "limits", "size", FORM_SIZE },
	{ "  the provider's, if not said", "limits", "usual_size", FORM_SIZE },
	{ "limits.idle", "limits", "idle_s", FORM_TIME },
	{ "limits.lifetime", "limits", "lifetime_s", FORM_TIME },
	{ "In trouble", NULL, NULL, FORM_TITLE },
	{ "fallback", NULL, "fallback", FORM_AS_IT_IS },
	{ "fallback_after_unknown", NULL, "fallback_after_unknown",
	  FORM_AS_IT_IS },
	{ "Staging", NULL, NULL, FORM_TITLE },
	{ "redirect", NULL, "redirect", FORM_AS_IT_IS },
	{ "recipients.allow", "recipients", "allow", FORM_AS_IT_IS },
	{ "recipients.refuse", "recipients", "refuse", FORM_AS_IT_IS },
	{ "chaos.refuse", "chaos", "refuse_percent", FORM_PERCENT },
	{ "chaos.defer", "chaos", "defer_percent", FORM_PERCENT },
	{ "chaos.cut", "chaos", "cut_percent", FORM_PERCENT },
	{ "chaos.delay", "chaos", "delay_s", FORM_TIME },
	{ "chaos.seed", "chaos", "seed", FORM_COUNT },
};
#define LINES (sizeof(lines) / sizeof(lines[0]))

static void print_fault(const struct output *output, const struct json *relay);
static void print_fact(const struct output *output, const char *key,
                       const char *text);
static void print_line(const struct output *output, const struct line *line,
                       const struct json *relay);
static void print_map(const struct output *output, const char *key,
                      const struct json *map);
static void format_value(const struct json *object, const struct line *line,
                         char out[VALUE_SIZE]);
static void format_plain(const struct json *value, char out[VALUE_SIZE]);
static void format_rates(const struct json *rates, char out[VALUE_SIZE]);

void relay_view_print(const struct output *output, const struct json *relay)
{
	size_t i;

	relay_view_print_state(output, relay);
	for (i = 0; i < LINES; i++)
		print_line(output, &lines[i], relay);
}

void relay_view_print_state(const struct output *output,
                            const struct json *relay)
{
	const char *state = json_text(relay, "state");
	char words[VALUE_SIZE];

	output_format(output, STYLE_BOLD, "Relay %s",
	              json_text(relay, "name") ? json_text(relay, "name")
	                                       : "?");
	if (json_flag(relay, "default"))
		fputs(", the default,", output->file);
	fputc(' ', output->file);
	narrate_breaker(output, relay, words, sizeof(words));
	if (!json_flag(relay, "enabled"))
		output_text(output, STYLE_WARNING, "is disabled");
	else
		output_text(output, narrate_style(state),
		            *words ? words : "works");
	fputc('\n', output->file);
	print_fault(output, relay);
	snprintf(words, sizeof(words),
	         "%" PRId64 " queued, %" PRId64 " of %" PRId64
	         " connections, %" PRId64 " delivered in 24 h",
	         json_number(relay, "queued"),
	         json_number(relay, "connections"),
	         json_number(relay, "connection_limit"),
	         json_number(relay, "delivered_24h"));
	print_fact(output, "now", words);
	print_fact(output, "carried by", json_text(relay, "carried_by"));
}

static void print_fault(const struct output *output, const struct json *relay)
{
	const struct json *fault = json_member(relay, "fault");
	char words[OUTPUT_WORDS_SIZE];
	int64_t since_ms = output_parse_time(json_text(relay, "since"));

	if (!fault)
		return;
	print_fact(output, "at", json_text(fault, "phase"));
	print_fact(output, "host", json_text(fault, "host"));
	output_age(output, since_ms, words);
	print_fact(output, "since", *words ? words : NULL);
	print_fact(output, "that means", json_text(fault, "explain"));
	print_fact(output, "next", json_text(fault, "next"));
}

static void print_fact(const struct output *output, const char *key,
                       const char *text)
{
	if (!text)
		return;
	fprintf(output->file, "  %-31s", key);
	output_text(output, STYLE_PLAIN, text);
	fputc('\n', output->file);
}

/* What isn't set is shown, too: so one sees which keys there are. */
static void print_line(const struct output *output, const struct line *line,
                       const struct json *relay)
{
	const struct json *object =
	    line->outer ? json_member(relay, line->outer) : relay;
	char value[VALUE_SIZE];

	if (line->form == FORM_TITLE) {
		output_text(output, STYLE_BOLD, line->key);
		fputc('\n', output->file);
		return;
	}
	if (line->form == FORM_MAP &&
	    json_next(json_member(object, line->name), NULL,
	              &(const char *){ NULL },
	              &(const struct json *){ NULL })) {
		print_map(output, line->key, json_member(object, line->name));
		return;
	}
	format_value(object, line, value);
	if (*value) {
		print_fact(output, line->key, value);
		return;
	}
	fprintf(output->file, "  %-31s", line->key);
	output_text(output, STYLE_DIM, "-");
	fputc('\n', output->file);
}

static void print_map(const struct output *output, const char *key,
                      const struct json *map)
{
	const struct json *value;
	void *iterator = NULL;
	const char *name;
	char left[128], text[VALUE_SIZE];

	while ((iterator = json_next(map, iterator, &name, &value))) {
		(void)snprintf(left, sizeof(left), "%s.%s", key, name);
		if (json_flag(value, "set"))
			strcpy(text, "(set)");
		else
			format_plain(json_member(map, name), text);
		print_fact(output, left, text);
	}
}

/* ------------------------------------------------------------------ values */

/* Empty for what isn't set. */
static void format_value(const struct json *object, const struct line *line,
                         char out[VALUE_SIZE])
{
	const struct json *value = json_member(object, line->name);
	int64_t number = json_number(object, line->name);
	char words[OUTPUT_WORDS_SIZE] = "off";

	out[0] = '\0';
	switch (line->form) {
	case FORM_AS_IT_IS:
		format_plain(value, out);
		return;
	case FORM_SECRET:
		if (json_flag(value, "set"))
			strcpy(out, "(set)");
		return;
	case FORM_SIZE:
		if (number > 0)
			output_size(number, words);
		break;
	case FORM_TIME:
		if (number > 0)
			output_duration(number, words);
		break;
	case FORM_COUNT:
		if (number > 0)
			output_number(number, words);
		break;
	case FORM_PERCENT:
		if (number > 0)
			(void)snprintf(words, sizeof(words), "%" PRId64 "%%",
			               number);
		break;
	case FORM_RATES:
		format_rates(value, out);
		return;
	case FORM_MAP:
	case FORM_TITLE:
		return;
	}
	strcpy(out, words);
}

/* A text, a number, on or off, or words of a list with commas. */
static void format_plain(const struct json *value, char out[VALUE_SIZE])
{
	size_t len = 0, i;
	char *printed;

	out[0] = '\0';
	for (i = 0; i < json_count(value) && len < VALUE_SIZE; i++)
		len += (size_t)snprintf(out + len, VALUE_SIZE - len, "%s%s",
		                        i > 0 ? ", " : "",
		                        json_item_text(value, i));
	if (len > 0 || !value)
		return;
	if (json_value_text(value)) {
		(void)snprintf(out, VALUE_SIZE, "%s", json_value_text(value));
		return;
	}
	printed = json_print(value);
	if (printed && *printed != '[' && *printed != '{')
		(void)snprintf(out, VALUE_SIZE, "%s",
		               strcmp(printed, "true") == 0    ? "on"
		               : strcmp(printed, "false") == 0 ? "off"
		                                               : printed);
	free(printed);
}

/* As it is written in the settings: 30/min, 500/d */
static void format_rates(const struct json *rates, char out[VALUE_SIZE])
{
	static const struct {
		int64_t seconds;
		const char *word;
	} periods[] = {
		{ 1, "s" }, { 60, "min" }, { 3600, "h" }, { 86400, "d" }
	};
	size_t count = json_count(rates), len = 0, i, k;

	for (i = 0; i < count && len < VALUE_SIZE; i++) {
		const struct json *rate = json_item(rates, i);
		int64_t seconds = json_number(rate, "period_s");
		const char *word = NULL;

		for (k = 0; k < sizeof(periods) / sizeof(periods[0]); k++)
			if (periods[k].seconds == seconds)
				word = periods[k].word;
		len += (size_t)snprintf(out + len, VALUE_SIZE - len,
		                        "%s%" PRId64 "/", i > 0 ? ", " : "",
		                        json_number(rate, "count"));
		if (len >= VALUE_SIZE)
			break;
		if (word)
			len += (size_t)snprintf(out + len, VALUE_SIZE - len,
			                        "%s", word);
		else
			len += (size_t)snprintf(out + len, VALUE_SIZE - len,
			                        "%" PRId64 "s", seconds);
	}
}
