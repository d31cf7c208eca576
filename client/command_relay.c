/*
 * command_relay - relaisctl relay show, pause and resume; reload
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "json.h"
#include "narrate.h"

static int each_relay(struct invocation *invocation, const char *method,
    const char *action, const struct json *order);
static int one_relay(struct invocation *invocation, const char *method,
    const char *name, const char *action, const struct json *order);
static void print_relay(const struct output *output, const struct json *relay);
static void print_fault(const struct output *output, const struct json *relay);
static void print_fact(
    const struct output *output, const char *name, const char *text);

int command_relay_show(struct invocation *invocation)
{
	return each_relay(invocation, "GET", "", NULL);
}

int command_relay_pause(struct invocation *invocation)
{
	struct json *order = json_make();
	int r;

	if (!order)
		return ask_complain(invocation, -ENOMEM);
	if (invocation->values[OPTION_REASON])
		json_put_text(
		    order, "reason", invocation->values[OPTION_REASON]);
	r = command_put_until(invocation, order);
	if (r == EXIT_FINE)
		r = each_relay(invocation, "POST", "/pause", order);
	json_free(order);
	return r;
}

int command_relay_resume(struct invocation *invocation)
{
	return each_relay(invocation, "POST", "/resume", NULL);
}

static int each_relay(struct invocation *invocation, const char *method,
    const char *action, const struct json *order)
{
	int worst = EXIT_FINE;
	int i;

	for (i = 0; i < invocation->operand_count; i++) {
		int r;

		if (i > 0 && !invocation->is_json)
			fputc('\n', invocation->output.file);
		r = one_relay(
		    invocation, method, invocation->operands[i], action, order);
		if (r > worst)
			worst = r;
	}
	return worst;
}

static int one_relay(struct invocation *invocation, const char *method,
    const char *name, const char *action, const struct json *order)
{
	struct json *relay = NULL;
	struct buffer target;
	char *text = NULL;
	int r;

	buffer_init(&target, 0);
	r = command_add_segment(&target, "/v1/relays/", name, action);
	if (r == 0)
		r = buffer_take(&target, &text, NULL);
	buffer_done(&target);
	r = r < 0 ? ask_complain(invocation, r)
		  : ask(invocation, method, text, order, &relay);
	free(text);
	if (r != EXIT_FINE)
		return r;
	if (invocation->is_json)
		command_print_json(invocation, relay);
	else
		print_relay(&invocation->output, relay);
	json_free(relay);
	return EXIT_FINE;
}

static void print_relay(const struct output *output, const struct json *relay)
{
	static const char *const facts[] = { "description", "url", "provider",
		"managed", "file", "security", "authentication", "username" };
	const struct json *from = json_member(relay, "from");
	const char *state = json_text(relay, "state");
	char words[1024];
	size_t i;

	output_format(output, STYLE_BOLD, "Relay %s",
	    json_text(relay, "name") ? json_text(relay, "name") : "?");
	if (json_flag(relay, "default"))
		fputs(", the default,", output->file);
	fputc(' ', output->file);
	narrate_breaker(output, relay, words, sizeof(words));
	if (!json_flag(relay, "enabled"))
		output_text(output, STYLE_WARNING, "is disabled");
	else
		output_text(
		    output, narrate_style(state), *words ? words : "works");
	fputc('\n', output->file);
	print_fault(output, relay);
	for (i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		print_fact(output, facts[i], json_text(relay, facts[i]));
	print_fact(output, "from", json_text(from, "address"));
	snprintf(words, sizeof(words),
	    "%" PRId64 " queued, %" PRId64 " of %" PRId64
	    " connections, %" PRId64 " delivered in 24 h",
	    json_number(relay, "queued"), json_number(relay, "connections"),
	    json_number(relay, "connection_limit"),
	    json_number(relay, "delivered_24h"));
	print_fact(output, "now", words);
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

static void print_fact(
    const struct output *output, const char *name, const char *text)
{
	if (!text)
		return;
	fprintf(output->file, "  %-15s", name);
	output_text(output, STYLE_PLAIN, text);
	fputc('\n', output->file);
}

/* ----------------------------------------------------------------- reload */

int command_reload(struct invocation *invocation)
{
	const struct output *output = &invocation->output;
	const struct json *warnings;
	struct json *answer;
	size_t i;
	int r;

	r = ask(invocation, "POST", "/v1/reload", NULL, &answer);
	if (r != EXIT_FINE)
		return r;
	if (invocation->is_json) {
		command_print_json(invocation, answer);
	} else {
		warnings = json_member(answer, "warnings");
		for (i = 0; i < json_count(warnings); i++) {
			output_text(
			    output, STYLE_WARNING, json_item_text(warnings, i));
			fputc('\n', output->file);
		}
		fputs("The new settings are in use.\n", output->file);
	}
	json_free(answer);
	return EXIT_FINE;
}
