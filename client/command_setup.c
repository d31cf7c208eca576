/*
 * command_setup - relaisctl setup: from nothing to a first mail
 *
 * Asks where mail goes out and where mail to root goes, tries it, and saves
 * only what was tried and agreed to. It can be run again at any time.
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "first_mail.h"
#include "json.h"
#include "question.h"
#include "relay_order.h"
#include "relay_questions.h"
#include "relay_test_view.h"
#include "setup_root.h"

#define USUAL_NAME "main"

struct setup {
	struct invocation *invocation;
	const char *name;           /* of the relay */
	struct json *list;          /* the relays as they are */
	const struct json *current; /* this one of them; NULL: it is new */
	bool is_ours;               /* not set in a file: it may be changed */
	bool may_ask;
	struct json *order;
	struct relay_questions questions;
	struct setup_root root;
};

static int begin(struct setup *setup);
static int choose_relay(struct setup *setup);
static int read_order(struct setup *setup);
static int try_until_good(struct setup *setup);
static int try_once(struct setup *setup, char **ret_next);
static int change_after(struct setup *setup, char *next, bool *ret_is_over);
static int agree(struct setup *setup);
static int save(struct setup *setup);
static int send_mail(struct setup *setup, struct json **ret_message);
static void report(const struct setup *setup, const struct json *message);

int command_setup(struct invocation *invocation)
{
	struct setup setup = { .invocation = invocation };
	struct json *message = NULL;
	int r;

	r = begin(&setup);
	if (r == EXIT_FINE)
		r = choose_relay(&setup);
	if (r == EXIT_FINE && setup.is_ours)
		r = read_order(&setup);
	if (r == EXIT_FINE)
		r = setup_root_ask(&setup.root, setup.questions.address);
	if (r == EXIT_FINE)
		r = try_until_good(&setup);
	if (r == EXIT_FINE)
		r = agree(&setup);
	if (r == EXIT_FINE)
		r = save(&setup);
	if (r == EXIT_FINE)
		r = setup_root_write(&setup.root);
	if (r == EXIT_FINE) {
		r = send_mail(&setup, &message);
		report(&setup, message);
	}
	json_free(message);
	relay_questions_done(&setup.questions);
	setup_root_done(&setup.root);
	json_free(setup.order);
	json_free(setup.list);
	return r;
}

static int begin(struct setup *setup)
{
	struct invocation *invocation = setup->invocation;

	setup->may_ask =
	    question_is_possible() && !invocation->values[OPTION_YES];
	setup->root.invocation = invocation;
	setup->root.may_ask = setup->may_ask;
	if (!setup->may_ask && !invocation->values[OPTION_YES]) {
		command_complain("there is no terminal to ask at: say all by "
		                 "options, and --yes");
		fputs("  relaisctl setup --yes --address you@example.com "
		      "--username you@example.com \\\n"
		      "      --password-file FILE --root you@example.com\n"
		      "  or with --provider, or --host, --port and --security; "
		      "see relaisctl setup --help\n",
		      stderr);
		return EXIT_BAD_USAGE;
	}
	setup->order = json_make();
	if (!setup->order)
		return ask_complain(invocation, -ENOMEM);
	setup->questions = (struct relay_questions){
		.invocation = invocation,
		.order = setup->order,
		.is_whole = true,
	};
	return EXIT_FINE;
}

/* ---------------------------------------------------------------- the relay */

/* The one that is named; else the default, unless it is the built-in one. */
static const struct json *find_relay(const struct setup *setup,
                                     const char *name)
{
	const struct json *relays = json_member(setup->list, "relays");
	size_t i;

	for (i = 0; i < json_count(relays); i++) {
		const struct json *relay = json_item(relays, i);
		const char *other = json_text(relay, "name");
		const char *managed = json_text(relay, "managed");

		if (!other || (managed && strcmp(managed, "built-in") == 0))
			continue;
		if (name ? strcmp(other, name) == 0
		         : json_flag(relay, "default"))
			return relay;
	}
	return NULL;
}

static int choose_relay(struct setup *setup)
{
	struct invocation *invocation = setup->invocation;
	const char *name = relay_order_first_key(invocation) > 0
	                       ? invocation->operands[0]
	                       : NULL;
	const char *managed;
	int r;

	r = ask(invocation, "GET", "/v1/relays", NULL, &setup->list);
	if (r != EXIT_FINE)
		return r;
	setup->current = find_relay(setup, name);
	managed = json_text(setup->current, "managed");
	setup->is_ours = !managed || strcmp(managed, "api") == 0;
	setup->name = name ? name : USUAL_NAME;
	if (setup->current)
		setup->name = json_text(setup->current, "name");
	if (setup->is_ours) {
		setup->questions.current = setup->current;
		return EXIT_FINE;
	}
	if (relay_order_is_given(invocation,
	                         relay_order_first_key(invocation)) ||
	    invocation->values[OPTION_ADDRESS]) {
		command_complain("relay %s is set in %s: change it there, or "
		                 "name another: relaisctl setup NAME",
		                 setup->name,
		                 json_text(setup->current, "file"));
		return EXIT_NOT_SO;
	}
	fprintf(stderr, "Relay %s is set in %s, so it is only tried.\n",
	        setup->name, json_text(setup->current, "file"));
	return EXIT_FINE;
}

static bool has_place(const struct json *order)
{
	return json_has(order, "provider") || json_has(order, "host") ||
	       json_has(order, "url");
}

/* The options, and what they leave open. */
static int read_order(struct setup *setup)
{
	struct invocation *invocation = setup->invocation;
	struct relay_questions *questions = &setup->questions;
	const char *address = invocation->values[OPTION_ADDRESS];
	int r;

	r = relay_order_read(invocation, relay_order_first_key(invocation),
	                     setup->order);
	if (r == EXIT_FINE)
		r = relay_order_read_password(invocation, setup->order, false);
	if (r == EXIT_FINE)
		r = relay_questions_find_provider(questions);
	if (r == EXIT_FINE && address && !has_place(setup->order))
		r = relay_questions_take_place(questions, address,
		                               setup->may_ask);
	else if (address)
		questions->address = strdup(address);
	if (r != EXIT_FINE && !(r == EXIT_NOT_SO && setup->may_ask))
		return r;
	if (setup->may_ask) {
		if (!setup->current)
			fputs("Where does mail of this host go out? Nothing is "
			      "saved before you have said yes.\n",
			      stderr);
		return relay_questions_ask(questions);
	}
	if (!has_place(setup->order) && !setup->current) {
		command_complain("where does mail go out? --address, "
		                 "--provider or --host");
		return EXIT_BAD_USAGE;
	}
	relay_questions_put_usual(questions);
	return EXIT_FINE;
}

/* ---------------------------------------------------------------- the trial */

static int try_until_good(struct setup *setup)
{
	char *next = NULL;
	bool is_over = false;
	int r;

	for (;;) {
		fputs("Trying it:\n", stderr);
		r = try_once(setup, &next);
		if (r != EXIT_NOT_SO)
			break;
		r = change_after(setup, next, &is_over);
		free(next);
		next = NULL;
		if (r != EXIT_FINE || is_over)
			break;
	}
	free(next);
	return r;
}

/*
 * As it would be; as it is, where a password stays that only relaisd knows:
 * then what it is for stays, too.
 */
static int try_once(struct setup *setup, char **ret_next)
{
	const struct invocation *invocation = setup->invocation;
	bool is_saved =
	    setup->current &&
	    (!setup->is_ours ||
	     (!json_has(setup->order, "password") &&
	      !json_has(setup->order, "credential") &&
	      json_flag(json_member(setup->current, "password"), "set")));
	struct ask_text body = { .text = NULL };
	char *target = NULL, *text = NULL;
	struct buffer path;
	int r;

	buffer_init(&path, 0);
	r = is_saved ? command_add_segment(&path, "/v1/relays/", setup->name,
	                                   "/test")
	             : command_add_segment(
			   &path, "/v1/relays:test?name=", setup->name, "");
	if (r == 0)
		r = buffer_take(&path, &target, NULL);
	buffer_done(&path);
	if (r < 0)
		return ask_complain(invocation, r);
	r = is_saved ? EXIT_FINE
	             : relay_order_text(invocation, setup->order, &body, &text);
	if (r == EXIT_FINE)
		r = relay_test_view(invocation, target, is_saved ? NULL : &body,
		                    ret_next);
	free(target);
	question_wipe(text);
	return r;
}

/* "security=tls port=465", in place. */
static void take_settings(struct json *order, char *words)
{
	char *rest = NULL, *word;

	for (word = strtok_r(words, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest)) {
		char *equals = strchr(word, '=');

		if (!equals)
			continue;
		*equals = '\0';
		relay_order_put(order, word, equals + 1);
	}
}

/* It does not work. What works instead, other answers, or the end. */
static int change_after(struct setup *setup, char *next, bool *ret_is_over)
{
	static const char *const asked[] = {
		"provider", "url",      "host", "port",        "security",
		"username", "password", "from", "allowed_from"
	};
	size_t i;

	if (!setup->may_ask || !setup->is_ours) {
		command_complain("nothing was saved");
		return EXIT_NOT_SO;
	}
	if (next && question_is_yes("Use what works?", true)) {
		take_settings(setup->order, next);
		return EXIT_FINE;
	}
	if (question_is_yes("Answer the questions again?", true)) {
		for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
			json_remove(setup->order, asked[i]);
		relay_questions_done(&setup->questions);
		return relay_questions_ask(&setup->questions);
	}
	*ret_is_over = question_is_yes("Save it all the same?", false);
	if (*ret_is_over)
		return EXIT_FINE;
	fputs("Nothing was saved.\n", stderr);
	return EXIT_NOT_SO;
}

/* ------------------------------------------------------------------ the end */

static int agree(struct setup *setup)
{
	if (!setup->may_ask)
		return EXIT_FINE;
	if (setup->is_ours)
		fprintf(stderr, "Relay %s will %s, the default.\n", setup->name,
		        setup->current ? "be changed" : "be made");
	setup_root_announce(&setup->root);
	if (!setup->is_ours && !setup_root_is_to_write(&setup->root))
		return EXIT_FINE;
	if (question_is_yes("Is that right?", true))
		return EXIT_FINE;
	fputs("Nothing was saved.\n", stderr);
	return EXIT_NOT_SO;
}

static int send_order(struct setup *setup, const char *method,
                      const char *before, const char *after,
                      const struct ask_text *body)
{
	struct json *answer = NULL;
	char *target = NULL;
	struct buffer path;
	int r;

	buffer_init(&path, 0);
	r = command_add_segment(&path, before, setup->name, after);
	if (r == 0)
		r = buffer_take(&path, &target, NULL);
	buffer_done(&path);
	r = r < 0 ? ask_complain(setup->invocation, r)
	          : ask_with(setup->invocation, method, target, body, &answer);
	free(target);
	json_free(answer);
	return r;
}

static int save(struct setup *setup)
{
	struct ask_text body = { .text = NULL };
	char *text = NULL;
	int r;

	if (!setup->is_ours)
		return EXIT_FINE;
	r = relay_order_text(setup->invocation, setup->order, &body, &text);
	if (r != EXIT_FINE)
		return r;
	r = setup->current
	        ? send_order(setup, "PUT", "/v1/relays/", "", &body)
	        : send_order(setup, "POST", "/v1/relays?name=", "", &body);
	question_wipe(text);
	if (r == EXIT_FINE && !json_flag(setup->current, "default"))
		r = send_order(setup, "POST", "/v1/relays/", "/default", NULL);
	return r;
}

/* To root where that leads somewhere, so that this is tried, too. */
static int send_mail(struct setup *setup, struct json **ret_message)
{
	const char *to = setup->invocation->values[OPTION_TO];
	const char *address = setup->questions.address;

	if (!to)
		to = setup_root_recipient(&setup->root);
	if (!to)
		to = address;
	if (!to) {
		fputs("No first mail was sent: --to ADDRESS says where to.\n",
		      stderr);
		return EXIT_FINE;
	}
	return first_mail_send(setup->invocation, to, ret_message);
}

static void report(const struct setup *setup, const struct json *message)
{
	const struct output *output = &setup->invocation->output;
	const char *state = json_text(message, "state");
	struct json *json;

	if (setup->invocation->is_json) {
		json = json_make();
		json_put_text(json, "relay", setup->name);
		json_put_text(json, "root",
		              setup->root.address ? setup->root.address : "");
		json_put_text(
		    json, "message",
		    json_text(message, "id") ? json_text(message, "id") : "");
		json_put_text(json, "state", state ? state : "");
		command_print_json(setup->invocation, json);
		json_free(json);
		return;
	}
	output_format(output, STYLE_PLAIN, "Relay %s is the default.",
	              setup->name);
	fputc('\n', output->file);
	if (state && strcmp(state, "delivered") == 0) {
		output_format(
		    output, STYLE_GOOD,
		    "The first mail, %s, was accepted by the relay: look for "
		    "it at %s.",
		    json_text(message, "id"),
		    json_text(json_item(json_member(message, "recipients"), 0),
		              "address"));
		fputc('\n', output->file);
	}
}
