/*
 * command_status - relaisctl status
 */
#include "config.h"

#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "json.h"
#include "narrate.h"

static void print_head(const struct output *output, const struct json *status);
static void print_messages(const struct output *output,
                           const struct json *status);
static void print_store(const struct output *output, const struct json *store);
static void print_relays(const struct output *output,
                         const struct json *relays);
static void print_routing(const struct output *output,
                          const struct json *routing);
static void print_problems(const struct output *output,
                           const struct json *problems);

int command_status(struct invocation *invocation)
{
	const struct output *output = &invocation->output;
	struct json *status;
	int r;

	r = ask(invocation, "GET", "/v1/status", NULL, &status);
	if (r != EXIT_FINE)
		return r;
	if (invocation->is_json) {
		command_print_json(invocation, status);
	} else {
		print_head(output, status);
		print_messages(output, status);
		print_store(output, json_member(status, "store"));
		print_relays(output, json_member(status, "relays"));
		print_routing(output, json_member(status, "routing"));
		if (json_flag(status, "administrator") ||
		    json_count(json_member(status, "problems")) > 0)
			print_problems(output, json_member(status, "problems"));
	}
	json_free(status);
	return EXIT_FINE;
}

static void print_head(const struct output *output, const struct json *status)
{
	char up[OUTPUT_WORDS_SIZE];

	output_duration(json_number(status, "uptime_s"), up);
	output_format(
	    output, STYLE_BOLD, "relais %s on %s",
	    json_text(status, "version") ? json_text(status, "version") : "?",
	    json_text(status, "hostname") ? json_text(status, "hostname")
					  : "?");
	output_format(output, STYLE_PLAIN, ", up %s", up);
	if (!json_flag(status, "administrator"))
		fputs("; your own messages", output->file);
	fputs("\n\n", output->file);
}

/* Those states that have any; the queue's even without. */
static void print_messages(const struct output *output,
                           const struct json *status)
{
	const struct json *messages = json_member(status, "messages");
	const struct json *value;
	const char *state;
	void *iterator = NULL;

	while ((iterator = json_next(messages, iterator, &state, &value))) {
		int64_t count = json_value_number(value);
		char number[OUTPUT_WORDS_SIZE];

		if (count == 0 && strcmp(state, "queued") != 0)
			continue;
		output_number(count, number);
		output_format(output,
		              count ? narrate_style(state) : STYLE_PLAIN,
		              "  %-11s%9s", state, number);
		fputc('\n', output->file);
	}
	if (json_flag(status, "more"))
		fputs("  and more than that\n", output->file);
}

static void print_store(const struct output *output, const struct json *store)
{
	char used[OUTPUT_WORDS_SIZE], maximum[OUTPUT_WORDS_SIZE];
	char available[OUTPUT_WORDS_SIZE], oldest[OUTPUT_WORDS_SIZE];

	if (!store)
		return;
	output_size(json_number(store, "bytes_used"), used);
	output_size(json_number(store, "bytes_maximum"), maximum);
	output_size(json_number(store, "disk_free"), available);
	output_age(output, output_parse_time(json_text(store, "oldest_kept")),
	           oldest);
	fprintf(output->file, "  store      %s of %s used, %s free on disk",
	        used, maximum, available);
	if (*oldest)
		fprintf(output->file, ", oldest message %s", oldest);
	fputc('\n', output->file);
}

static void print_relays(const struct output *output, const struct json *relays)
{
	static const struct column columns[] = {
		{ "RELAY", 0 },
		{ "STATE", 0 },
		{ "QUEUED", COLUMN_RIGHT },
		{ "OLDEST DUE", COLUMN_RIGHT },
		{ "CONNECTIONS", COLUMN_RIGHT },
		{ "DELIVERED", COLUMN_RIGHT },
		{ "REFUSED", COLUMN_RIGHT },
		{ "FAULTS", COLUMN_RIGHT },
	};
	struct table *table = table_new(columns, 8);
	size_t i;

	for (i = 0; table && i < json_count(relays); i++)
		command_add_relay(table, output, json_item(relays, i));
	if (table && table_rows(table) > 0) {
		fputc('\n', output->file);
		table_print(table, output);
	}
	table_free(table);
}

void command_add_relay(struct table *table, const struct output *output,
                       const struct json *relay)
{
	const char *state = json_text(relay, "state");
	int64_t oldest_s = json_number(relay, "oldest_due_s");
	char words[1024];
	size_t i;

	table_format(table, STYLE_PLAIN, "%s%s",
	             json_text(relay, "name") ? json_text(relay, "name") : "?",
	             json_flag(relay, "default") ? " *" : "");
	table_cell(table, narrate_style(state),
	           !json_flag(relay, "enabled")            ? "disabled"
	           : state && strcmp(state, "closed") == 0 ? "works"
	                                                   : state);
	output_number(json_number(relay, "queued"), words);
	table_cell(table, STYLE_PLAIN, words);
	words[0] = '\0';
	if (oldest_s > 0)
		output_duration(oldest_s, words);
	table_cell(table, STYLE_PLAIN, words);
	table_format(table, STYLE_PLAIN, "%" PRId64 "/%" PRId64,
	             json_number(relay, "connections"),
	             json_number(relay, "connection_limit"));
	for (i = 0; i < 3; i++) {
		static const char *const members[] = { "delivered", "refused",
			                               "faults" };

		output_number(json_number(relay, members[i]), words);
		table_cell(table, STYLE_PLAIN, words);
	}
	narrate_breaker(output, relay, words, sizeof(words));
	if (*words)
		table_note(table, words);
}

static void print_routing(const struct output *output,
                          const struct json *routing)
{
	const char *state = json_text(routing, "state");

	if (!state || strcmp(state, "looking") != 0)
		return;
	fprintf(output->file,
	        "\nRouting has changed: %" PRId64 " of %" PRId64
	        " parts looked at, %" PRId64 " messages moved.\n",
	        json_number(routing, "looked_at"), json_number(routing, "of"),
	        json_number(routing, "moved"));
}

static void print_problems(const struct output *output,
                           const struct json *problems)
{
	size_t i;

	fputc('\n', output->file);
	if (json_count(problems) == 0)
		output_text(output, STYLE_GOOD, "Nothing is wrong.");
	for (i = 0; i < json_count(problems); i++) {
		const struct json *problem = json_item(problems, i);
		int64_t since_ms =
		    output_parse_time(json_text(problem, "since"));
		char age[OUTPUT_WORDS_SIZE];

		if (i > 0)
			fputc('\n', output->file);
		output_text(output, STYLE_WARNING, json_text(problem, "what"));
		output_age(output, since_ms, age);
		if (since_ms)
			output_format(output, STYLE_PLAIN, " (%s)", age);
		fputs("\n  ", output->file);
		output_text(output, STYLE_PLAIN, json_text(problem, "next"));
	}
	fputc('\n', output->file);
}
