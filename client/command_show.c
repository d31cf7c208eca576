/*
 * command_show - relaisctl show, wait and watch: messages and their stories
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "clock.h"
#include "http.h"
#include "json.h"
#include "narrate.h"

/* relaisd waits no longer for one answer. */
#define WAIT_MAX_S 300

static int ask_message(const struct invocation *invocation, const char *id,
                       int64_t wait_s, struct json **ret_message);
static int show_one(struct invocation *invocation, const char *id);
static struct json *ask_relay(const struct invocation *invocation,
                              const struct json *message);
static int wait_for_one(struct invocation *invocation, const char *id,
                        int64_t give_up_ms);
static bool has_ended(const struct json *message);
static void report(const struct invocation *invocation, const char *id,
                   const struct json *message);
static int take_event(const struct invocation *invocation, const char *line);

/* ------------------------------------------------------------------- show */

int command_show(struct invocation *invocation)
{
	int worst = EXIT_FINE;
	int i;

	for (i = 0; i < invocation->operand_count; i++) {
		int r;

		if (i > 0 && !invocation->is_json)
			fputc('\n', invocation->output.file);
		r = show_one(invocation, invocation->operands[i]);
		if (r > worst)
			worst = r;
	}
	return worst;
}

static int show_one(struct invocation *invocation, const char *id)
{
	struct json *message = NULL;
	struct json *relay;
	int r;

	r = ask_message(invocation, id, 0, &message);
	if (r != EXIT_FINE)
		return r;
	if (invocation->is_json) {
		command_print_json(invocation, message);
	} else {
		relay =
		    has_ended(message) ? NULL : ask_relay(invocation, message);
		narrate_message(&invocation->output, message, relay);
		json_free(relay);
	}
	json_free(message);
	return EXIT_FINE;
}

static int ask_message(const struct invocation *invocation, const char *id,
                       int64_t wait_s, struct json **ret_message)
{
	struct buffer target;
	char seconds[24];
	char *text = NULL;
	int r;

	buffer_init(&target, 0);
	snprintf(seconds, sizeof(seconds), "%" PRId64, wait_s);
	r = command_add_segment(&target, "/v1/messages/", id, "");
	if (r == 0 && wait_s > 0)
		r = ask_add_query(&target, "wait", seconds);
	if (r == 0)
		r = buffer_take(&target, &text, NULL);
	buffer_done(&target);
	if (r < 0)
		return ask_complain(invocation, r);
	r = ask(invocation, "GET", text, NULL, ret_message);
	free(text);
	return r;
}

/* How the relay does is the administrators' business: others go without. */
static struct json *ask_relay(const struct invocation *invocation,
                              const struct json *message)
{
	const char *name = json_text(message, "relay");
	struct json *status = NULL;
	struct json *found = NULL;
	const struct json *relays;
	size_t i;

	if (!name ||
	    ask(invocation, "GET", "/v1/status", NULL, &status) != EXIT_FINE)
		return NULL;
	relays = json_member(status, "relays");
	for (i = 0; i < json_count(relays) && !found; i++) {
		const struct json *relay = json_item(relays, i);
		const char *other = json_text(relay, "name");

		if (other && strcmp(other, name) == 0)
			found = json_copy_of(relay);
	}
	json_free(status);
	return found;
}

/* ------------------------------------------------------------------- wait */

int command_wait(struct invocation *invocation)
{
	const char *timeout = invocation->values[OPTION_TIMEOUT];
	int64_t give_up_ms = INT64_MAX;
	int64_t seconds;
	int worst = EXIT_FINE;
	int i;

	if (timeout && ask_parse_duration(timeout, &seconds) < 0) {
		command_complain("--timeout: expected a time like 30s or 5m");
		return EXIT_BAD_USAGE;
	}
	if (timeout)
		give_up_ms = clock_boottime_ms() + seconds * 1000;
	for (i = 0; i < invocation->operand_count; i++) {
		int r = wait_for_one(invocation, invocation->operands[i],
		                     give_up_ms);

		if (r > worst)
			worst = r;
	}
	return worst;
}

static int wait_for_one(struct invocation *invocation, const char *id,
                        int64_t give_up_ms)
{
	for (;;) {
		int64_t left_s =
		    (give_up_ms - clock_boottime_ms() + 999) / 1000;
		const char *state;
		struct json *message = NULL;
		bool is_over;
		int r;

		if (left_s > WAIT_MAX_S)
			left_s = WAIT_MAX_S;
		r = ask_message(invocation, id, left_s > 0 ? left_s : 0,
		                &message);
		if (r != EXIT_FINE)
			return r;
		is_over = has_ended(message) || left_s <= 0 ||
		          clock_boottime_ms() >= give_up_ms;
		if (is_over)
			report(invocation, id, message);
		state = json_text(message, "state");
		r = state && strcmp(state, "delivered") == 0 ? EXIT_FINE
		                                             : EXIT_NOT_SO;
		json_free(message);
		if (is_over)
			return r;
	}
}

static bool has_ended(const struct json *message)
{
	const struct json *recipients = json_member(message, "recipients");
	size_t i;

	for (i = 0; i < json_count(recipients); i++) {
		const char *state =
		    json_text(json_item(recipients, i), "state");

		if (state && strcmp(state, "waiting") == 0)
			return false;
	}
	return true;
}

static void report(const struct invocation *invocation, const char *id,
                   const struct json *message)
{
	const struct output *output = &invocation->output;
	const struct json *recipients = json_member(message, "recipients");
	const char *state = json_text(message, "state");
	size_t i;

	if (invocation->is_json) {
		command_print_json(invocation, message);
		return;
	}
	output_format(output, STYLE_PLAIN, "%s: ", id);
	output_text(output, narrate_style(state), state);
	fputc('\n', output->file);
	for (i = 0; i < json_count(recipients); i++)
		narrate_recipient(output, json_item(recipients, i));
}

/* ------------------------------------------------------------------ watch */

int command_watch(struct invocation *invocation)
{
	const char *after = invocation->values[OPTION_AFTER];
	struct buffer target;
	struct http *http;
	const char *line;
	char *text = NULL;
	int r;

	buffer_init(&target, 0);
	r = buffer_append_string(&target, "/v1/events");
	if (r == 0)
		r = ask_add_query(&target, "since", after);
	if (r == 0)
		r = buffer_take(&target, &text, NULL);
	buffer_done(&target);
	if (r < 0)
		return ask_complain(invocation, r);
	r = ask_stream(invocation, "GET", text, NULL, &http);
	free(text);
	if (r != EXIT_FINE)
		return r;
	while (r == EXIT_FINE && (r = http_read_line(http, &line)) == 0)
		r = take_event(invocation, line);
	http_close(http);
	if (r == -ENODATA) {
		command_complain("relaisd has ended the stream");
		return EXIT_NO_SERVICE;
	}
	return r < 0 ? ask_complain(invocation, r) : r;
}

/* Of the lines of an event only its data is of use here. */
static int take_event(const struct invocation *invocation, const char *line)
{
	const struct output *output = &invocation->output;
	char time[OUTPUT_WORDS_SIZE];
	struct json *event;

	if (strcmp(line, "event: gone") == 0) {
		command_complain("events were lost: too slow for the stream");
		return EXIT_NO_SERVICE;
	}
	if (strncmp(line, "data: ", 6) != 0)
		return EXIT_FINE;
	event = json_parse(line + 6, strlen(line + 6));
	if (event && invocation->is_json) {
		command_print_json(invocation, event);
	} else if (event) {
		output_time(output_parse_time(json_text(event, "time")), time);
		output_text(output, STYLE_DIM, time);
		output_format(output, STYLE_PLAIN, "  %s  ",
		              json_text(event, "id") ? json_text(event, "id")
		                                     : "");
		narrate_event(output, event);
	}
	json_free(event);
	return fflush(output->file) == 0 ? EXIT_FINE : EXIT_NO_SERVICE;
}
