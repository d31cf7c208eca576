/*
 * command_providers - relaisctl providers
 */
#include "config.h"

#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "json.h"
#include "relay_discovery.h"

static bool is_wanted(const struct invocation *invocation,
                      const struct json *provider);
static void add_provider(struct table *table, const struct json *provider);
static void describe(const struct output *output, const struct json *provider);
static int discover(struct invocation *invocation, const char *address);

int command_providers(struct invocation *invocation)
{
	static const struct column columns[] = {
		{ "ID", 0 },
		{ "NAME", COLUMN_SHRINKS },
		{ "HOST", 0 },
		{ "PORT", COLUMN_RIGHT },
		{ "SECURITY", 0 },
		{ "LOGIN", COLUMN_SHRINKS },
		{ "RATES", COLUMN_SHRINKS },
		{ "MIB", COLUMN_RIGHT },
	};
	const struct json *providers, *last = NULL;
	struct json *answer = NULL;
	struct table *table;
	size_t count = 0, i;
	int r;

	if (invocation->operand_count == 1 &&
	    strchr(invocation->operands[0], '@'))
		return discover(invocation, invocation->operands[0]);
	r = ask(invocation, "GET", "/v1/providers", NULL, &answer);
	if (r != EXIT_FINE)
		return r;
	providers = json_member(answer, "providers");
	table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	for (i = 0; table && i < json_count(providers); i++) {
		const struct json *provider = json_item(providers, i);

		if (!is_wanted(invocation, provider))
			continue;
		count++;
		last = provider;
		if (invocation->is_json)
			command_print_json(invocation, provider);
		else
			add_provider(table, provider);
	}
	if (table && count > 0 && !invocation->is_json)
		table_print(table, &invocation->output);
	if (count == 1 && !invocation->is_json)
		describe(&invocation->output, last);
	table_free(table);
	json_free(answer);
	return count > 0 ? EXIT_FINE : EXIT_NOT_SO;
}

static bool is_wanted(const struct invocation *invocation,
                      const struct json *provider)
{
	static const char *const members[] = { "id", "name", "kind", "domains",
		                               "host" };
	int operand;
	size_t i;

	for (operand = 0; operand < invocation->operand_count; operand++) {
		bool is_found = false;

		for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
			const char *text = json_text(provider, members[i]);

			is_found |=
			    text &&
			    strcasestr(text, invocation->operands[operand]);
		}
		if (!is_found)
			return false;
	}
	return true;
}

static void add_provider(struct table *table, const struct json *provider)
{
	static const char *const members[] = { "id", "name", "host" };
	const struct json *limits = json_member(provider, "limits");
	int64_t mib = json_number(limits, "size_mib");
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		table_cell(table, STYLE_PLAIN, json_text(provider, members[i]));
	table_format(table, STYLE_PLAIN, "%" PRId64,
	             json_number(provider, "port"));
	table_cell(table, STYLE_PLAIN, json_text(provider, "security"));
	table_cell(table, STYLE_PLAIN, json_text(provider, "authentication"));
	table_cell(table, STYLE_PLAIN, json_text(limits, "rates"));
	if (mib > 0)
		table_format(table, STYLE_PLAIN, "%" PRId64, mib);
	else
		table_cell(table, STYLE_PLAIN, "");
}

/* Of one alone: what people stumble over. */
static void describe(const struct output *output, const struct json *provider)
{
	static const char *const members[] = { "hint", "quirk" };
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (!json_text(provider, members[i]))
			continue;
		fputc('\n', output->file);
		output_text(output, STYLE_PLAIN,
		            json_text(provider, members[i]));
		fputc('\n', output->file);
	}
}

/* Where the mail of an address goes out. */
static int discover(struct invocation *invocation, const char *address)
{
	const struct output *output = &invocation->output;
	const struct json *provider;
	struct json *found;
	int r;

	r = relay_discover(invocation, address, &found);
	if (r != EXIT_FINE)
		return r;
	provider = json_member(found, "provider");
	if (invocation->is_json) {
		command_print_json(invocation, found);
	} else {
		relay_discovery_print(output, found);
		if (provider)
			describe(output, provider);
	}
	json_free(found);
	return EXIT_FINE;
}
