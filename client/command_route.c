/*
 * command_route - relaisctl route explain
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "json.h"

static int make_target(const struct invocation *invocation, char **ret_target);
static void print_answer(const struct output *output,
                         const struct json *answer);
static void print_recipient(const struct output *output,
                            const struct json *answer,
                            const struct json *recipient);
static void print_rule(const struct output *output, const struct json *rule);
static void print_fact(const struct output *output, const char *name,
                       const char *text);

int command_route_explain(struct invocation *invocation)
{
	struct json *answer = NULL;
	char *target = NULL;
	int r;

	if (!invocation->values[OPTION_TO]) {
		command_complain("--to says whose mail is meant");
		return EXIT_BAD_USAGE;
	}
	r = make_target(invocation, &target);
	r = r < 0 ? ask_complain(invocation, r)
	          : ask(invocation, "GET", target, NULL, &answer);
	free(target);
	if (r != EXIT_FINE)
		return r;
	if (invocation->is_json)
		command_print_json(invocation, answer);
	else
		print_answer(&invocation->output, answer);
	if (json_text(answer, "needs_alias"))
		r = EXIT_NOT_SO;
	json_free(answer);
	return r;
}

static int make_target(const struct invocation *invocation, char **ret_target)
{
	static const struct {
		enum option option;
		const char *name;
	} queries[] = {
		{ OPTION_TO, "to" },
		{ OPTION_FROM, "from" },
		{ OPTION_USER, "user" },
		{ OPTION_TAG, "tag" },
		{ OPTION_PRIORITY, "priority" },
	};
	struct buffer target;
	size_t i;
	int r;

	buffer_init(&target, 0);
	r = buffer_append_string(&target, "/v1/routes:explain");
	for (i = 0; i < sizeof(queries) / sizeof(queries[0]) && r == 0; i++)
		r = ask_add_query(&target, queries[i].name,
		                  invocation->values[queries[i].option]);
	if (r == 0)
		r = buffer_take(&target, ret_target, NULL);
	buffer_done(&target);
	return r;
}

static void print_answer(const struct output *output, const struct json *answer)
{
	const struct json *recipients = json_member(answer, "recipients");
	const char *name = json_text(answer, "needs_alias");
	const char *file = json_text(answer, "aliases_file");
	size_t i;

	for (i = 0; i < json_count(recipients); i++)
		print_recipient(output, answer, json_item(recipients, i));
	if (!name)
		return;
	output_format(
	    output, STYLE_WARNING,
	    "%s means nothing elsewhere and has no alias: add the line "
	    "`%s: you@example.com` to %s, then relaisctl reload",
	    name, name, file ? file : "/etc/aliases");
	fputc('\n', output->file);
}

static void print_recipient(const struct output *output,
                            const struct json *answer,
                            const struct json *recipient)
{
	const struct json *identity = json_member(recipient, "identity");
	const struct json *fallback = json_member(recipient, "fallback");
	const struct json *rule = json_member(recipient, "priority_rule");
	const char *because = json_text(identity, "because");
	size_t i;

	output_format(output, STYLE_BOLD, "%s goes to %s",
	              json_text(recipient, "address"),
	              json_text(recipient, "relay"));
	fputc('\n', output->file);
	print_rule(output, json_member(recipient, "rule"));
	if (json_text(recipient, "instead_of"))
		print_fact(output, "instead of",
		           json_text(recipient, "instead_of"));
	print_fact(output, "now by", json_text(recipient, "carried_by"));
	for (i = 0; i < json_count(fallback); i++)
		print_fact(output, i == 0 ? "fallback" : "",
		           json_item_text(fallback, i));
	print_fact(output, "priority", json_text(recipient, "priority"));
	if (json_member(rule, "number"))
		print_rule(output, rule);
	print_fact(output, "sender",
	           *json_text(identity, "sender")
	               ? json_text(identity, "sender")
	               : "<>");
	if (because) {
		print_fact(output, "instead of", json_text(answer, "from"));
		print_fact(output, "because", because);
	}
	print_fact(output, "replies", json_text(identity, "reply_to"));
	print_fact(output, "held", json_text(recipient, "held"));
	print_fact(output, "redirected to",
	           json_text(recipient, "redirected_to"));
	print_fact(output, "refused", json_text(recipient, "refused"));
}

/* "rule 2 of routes: from *@example.com", or that none fits. */
static void print_rule(const struct output *output, const struct json *rule)
{
	static const char *const texts[] = { "from", "to", "tag",
		                             "if_priority" };
	static const char *const numbers[] = { "uid", "gid" };
	char words[1024];
	size_t len, i;

	if (!json_member(rule, "number")) {
		print_fact(output, "by", "no rule: it is the default relay");
		return;
	}
	len =
	    (size_t)snprintf(words, sizeof(words), "rule %" PRId64 " of routes",
	                     json_number(rule, "number"));
	for (i = 0; i < 4 && len < sizeof(words); i++)
		if (json_text(rule, texts[i]))
			len += (size_t)snprintf(
			    words + len, sizeof(words) - len, ", %s %s",
			    texts[i], json_text(rule, texts[i]));
	for (i = 0; i < 2 && len < sizeof(words); i++)
		if (json_member(rule, numbers[i]))
			len += (size_t)snprintf(
			    words + len, sizeof(words) - len, ", %s %" PRId64,
			    numbers[i], json_number(rule, numbers[i]));
	print_fact(output, "by", words);
}

static void print_fact(const struct output *output, const char *name,
                       const char *text)
{
	if (!text)
		return;
	fprintf(output->file, "  %-15s", name);
	output_text(output, STYLE_PLAIN, text);
	fputc('\n', output->file);
}
