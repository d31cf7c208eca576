/*
 * command_list - relaisctl list
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

#define LIMIT_DEFAULT 50
#define PAGE_LIMIT    200

/* A list under way, page by page. */
struct listing {
	struct invocation *invocation;
	struct table *table;
	long left; /* messages yet to be shown */
	char cursor[32];
	bool has_more;
};

static int read_pages(struct listing *listing);
static int read_limit(const char *text, long *ret_limit);
static int read_page(struct listing *listing, struct json **ret_page);
static void add_page(struct listing *listing, const struct json *page);
static void add_message(struct table *table, const struct output *output,
                        const struct json *message);
static void add_next(struct table *table, const struct output *output,
                     const struct json *message);
static void add_note(struct table *table, const struct json *message);

int command_list(struct invocation *invocation)
{
	static const struct column columns[] = {
		{ "ID", 0 },
		{ "STATE", 0 },
		{ "SUBMITTED", COLUMN_RIGHT },
		{ "SIZE", COLUMN_RIGHT },
		{ "FROM", COLUMN_SHRINKS },
		{ "TO", COLUMN_SHRINKS },
		{ "NEXT", 0 },
	};
	struct listing listing = {
		.invocation = invocation,
		.left = LIMIT_DEFAULT,
	};
	bool is_waiting, is_selection;
	int r = EXIT_FINE;

	if (read_limit(invocation->values[OPTION_LIMIT], &listing.left) < 0) {
		command_complain("--limit: expected a number from 1 on");
		return EXIT_BAD_USAGE;
	}
	listing.table = table_new(columns, 7);
	is_waiting = !invocation->values[OPTION_STATE] &&
	             !invocation->values[OPTION_ALL];
	is_selection = command_options_given(invocation) & HAS_SELECTION;
	if (is_waiting) {
		/* What needs somebody comes first. */
		invocation->values[OPTION_STATE] = "parked";
		r = read_pages(&listing);
		invocation->values[OPTION_STATE] = "queued,delivering,held";
	}
	if (r == EXIT_FINE && listing.left > 0)
		r = read_pages(&listing);
	if (r == EXIT_FINE && !invocation->is_json) {
		if (table_rows(listing.table) > 0)
			table_print(listing.table, &invocation->output);
		else if (is_waiting && !is_selection)
			fputs("Nothing waits. relaisctl list --all shows what "
			      "was.\n",
			      invocation->output.file);
		else
			fputs("No message is like that.\n",
			      invocation->output.file);
		if (listing.has_more)
			fputs("There are more: --limit NUMBER\n",
			      invocation->output.file);
	}
	table_free(listing.table);
	return r;
}

static int read_pages(struct listing *listing)
{
	int r;

	listing->cursor[0] = '\0';
	do {
		struct json *page = NULL;

		r = read_page(listing, &page);
		if (r != EXIT_FINE)
			break;
		add_page(listing, page);
		json_free(page);
	} while (listing->has_more && listing->left > 0);
	return r;
}

static int read_limit(const char *text, long *ret_limit)
{
	char *end;

	if (!text)
		return 0;
	errno = 0;
	*ret_limit = strtol(text, &end, 10);
	return errno || *end || *ret_limit < 1 ? -EINVAL : 0;
}

static int read_page(struct listing *listing, struct json **ret_page)
{
	struct buffer target;
	char limit[24];
	char *text = NULL;
	int r;

	buffer_init(&target, 0);
	snprintf(limit, sizeof(limit), "%ld",
	         listing->left < PAGE_LIMIT ? listing->left : (long)PAGE_LIMIT);
	r = buffer_append_string(&target, "/v1/messages");
	if (r == 0)
		r = ask_add_query(&target, "limit", limit);
	if (r == 0 && listing->cursor[0])
		r = ask_add_query(&target, "cursor", listing->cursor);
	if (r == 0)
		r = command_add_selection(listing->invocation, &target);
	if (r == 0)
		r = buffer_take(&target, &text, NULL);
	buffer_done(&target);
	if (r > 0)
		return r;
	if (r < 0)
		return ask_complain(listing->invocation, r);
	r = ask(listing->invocation, "GET", text, NULL, ret_page);
	free(text);
	return r;
}

static void add_page(struct listing *listing, const struct json *page)
{
	const struct json *messages = json_member(page, "messages");
	const char *next = json_text(page, "next");
	size_t i;

	for (i = 0; i < json_count(messages); i++) {
		const struct json *message = json_item(messages, i);

		if (listing->invocation->is_json)
			command_print_json(listing->invocation, message);
		else
			add_message(listing->table,
			            &listing->invocation->output, message);
		listing->left--;
	}
	listing->has_more = next;
	snprintf(listing->cursor, sizeof(listing->cursor), "%s",
	         next ? next : "");
}

static void add_message(struct table *table, const struct output *output,
                        const struct json *message)
{
	const struct json *recipients = json_member(message, "recipients");
	const char *state = json_text(message, "state");
	const char *sender = json_text(message, "sender");
	const char *first = json_text(json_item(recipients, 0), "address");
	char words[OUTPUT_WORDS_SIZE];

	table_cell(table, STYLE_PLAIN, json_text(message, "id"));
	table_cell(table, narrate_style(state), state);
	output_age(output, output_parse_time(json_text(message, "submitted")),
	           words);
	table_cell(table, STYLE_PLAIN, words);
	output_size(json_number(message, "size"), words);
	table_cell(table, STYLE_PLAIN, words);
	table_cell(table, STYLE_PLAIN, sender && *sender ? sender : "<>");
	if (json_count(recipients) > 1)
		table_format(table, STYLE_PLAIN, "%s +%zu", first ? first : "",
		             json_count(recipients) - 1);
	else
		table_cell(table, STYLE_PLAIN, first);
	add_next(table, output, message);
	add_note(table, message);
}

/* When the first of them is tried next. */
static void add_next(struct table *table, const struct output *output,
                     const struct json *message)
{
	const struct json *recipients = json_member(message, "recipients");
	char words[OUTPUT_WORDS_SIZE] = "";
	int64_t soonest_ms = 0;
	size_t i;

	for (i = 0; i < json_count(recipients); i++) {
		int64_t next_ms = output_parse_time(
		    json_text(json_item(recipients, i), "next_attempt"));

		if (next_ms && (!soonest_ms || next_ms < soonest_ms))
			soonest_ms = next_ms;
	}
	if (soonest_ms && soonest_ms <= output->now_ms)
		snprintf(words, sizeof(words), "now");
	else
		output_age(output, soonest_ms, words);
	table_cell(table, STYLE_PLAIN, words);
}

/* Why it is held, or what was said last of a recipient that isn't there. */
static void add_note(struct table *table, const struct json *message)
{
	const struct json *recipients = json_member(message, "recipients");
	const struct json *hold = json_member(message, "hold");
	char words[1024];
	size_t i;

	if (json_text(hold, "reason")) {
		table_note(table, json_text(hold, "reason"));
		return;
	}
	for (i = 0; i < json_count(recipients); i++) {
		const struct json *recipient = json_item(recipients, i);
		const struct json *reply = json_member(recipient, "reply");
		const char *state = json_text(recipient, "state");

		if (!reply || (state && strcmp(state, "delivered") == 0))
			continue;
		narrate_reply(reply, words, sizeof(words));
		table_note(table, words);
		return;
	}
}
