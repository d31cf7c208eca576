#include "config.h"

#include "settings_hints.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/xalloc.h"
#include "settings_table.h"

#define AT(phase)    (1u << PHASE_##phase)
#define CONTENT      (AT(MAIL) | AT(DATA) | AT(BODY) | AT(DOT))
#define ANYWHERE     (~0u)
#define PAUSE_S      3600
#define RULES_A_HINT 2

static void check(struct settings_reader *reader,
                  const struct settings_node *item, struct hint_rule *hint);
static void add_rules(struct verdict_rule *rules, size_t *count,
                      const struct hint_rule *hint);

static void read_hints(struct settings_reader *reader,
                       const struct settings_key *key,
                       const struct settings_node *node, void *field)
{
	struct settings *settings = &reader->main->settings;
	const struct settings_node *item;
	size_t index = 0;

	(void)field;
	if (!settings_reader_is_list(reader, key, node, "a list of hints"))
		return;
	for (item = node->first; item; item = item->next) {
		struct hint_rule *hint;
		char *name;
		size_t len;

		settings->hints =
		    xrealloc(settings->hints, (settings->hint_count + 1) *
		                                  sizeof(*settings->hints));
		hint = &settings->hints[settings->hint_count++];
		memset(hint, 0, sizeof(*hint));
		name = xasprintf("%s[%zu].", key->path, ++index);
		len = settings_reader_enter(reader, name);
		free(name);
		settings_reader_read(reader, settings_keys_hint, item, hint);
		check(reader, item, hint);
		settings_reader_leave(reader, len);
	}
}

const struct settings_type settings_type_hints = { "list of maps", read_hints };

static void check(struct settings_reader *reader,
                  const struct settings_node *item, struct hint_rule *hint)
{
	char *c;

	if (item->kind != SETTINGS_NODE_MAPPING)
		return;
	if (!hint->code && !hint->enhanced && !hint->text)
		settings_reader_error(
		    reader, NULL, item,
		    "fits every reply; expected code, enhanced or text");
	if (!settings_node_find(item, "treat_as") && !hint->explain)
		settings_reader_error(
		    reader, NULL, item,
		    "says nothing; expected treat_as or explain");
	if (hint->code && !verdict_codes_are_valid(hint->code))
		settings_reader_error(
		    reader, NULL, settings_node_find(item, "code"),
		    "expected a code as in 550, 45x or 45x|552");
	if (hint->enhanced && !verdict_enhanced_are_valid(hint->enhanced))
		settings_reader_error(
		    reader, NULL, settings_node_find(item, "enhanced"),
		    "expected an enhanced code as in 5.7.1 or x.7.1");
	for (c = hint->text; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
}

void settings_hints_complete(struct settings *settings)
{
	size_t i, j;

	for (i = 0; i < settings->relay_count && settings->hint_count > 0;
	     i++) {
		struct relay_settings *relay = &settings->relays[i];
		struct verdict_rule *rules = xcalloc(
		    RULES_A_HINT * settings->hint_count, sizeof(*rules));
		size_t count = 0;

		for (j = 0; j < settings->hint_count; j++) {
			const struct hint_rule *hint = &settings->hints[j];

			if (hint->relay == 0 || hint->relay == relay->id)
				add_rules(rules, &count, hint);
		}
		relay->rules.rules = rules;
		relay->rules.count = count;
	}
}

/* Before MAIL nothing is ever the message's fault. */
static void add_rules(struct verdict_rule *rules, size_t *count,
                      const struct hint_rule *hint)
{
	struct verdict_rule rule = {
		.phases = ANYWHERE,
		.codes = hint->code ? hint->code : "4xx|5xx",
		.enhanced = hint->enhanced,
		.text = hint->text,
		.class = VERDICT_TEMPORARY,
		.scope = SCOPE_RELAY,
		.fault = FAULT_NONE,
		.retry_after_s = hint->after_s,
	};

	switch (hint->treat_as) {
	case HINT_AS_IT_IS:
		return;
	case HINT_RETRY:
	case HINT_BOUNCE:
		if (hint->treat_as == HINT_BOUNCE)
			rule.class = VERDICT_PERMANENT;
		rule.phases = AT(RCPT);
		rule.scope = SCOPE_RECIPIENT;
		rules[(*count)++] = rule;
		rule.phases = CONTENT;
		rule.scope = SCOPE_MESSAGE;
		break;
	case HINT_HOLD_RELAY:
		rule.fault = FAULT_CONFIG;
		break;
	case HINT_PAUSE_RELAY:
		rule.fault = FAULT_QUOTA;
		if (rule.retry_after_s == 0)
			rule.retry_after_s = PAUSE_S;
		break;
	case HINT_SLOW_DOWN:
		rule.fault = FAULT_RATE;
		break;
	case HINT_FEWER_CONNECTIONS:
		rule.fault = FAULT_CONCURRENCY;
		break;
	}
	rules[(*count)++] = rule;
}

void hint_rule_done(struct hint_rule *hint)
{
	free(hint->code);
	free(hint->enhanced);
	free(hint->text);
	free(hint->explain);
	free(hint->next);
}
