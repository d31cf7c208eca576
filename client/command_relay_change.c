/*
 * command_relay_change - relaisctl relay add, set, remove, enable, disable and
 * default
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "json.h"
#include "question.h"
#include "relay_order.h"
#include "relay_questions.h"

static int send_relay(struct invocation *invocation, const char *method,
                      const char *name, struct json *order);
static int each_relay(struct invocation *invocation, const char *action,
                      const char *done);
static int ask_about(struct invocation *invocation, const char *method,
                     const char *name, const char *action,
                     struct json **ret_answer);
static void print_change(const struct invocation *invocation,
                         const struct json *relay, const char *done);
static int make_default(struct invocation *invocation, const char *name);
static bool is_unsaid(const struct invocation *invocation,
                      const struct json *order);
static int ask_for_all(const struct invocation *invocation, struct json *order,
                       const struct json *current);
static int ask_what_changes(struct invocation *invocation, const char *name,
                            struct json *order);

int command_relay_add(struct invocation *invocation)
{
	const char *name =
	    invocation->operand_count > 0 ? invocation->operands[0] : NULL;
	struct json *order;
	bool needs_password;
	int r;

	if (!name || strchr(name, '=')) {
		command_complain("which name shall the relay have? "
		                 "relaisctl relay add NAME …");
		return EXIT_BAD_USAGE;
	}
	order = json_make();
	if (!order)
		return ask_complain(invocation, -ENOMEM);
	r = relay_order_read(invocation, 1, order);
	if (r == EXIT_FINE && is_unsaid(invocation, order))
		r = ask_for_all(invocation, order, NULL);
	needs_password =
	    json_text(order, "username") && !json_member(order, "password") &&
	    !json_member(order, "password_file") &&
	    !json_member(order, "oauth") && !json_member(order, "credential") &&
	    question_is_possible();
	if (r == EXIT_FINE && !json_has(order, "password"))
		r = relay_order_read_password(invocation, order,
		                              needs_password);
	if (r == EXIT_FINE)
		r = send_relay(invocation, "POST", name, order);
	json_free(order);
	if (r == EXIT_FINE && invocation->values[OPTION_DEFAULT])
		r = make_default(invocation, name);
	return r;
}

int command_relay_set(struct invocation *invocation)
{
	const char *name = invocation->operands[0];
	bool is_given = relay_order_is_given(invocation, 1);
	struct json *order;
	int r;

	if (!is_given && !question_is_possible()) {
		command_complain("what is to change? KEY=VALUE, or an option; "
		                 "see relaisctl relay set --help");
		return EXIT_BAD_USAGE;
	}
	order = json_make();
	if (!order)
		return ask_complain(invocation, -ENOMEM);
	r = is_given ? relay_order_read(invocation, 1, order)
	             : ask_what_changes(invocation, name, order);
	if (r == EXIT_FINE && is_given)
		r = relay_order_read_password(invocation, order, false);
	if (r == EXIT_FINE &&
	    (invocation->values[OPTION_YAML] || !json_is_empty(order)))
		r = send_relay(invocation, "PUT", name, order);
	else if (r == EXIT_FINE)
		fputs("Nothing is changed.\n", stderr);
	json_free(order);
	return r;
}

/* ---------------------------------------------------------------- questions */

/* Doesn't it say yet where the relay is, and can a person be asked? */
static bool is_unsaid(const struct invocation *invocation,
                      const struct json *order)
{
	return question_is_possible() && !invocation->values[OPTION_YAML] &&
	       !json_has(order, "url") && !json_has(order, "host") &&
	       !json_has(order, "provider");
}

static int ask_for_all(const struct invocation *invocation, struct json *order,
                       const struct json *current)
{
	struct relay_questions questions = {
		.invocation = invocation,
		.order = order,
		.current = current,
	};
	int r;

	r = relay_order_read_password(invocation, order, false);
	if (r == EXIT_FINE)
		r = relay_questions_ask(&questions);
	relay_questions_done(&questions);
	return r;
}

static int ask_what_changes(struct invocation *invocation, const char *name,
                            struct json *order)
{
	struct json *relay = NULL;
	const char *file;
	int r;

	r = ask_about(invocation, "GET", name, "", &relay);
	if (r != EXIT_FINE)
		return r;
	file = json_text(relay, "file");
	if (strcmp(json_text(relay, "managed") ? json_text(relay, "managed")
	                                       : "",
	           "api") != 0) {
		command_complain("relay %s is set in %s: change it there", name,
		                 file ? file : "the program itself");
		r = EXIT_NOT_SO;
	} else {
		r = ask_for_all(invocation, order, relay);
	}
	json_free(relay);
	return r;
}

/* ------------------------------------------------------------------ orders */

static int send_relay(struct invocation *invocation, const char *method,
                      const char *name, struct json *order)
{
	bool is_new = strcmp(method, "POST") == 0;
	struct json *relay = NULL;
	struct ask_text body;
	struct buffer target;
	char *text = NULL, *path = NULL;
	int r;

	r = relay_order_text(invocation, order, &body, &text);
	if (r != EXIT_FINE)
		return r;
	buffer_init(&target, 0);
	r = command_add_segment(
	    &target, is_new ? "/v1/relays?name=" : "/v1/relays/", name, "");
	if (r == 0)
		r = buffer_take(&target, &path, NULL);
	buffer_done(&target);
	r = r < 0 ? ask_complain(invocation, r)
	          : ask_with(invocation, method, path, &body, &relay);
	free(path);
	question_wipe(text);
	if (r == EXIT_FINE)
		print_change(invocation, relay,
		             is_new ? "is there now" : "is changed");
	if (r == EXIT_FINE && is_new && question_is_possible())
		fprintf(stderr, "Try it: relaisctl relay test %s\n", name);
	json_free(relay);
	return r;
}

static void print_change(const struct invocation *invocation,
                         const struct json *relay, const char *done)
{
	const struct output *output = &invocation->output;
	const struct json *warnings = json_member(relay, "warnings");
	size_t i;

	if (invocation->is_json) {
		command_print_json(invocation, relay);
		return;
	}
	output_format(output, STYLE_PLAIN, "Relay %s %s%s.",
	              json_text(relay, "name") ? json_text(relay, "name") : "?",
	              done, json_flag(relay, "default") ? ", the default" : "");
	fputc('\n', output->file);
	for (i = 0; i < json_count(warnings); i++) {
		output_text(output, STYLE_WARNING, json_item_text(warnings, i));
		fputc('\n', output->file);
	}
}

int command_relay_remove(struct invocation *invocation)
{
	const char *name = invocation->operands[0];
	const char *heir = invocation->values[OPTION_MOVE_TO];
	struct json *answer = NULL;
	struct buffer target;
	char *path = NULL;
	int r;

	if (!invocation->values[OPTION_YES] && question_is_possible()) {
		fprintf(stderr, "Relay %s and its password will be gone. ",
		        name);
		if (!question_is_yes("Remove it?", false))
			return EXIT_NOT_SO;
	}
	buffer_init(&target, 0);
	r = command_add_segment(&target, "/v1/relays/", name, "");
	if (r == 0)
		r = ask_add_query(&target, "move_to", heir);
	if (r == 0)
		r = buffer_take(&target, &path, NULL);
	buffer_done(&target);
	r = r < 0 ? ask_complain(invocation, r)
	          : ask(invocation, "DELETE", path, NULL, &answer);
	free(path);
	if (r == EXIT_FINE && invocation->is_json)
		command_print_json(invocation, answer);
	else if (r == EXIT_FINE)
		fprintf(invocation->output.file, "Relay %s is removed%s%s.\n",
		        name, heir ? "; its mail goes through " : "",
		        heir ? heir : "");
	json_free(answer);
	return r;
}

int command_relay_enable(struct invocation *invocation)
{
	return each_relay(invocation, "/enable", "is enabled");
}

int command_relay_disable(struct invocation *invocation)
{
	return each_relay(invocation, "/disable", "is disabled");
}

int command_relay_default(struct invocation *invocation)
{
	return each_relay(invocation, "/default", "is used from now on");
}

static int make_default(struct invocation *invocation, const char *name)
{
	struct json *relay = NULL;
	int r = ask_about(invocation, "POST", name, "/default", &relay);

	if (r == EXIT_FINE && !invocation->is_json)
		print_change(invocation, relay, "is used from now on");
	json_free(relay);
	return r;
}

static int each_relay(struct invocation *invocation, const char *action,
                      const char *done)
{
	int worst = EXIT_FINE;
	int i;

	for (i = 0; i < invocation->operand_count; i++) {
		struct json *relay = NULL;
		int r = ask_about(invocation, "POST", invocation->operands[i],
		                  action, &relay);

		if (r == EXIT_FINE)
			print_change(invocation, relay, done);
		else if (r > worst)
			worst = r;
		json_free(relay);
	}
	return worst;
}

static int ask_about(struct invocation *invocation, const char *method,
                     const char *name, const char *action,
                     struct json **ret_answer)
{
	struct buffer target;
	char *path = NULL;
	int r;

	buffer_init(&target, 0);
	r = command_add_segment(&target, "/v1/relays/", name, action);
	if (r == 0)
		r = buffer_take(&target, &path, NULL);
	buffer_done(&target);
	r = r < 0 ? ask_complain(invocation, r)
	          : ask(invocation, method, path, NULL, ret_answer);
	free(path);
	return r;
}
