/*
 * command_top - relaisctl top: a screen that shows how the queue does now
 */
#include "config.h"

#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "clock.h"
#include "json.h"
#include "narrate.h"
#include "screen.h"

#define INTERVAL_S    2
#define REPLIES_MAX   8
#define REPLIES_SHOWN 5
#define REPLY_SIZE    256

/* What relaisd said at one time, and before that, for rates. */
struct view {
	struct json *status, *before;
	struct json *waiting; /* the newest messages that wait */
	int64_t at_us, before_us;
};

struct tally {
	char text[REPLY_SIZE];
	unsigned count;
};

static int take_interval(const struct invocation *invocation,
                         int64_t *ret_seconds);
static int look(const struct invocation *invocation, struct view *view);
static void forget(struct view *view);
static char *draw(const struct invocation *invocation, const struct view *view);
static void draw_head(const struct output *output, const struct view *view);
static void draw_relays(const struct output *output, const struct view *view);
static void draw_replies(const struct output *output, const struct view *view);
static void draw_problems(const struct output *output, const struct view *view);

int command_top(struct invocation *invocation)
{
	struct view view = { 0 };
	int64_t interval_s;
	bool has_screen = false;
	char *page;
	int key, r;

	r = take_interval(invocation, &interval_s);
	if (r != EXIT_FINE)
		return r;
	do {
		r = look(invocation, &view);
		if (r != EXIT_FINE && has_screen) {
			/* What it said is gone with that screen. */
			screen_close();
			has_screen = false;
			r = look(invocation, &view);
		}
		if (r != EXIT_FINE)
			break;
		if (invocation->is_json) {
			command_print_json(invocation, view.status);
			break;
		}
		if (!has_screen && screen_open() < 0) {
			/* One look, for a pipe. */
			page = draw(invocation, &view);
			fputs(page ? page : "", stdout);
			free(page);
			break;
		}
		has_screen = true;
		page = draw(invocation, &view);
		screen_draw(page ? page : "");
		free(page);
		key = screen_wait((unsigned)interval_s * 1000);
	} while (key != SCREEN_QUIT && key != 'q');
	if (has_screen)
		screen_close();
	forget(&view);
	return r;
}

static int take_interval(const struct invocation *invocation,
                         int64_t *ret_seconds)
{
	const char *text = invocation->values[OPTION_INTERVAL];

	*ret_seconds = INTERVAL_S;
	if (!text)
		return EXIT_FINE;
	if (ask_parse_duration(text, ret_seconds) < 0 || *ret_seconds < 1 ||
	    *ret_seconds > 3600) {
		command_complain("%s is no time from 1s to 1h", text);
		return EXIT_BAD_USAGE;
	}
	return EXIT_FINE;
}

static int look(const struct invocation *invocation, struct view *view)
{
	int r;

	json_free(view->before);
	json_free(view->waiting);
	view->before = view->status;
	view->before_us = view->at_us;
	view->status = view->waiting = NULL;
	r = ask(invocation, "GET", "/v1/status", NULL, &view->status);
	view->at_us = clock_monotonic_us();
	if (r == EXIT_FINE)
		r = ask(invocation, "GET",
		        "/v1/messages?state=waiting&"
		        "limit=100",
		        NULL, &view->waiting);
	return r;
}

static void forget(struct view *view)
{
	json_free(view->status);
	json_free(view->before);
	json_free(view->waiting);
}

/* The page; malloc'ed, or NULL without memory. */
static char *draw(const struct invocation *invocation, const struct view *view)
{
	struct output output = invocation->output;
	unsigned rows, columns;
	char *page = NULL;
	size_t len;

	output.now_ms = clock_wall_ms();
	if (output.width != 0) {
		screen_size(&rows, &columns);
		output.width = columns;
	}
	output.file = open_memstream(&page, &len);
	if (!output.file)
		return NULL;
	draw_head(&output, view);
	draw_relays(&output, view);
	draw_replies(&output, view);
	draw_problems(&output, view);
	if (fclose(output.file) != 0) {
		free(page);
		return NULL;
	}
	return page;
}

/* ------------------------------------------------------------------- rates */

/* How much a counter grew in a second; 0 if it began anew. */
static double rate(const struct view *view, int64_t now, int64_t before)
{
	double seconds = (double)(view->at_us - view->before_us) / 1e6;

	if (!view->before || now < before || seconds <= 0)
		return 0;
	return (double)(now - before) / seconds;
}

static int64_t all_messages(const struct json *status)
{
	const struct json *value;
	const char *state;
	void *iterator = NULL;
	int64_t sum = 0;

	while ((iterator = json_next(json_member(status, "messages"), iterator,
	                             &state, &value)))
		if (strcmp(state, "delivering") != 0)
			sum += json_value_number(value);
	return sum;
}

static const struct json *relay_before(const struct view *view,
                                       const char *name)
{
	const struct json *relays = json_member(view->before, "relays");
	size_t i;

	for (i = 0; i < json_count(relays); i++) {
		const struct json *relay = json_item(relays, i);
		const char *other = json_text(relay, "name");

		if (name && other && strcmp(name, other) == 0)
			return relay;
	}
	return NULL;
}

/* -------------------------------------------------------------------- page */

static void draw_head(const struct output *output, const struct view *view)
{
	static const char *const states[] = { "queued", "delivering", "held",
		                              "parked" };
	const struct json *messages = json_member(view->status, "messages");
	const struct json *store = json_member(view->status, "store");
	char words[OUTPUT_WORDS_SIZE], maximum[OUTPUT_WORDS_SIZE];
	size_t i;

	output_time(output->now_ms, words);
	output_format(output, STYLE_BOLD, "relais on %s",
	              json_text(view->status, "hostname"));
	fprintf(output->file, "  %s  (q quits)\n\n", words);
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		int64_t count = json_number(messages, states[i]);

		output_number(count, words);
		output_format(output,
		              count ? narrate_style(states[i]) : STYLE_PLAIN,
		              "%s %s   ", words, states[i]);
	}
	fprintf(
	    output->file, "taken %.1f/s   commits %.1f/s\n",
	    rate(view, all_messages(view->status), all_messages(view->before)),
	    rate(view, json_number(store, "commits"),
	         json_number(json_member(view->before, "store"), "commits")));
	if (!store) {
		fputc('\n', output->file);
		return;
	}
	output_size(json_number(store, "bytes_used"), words);
	output_size(json_number(store, "bytes_maximum"), maximum);
	fprintf(output->file, "store %s of %s", words, maximum);
	output_size(json_number(store, "disk_free"), words);
	fprintf(output->file, ", %s free on disk\n\n", words);
}

static void add_relay(struct table *table, const struct output *output,
                      const struct view *view, const struct json *relay)
{
	static const char *const priorities[] = { "urgent", "normal", "bulk" };
	static const char *const counters[] = { "delivered", "refused",
		                                "faults" };
	const struct json *lanes = json_member(relay, "queued_by_priority");
	const struct json *before =
	    relay_before(view, json_text(relay, "name"));
	const char *state = json_text(relay, "state");
	char words[1024];
	size_t i;

	table_cell(table, STYLE_PLAIN, json_text(relay, "name"));
	table_cell(table, narrate_style(state),
	           state && strcmp(state, "closed") == 0 ? "works" : state);
	for (i = 0; i < 3; i++) {
		output_number(json_number(lanes, priorities[i]), words);
		table_cell(table, STYLE_PLAIN, words);
	}
	words[0] = '\0';
	if (json_number(relay, "oldest_due_s") > 0)
		output_duration(json_number(relay, "oldest_due_s"), words);
	table_cell(table, STYLE_PLAIN, words);
	table_format(table, STYLE_PLAIN, "%" PRId64 "/%" PRId64,
	             json_number(relay, "connections"),
	             json_number(relay, "connection_limit"));
	for (i = 0; i < 3; i++)
		table_format(table, STYLE_PLAIN, "%.1f",
		             before
		                 ? rate(view, json_number(relay, counters[i]),
		                        json_number(before, counters[i]))
		                 : 0.0);
	narrate_breaker(output, relay, words, sizeof(words));
	if (*words)
		table_note(table, words);
}

/* One line a relay, with a lane for each priority. */
static void draw_relays(const struct output *output, const struct view *view)
{
	static const struct column columns[] = {
		{ "RELAY", COLUMN_SHRINKS },   { "STATE", 0 },
		{ "URGENT", COLUMN_RIGHT },    { "NORMAL", COLUMN_RIGHT },
		{ "BULK", COLUMN_RIGHT },      { "OLDEST", COLUMN_RIGHT },
		{ "CONN", COLUMN_RIGHT },      { "SENT/S", COLUMN_RIGHT },
		{ "REFUSED/S", COLUMN_RIGHT }, { "FAULTS/S", COLUMN_RIGHT },
	};
	const struct json *relays = json_member(view->status, "relays");
	struct table *table =
	    table_new(columns, sizeof(columns) / sizeof(columns[0]));
	size_t i;

	for (i = 0; table && i < json_count(relays); i++)
		add_relay(table, output, view, json_item(relays, i));
	if (table && table_rows(table) > 0)
		table_print(table, output);
	table_free(table);
}

/* -------------------------------------------------- what is in mail's way */

static void count_reply(struct tally tallies[REPLIES_MAX],
                        const struct json *reply)
{
	char text[REPLY_SIZE];
	size_t i;

	if (!json_text(reply, "text"))
		return;
	snprintf(
	    text, sizeof(text), "%" PRId64 " %s %s", json_number(reply, "code"),
	    json_text(reply, "enhanced") ? json_text(reply, "enhanced") : "",
	    json_text(reply, "text"));
	for (i = 0; i < REPLIES_MAX; i++)
		if (tallies[i].count == 0 || strcmp(tallies[i].text, text) == 0)
			break;
	if (i == REPLIES_MAX)
		return;
	memcpy(tallies[i].text, text, sizeof(text));
	tallies[i].count++;
}

static int by_count(const void *left, const void *right)
{
	const struct tally *a = left, *b = right;

	return (a->count < b->count) - (a->count > b->count);
}

static void draw_replies(const struct output *output, const struct view *view)
{
	const struct json *messages = json_member(view->waiting, "messages");
	struct tally tallies[REPLIES_MAX] = { 0 };
	size_t i, k;

	for (i = 0; i < json_count(messages); i++) {
		const struct json *recipients =
		    json_member(json_item(messages, i), "recipients");

		for (k = 0; k < json_count(recipients); k++)
			count_reply(
			    tallies,
			    json_member(json_item(recipients, k), "reply"));
	}
	qsort(tallies, REPLIES_MAX, sizeof(tallies[0]), by_count);
	if (tallies[0].count == 0)
		return;
	fputc('\n', output->file);
	output_text(output, STYLE_BOLD, "Last replies to mail that waits");
	fputc('\n', output->file);
	for (i = 0; i < REPLIES_SHOWN && tallies[i].count > 0; i++) {
		fprintf(output->file, "%6u  ", tallies[i].count);
		output_text(output, STYLE_WARNING, tallies[i].text);
		fputc('\n', output->file);
	}
}

static void draw_problems(const struct output *output, const struct view *view)
{
	const struct json *problems = json_member(view->status, "problems");
	size_t i;

	if (json_count(problems) > 0)
		fputc('\n', output->file);
	for (i = 0; i < json_count(problems); i++) {
		const struct json *problem = json_item(problems, i);

		output_text(output, STYLE_BAD, json_text(problem, "what"));
		fputs("\n    ", output->file);
		output_text(output, STYLE_PLAIN, json_text(problem, "next"));
		fputc('\n', output->file);
	}
}
