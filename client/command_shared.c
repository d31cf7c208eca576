/*
 * command_shared - what several commands do with their options
 */
#include "config.h"

#include "command.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "clock.h"
#include "json.h"

static const struct {
	enum option option;
	const char *name;
} selection[] = {
	{ OPTION_STATE, "state" },         { OPTION_RELAY, "relay" },
	{ OPTION_SENDER, "sender" },       { OPTION_RECIPIENT, "recipient" },
	{ OPTION_SUBMITTER, "submitter" }, { OPTION_TAG, "tag" },
	{ OPTION_SINCE, "since" },
};
#define SELECTION_COUNT (sizeof(selection) / sizeof(selection[0]))

static int selection_value(const struct invocation *invocation,
                           enum option option, char time[32],
                           const char **ret_value);

uint64_t command_options_given(const struct invocation *invocation)
{
	uint64_t given = 0;
	int i;

	for (i = 0; i < OPTIONS; i++)
		if (invocation->values[i])
			given |= HAS(i);
	return given;
}

void command_print_json(const struct invocation *invocation,
                        const struct json *json)
{
	char *text = json_print(json);

	if (text)
		fprintf(invocation->output.file, "%s\n", text);
	free(text);
}

/* The option's value as relaisd wants it; NULL where it wasn't given. */
static int selection_value(const struct invocation *invocation,
                           enum option option, char time[32],
                           const char **ret_value)
{
	*ret_value = invocation->values[option];
	if (option != OPTION_SINCE || !*ret_value)
		return EXIT_FINE;
	if (ask_parse_time(*ret_value, -1, time) < 0) {
		command_complain("--since: expected 2h, 3d or "
		                 "2026-11-23T18:40:01Z, not `%s`",
		                 *ret_value);
		return EXIT_BAD_USAGE;
	}
	*ret_value = time;
	return EXIT_FINE;
}

int command_add_selection(const struct invocation *invocation,
                          struct buffer *target)
{
	char time[32];
	size_t i;
	int r;

	for (i = 0; i < SELECTION_COUNT; i++) {
		const char *value;

		r = selection_value(invocation, selection[i].option, time,
		                    &value);
		if (r == EXIT_FINE)
			r = ask_add_query(target, selection[i].name, value);
		if (r != 0)
			return r;
	}
	if (invocation->values[OPTION_STATE] || invocation->values[OPTION_ALL])
		return 0;
	return ask_add_query(target, "state", "waiting");
}

int command_put_selection(const struct invocation *invocation,
                          struct json *filter)
{
	char time[32];
	size_t i;

	for (i = 0; i < SELECTION_COUNT; i++) {
		const char *value;
		int r = selection_value(invocation, selection[i].option, time,
		                        &value);

		if (r != EXIT_FINE)
			return r;
		if (value)
			json_put_text(filter, selection[i].name, value);
	}
	return EXIT_FINE;
}

int command_put_until(const struct invocation *invocation, struct json *order)
{
	const char *duration = invocation->values[OPTION_FOR];
	const char *until = invocation->values[OPTION_UNTIL];
	int64_t seconds;
	char time[32];

	if (duration && until) {
		command_complain("either --for or --until");
		return EXIT_BAD_USAGE;
	}
	if (duration && ask_parse_duration(duration, &seconds) < 0) {
		command_complain("--for: expected 30m, 2h or 1d, not `%s`",
		                 duration);
		return EXIT_BAD_USAGE;
	}
	if (duration)
		clock_format_rfc3339(clock_wall_ms() + seconds * 1000, time);
	else if (until && ask_parse_time(until, 1, time) < 0) {
		command_complain("--until: expected a time like "
		                 "2026-11-23T18:40:01Z, not `%s`",
		                 until);
		return EXIT_BAD_USAGE;
	}
	if (duration || until)
		json_put_text(order, "until", time);
	return EXIT_FINE;
}

int command_put_at(const struct invocation *invocation, struct json *order)
{
	const char *at = invocation->values[OPTION_AT];
	const char *delay = invocation->values[OPTION_HOLD_FOR];
	int64_t seconds;
	char time[32];

	if (!at && !delay)
		return EXIT_FINE;
	if (at && ask_parse_time(at, 1, time) < 0) {
		command_complain("--at: expected a time like "
		                 "2026-11-23T18:40:01Z, not `%s`",
		                 at);
		return EXIT_BAD_USAGE;
	}
	if (delay && ask_parse_duration(delay, &seconds) < 0) {
		command_complain("--hold-for: expected 30m, 2h or 1d, not `%s`",
		                 delay);
		return EXIT_BAD_USAGE;
	}
	if (delay)
		clock_format_rfc3339(clock_wall_ms() + seconds * 1000, time);
	json_put_text(order, "at", time);
	return EXIT_FINE;
}

int command_add_segment(struct buffer *target, const char *before,
                        const char *segment, const char *after)
{
	int r = buffer_append_string(target, before);

	for (; r == 0 && *segment; segment++) {
		unsigned char c = (unsigned char)*segment;

		if (isalnum(c) || strchr("-._~", c))
			r = buffer_append(target, segment, 1);
		else
			r = buffer_appendf(target, "%%%02X", c);
	}
	return r == 0 ? buffer_append_string(target, after) : r;
}
