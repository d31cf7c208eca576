/*
 * command_relay_list - relaisctl relay list
 */
#include "config.h"

#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ask.h"
#include "json.h"
#include "narrate.h"

#define WORD_SIZE 160

/* A column, and the word by which it is filtered and sorted. */
enum relay_column {
	COLUMN_NAME,
	COLUMN_PROVIDER,
	COLUMN_HOST,
	COLUMN_PORT,
	COLUMN_SECURITY,
	COLUMN_LOGIN,
	COLUMN_SENDER,
	COLUMN_STATE,
	COLUMN_QUEUED,
	COLUMN_DELIVERED,
	COLUMNS,
	/* not shown: for --filter and --sort only */
	COLUMN_ENABLED = COLUMNS,
	COLUMN_DEFAULT,
	COLUMN_MANAGED,
	COLUMN_WORDS,
};

static const char *const words[COLUMN_WORDS] = {
	[COLUMN_NAME] = "name",         [COLUMN_PROVIDER] = "provider",
	[COLUMN_HOST] = "host",         [COLUMN_PORT] = "port",
	[COLUMN_SECURITY] = "security", [COLUMN_LOGIN] = "login",
	[COLUMN_SENDER] = "sender",     [COLUMN_STATE] = "state",
	[COLUMN_QUEUED] = "queued",     [COLUMN_DELIVERED] = "delivered",
	[COLUMN_ENABLED] = "enabled",   [COLUMN_DEFAULT] = "default",
	[COLUMN_MANAGED] = "managed",
};

static const struct column columns[COLUMNS] = {
	[COLUMN_NAME] = { "RELAY", 0 },
	[COLUMN_PROVIDER] = { "PROVIDER", 0 },
	[COLUMN_HOST] = { "HOST", COLUMN_SHRINKS },
	[COLUMN_PORT] = { "PORT", COLUMN_RIGHT },
	[COLUMN_SECURITY] = { "SECURITY", 0 },
	[COLUMN_LOGIN] = { "LOGIN", COLUMN_SHRINKS },
	[COLUMN_SENDER] = { "SENDER", COLUMN_SHRINKS },
	[COLUMN_STATE] = { "STATE", 0 },
	[COLUMN_QUEUED] = { "QUEUED", COLUMN_RIGHT },
	[COLUMN_DELIVERED] = { "24 H", COLUMN_RIGHT },
};

/* Other words, of the API and of YAML, for what a column shows. */
static const struct {
	enum relay_column column;
	const char *said, *shown;
} synonyms[] = {
	{ COLUMN_STATE, "closed", "works" }, { COLUMN_ENABLED, "true", "on" },
	{ COLUMN_ENABLED, "false", "off" },  { COLUMN_DEFAULT, "true", "on" },
	{ COLUMN_DEFAULT, "false", "off" },
};

static const char *const states[] = {
	"works", "closed", "open", "half-open", "held", "paused", "disabled",
};

/* One relay with its words, as they are shown and compared. */
struct row {
	const struct json *relay;
	char text[COLUMN_WORDS][WORD_SIZE];
	int64_t queued, delivered, port;
};

static enum relay_column sort_column;
static int sort_sign;

static int find_column(const char *word, size_t len);
static bool is_state(const char *word, size_t len);
static int check_options(const struct invocation *invocation);
static void fill(struct row *row, const struct json *relay);
static bool is_wanted(const struct invocation *invocation,
                      const struct row *row);
static int compare(const void *left, const void *right);
static void print(const struct invocation *invocation, const struct row *rows,
                  size_t count);

int command_relay_list(struct invocation *invocation)
{
	const struct json *relays;
	struct json *answer = NULL;
	struct row *rows;
	size_t count = 0, i;
	int r;

	r = check_options(invocation);
	if (r == EXIT_FINE)
		r = ask(invocation, "GET", "/v1/relays", NULL, &answer);
	if (r != EXIT_FINE)
		return r;
	relays = json_member(answer, "relays");
	rows = calloc(json_count(relays) + 1, sizeof(*rows));
	for (i = 0; rows && i < json_count(relays); i++) {
		fill(&rows[count], json_item(relays, i));
		if (is_wanted(invocation, &rows[count]))
			count++;
	}
	if (rows && invocation->values[OPTION_SORT])
		qsort(rows, count, sizeof(*rows), compare);
	if (rows)
		print(invocation, rows, count);
	free(rows);
	json_free(answer);
	return count > 0 || (invocation->operand_count == 0 &&
	                     !invocation->values[OPTION_FILTER])
	           ? EXIT_FINE
	           : EXIT_NOT_SO;
}

static int find_column(const char *word, size_t len)
{
	int i;

	for (i = 0; i < COLUMN_WORDS; i++)
		if (strlen(words[i]) == len &&
		    strncmp(words[i], word, len) == 0)
			return i;
	return -1;
}

static int refuse(const char *option, const char *word, size_t len)
{
	command_complain("--%s: there is no `%.*s`; expected name, provider, "
	                 "host, port, security, login, sender, state, queued, "
	                 "delivered, enabled, default or managed",
	                 option, (int)len, word);
	return EXIT_BAD_USAGE;
}

static bool is_word(const char *word, size_t len, const char *other)
{
	return strlen(other) == len && strncasecmp(word, other, len) == 0;
}

static bool is_state(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (is_word(word, len, states[i]))
			return true;
	return false;
}

static int check_filter(const char *filter)
{
	size_t len = strcspn(filter, "=,"), value_len;
	int column;

	if (filter[len] != '=') {
		command_complain("--filter: expected KEY=VALUE, not `%s`",
		                 filter);
		return EXIT_BAD_USAGE;
	}
	column = find_column(filter, len);
	if (column < 0)
		return refuse("filter", filter, len);
	filter += len + 1;
	value_len = strcspn(filter, ",");
	if (column != COLUMN_STATE || is_state(filter, value_len))
		return EXIT_FINE;
	command_complain("--filter: there is no state `%.*s`; expected works, "
	                 "open, half-open, held, paused or disabled",
	                 (int)value_len, filter);
	return EXIT_BAD_USAGE;
}

static int check_options(const struct invocation *invocation)
{
	const char *sort = invocation->values[OPTION_SORT];
	const char *filter = invocation->values[OPTION_FILTER];
	int column;

	sort_sign = sort && *sort == '-' ? -1 : 1;
	if (sort) {
		sort += *sort == '-';
		column = find_column(sort, strlen(sort));
		if (column < 0)
			return refuse("sort", sort, strlen(sort));
		sort_column = (enum relay_column)column;
	}
	while (filter && *filter) {
		int r = check_filter(filter);

		if (r != EXIT_FINE)
			return r;
		filter += strcspn(filter, ",");
		filter += *filter == ',';
	}
	return EXIT_FINE;
}

static void put(struct row *row, enum relay_column column, const char *text)
{
	snprintf(row->text[column], WORD_SIZE, "%s", text ? text : "");
}

static void fill(struct row *row, const struct json *relay)
{
	const char *authentication = json_text(relay, "authentication");
	const char *state = json_text(relay, "state");
	const char *host = json_text(relay, "host");
	char number[OUTPUT_WORDS_SIZE];

	row->relay = relay;
	row->port = json_number(relay, "port");
	row->queued = json_number(relay, "queued");
	row->delivered = json_number(relay, "delivered_24h");
	put(row, COLUMN_NAME, json_text(relay, "name"));
	put(row, COLUMN_PROVIDER, json_text(relay, "provider"));
	put(row, COLUMN_HOST, host ? host : json_text(relay, "url"));
	if (host)
		snprintf(row->text[COLUMN_PORT], WORD_SIZE, "%" PRId64,
		         row->port);
	if (host)
		put(row, COLUMN_SECURITY, json_text(relay, "security"));
	if (authentication && strcmp(authentication, "off") != 0)
		put(row, COLUMN_LOGIN, json_text(relay, "username"));
	put(row, COLUMN_SENDER,
	    json_text(json_member(relay, "from"), "address"));
	put(row, COLUMN_STATE,
	    !json_flag(relay, "enabled")            ? "disabled"
	    : state && strcmp(state, "closed") == 0 ? "works"
	                                            : state);
	output_number(row->queued, number);
	put(row, COLUMN_QUEUED, number);
	output_number(row->delivered, number);
	put(row, COLUMN_DELIVERED, number);
	put(row, COLUMN_ENABLED, json_flag(relay, "enabled") ? "on" : "off");
	put(row, COLUMN_DEFAULT, json_flag(relay, "default") ? "on" : "off");
	put(row, COLUMN_MANAGED, json_text(relay, "managed"));
}

/* Case doesn't count. */
static bool has_word(const struct row *row, const char *word)
{
	const char *description = json_text(row->relay, "description");
	int i;

	for (i = 0; i < COLUMNS; i++)
		if (strcasestr(row->text[i], word))
			return true;
	return description && strcasestr(description, word);
}

static bool has_value(const struct row *row, int column, const char *value,
                      size_t len)
{
	const char *text = row->text[column];
	size_t i;

	if (is_word(value, len, text))
		return true;
	for (i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++)
		if ((int)synonyms[i].column == column &&
		    is_word(value, len, synonyms[i].said))
			return strcmp(synonyms[i].shown, text) == 0;
	return false;
}

static bool is_wanted(const struct invocation *invocation,
                      const struct row *row)
{
	const char *filter = invocation->values[OPTION_FILTER];
	int i;

	for (i = 0; i < invocation->operand_count; i++)
		if (!has_word(row, invocation->operands[i]))
			return false;
	while (filter && *filter) {
		const char *value = strchr(filter, '=');
		int column = find_column(filter, (size_t)(value - filter));

		value++;
		if (!has_value(row, column, value, strcspn(value, ",")))
			return false;
		filter += strcspn(filter, ",");
		filter += *filter == ',';
	}
	return true;
}

static int compare_numbers(int64_t left, int64_t right)
{
	return left < right ? -1 : left > right;
}

static int compare(const void *left, const void *right)
{
	const struct row *a = left, *b = right;
	int order;

	if (sort_column == COLUMN_QUEUED)
		order = compare_numbers(a->queued, b->queued);
	else if (sort_column == COLUMN_DELIVERED)
		order = compare_numbers(a->delivered, b->delivered);
	else if (sort_column == COLUMN_PORT)
		order = compare_numbers(a->port, b->port);
	else
		order = strcasecmp(a->text[sort_column], b->text[sort_column]);
	if (order == 0)
		order = sort_sign *
		        strcasecmp(a->text[COLUMN_NAME], b->text[COLUMN_NAME]);
	return sort_sign * order;
}

static void print_row(const struct output *output, struct table *table,
                      const struct row *row)
{
	const char *managed = row->text[COLUMN_MANAGED];
	char line[1024];
	int i;

	table_format(table, STYLE_PLAIN, "%s%s",
	             strcmp(managed, "built-in") == 0 ? "(built-in)"
	                                              : row->text[COLUMN_NAME],
	             json_flag(row->relay, "default") ? " *" : "");
	for (i = COLUMN_NAME + 1; i < COLUMNS; i++)
		table_cell(table,
		           i == COLUMN_STATE
		               ? narrate_style(json_text(row->relay, "state"))
		               : STYLE_PLAIN,
		           row->text[i]);
	narrate_breaker(output, row->relay, line, sizeof(line));
	if (*line)
		table_note(table, line);
}

static void print(const struct invocation *invocation, const struct row *rows,
                  size_t count)
{
	struct table *table;
	size_t i;

	if (invocation->is_json) {
		for (i = 0; i < count; i++)
			command_print_json(invocation, rows[i].relay);
		return;
	}
	table = table_new(columns, COLUMNS);
	for (i = 0; table && i < count; i++)
		print_row(&invocation->output, table, &rows[i]);
	if (table)
		table_print(table, &invocation->output);
	table_free(table);
}
