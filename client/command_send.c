/*
 * command_send - relaisctl send: write a mail and hand it over
 *
 * relaisd writes it, like any that comes as JSON: here the options become
 * members, and files become parts of the form they travel in.
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "clock.h"
#include "json.h"
#include "mail_form.h"
#include "person.h"

/* Longer than any wait for an outcome */
#define SILENCE_S 400

/* Options that are members of the same meaning, and may come again. */
static const struct {
	enum option option;
	const char *member;
} lists[] = {
	{ OPTION_TO, "to" },
	{ OPTION_CC, "cc" },
	{ OPTION_BCC, "bcc" },
};

static const struct {
	enum option option;
	const char *member;
} texts[] = {
	{ OPTION_REPLY_TO, "reply_to" }, { OPTION_SUBJECT, "subject" },
	{ OPTION_KEY, "key" },           { OPTION_TAG, "tag" },
	{ OPTION_META, "meta" },         { OPTION_RELAY, "relay" },
	{ OPTION_PRIORITY, "priority" }, { OPTION_WAIT, "wait" },
	{ OPTION_HOLD_FOR, "hold_for" }, { OPTION_DEADLINE, "deadline" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int check(const struct invocation *invocation);
static void put_envelope(const struct invocation *invocation,
                         struct json *mail);
static int put_headers(const struct invocation *invocation, struct json *mail);
static int put_words(const struct invocation *invocation, struct json *mail);
static int hand_over(const struct invocation *invocation,
                     const struct json *mail, struct json **ret_answer);
static int report(const struct invocation *invocation,
                  const struct json *answer);

int command_send(struct invocation *invocation)
{
	struct json *mail = json_make();
	struct json *answer = NULL;
	int r;

	if (!mail)
		return ask_complain(invocation, -ENOMEM);
	r = check(invocation);
	if (r == EXIT_FINE) {
		put_envelope(invocation, mail);
		r = put_headers(invocation, mail);
	}
	if (r == EXIT_FINE)
		r = put_words(invocation, mail);
	if (r == EXIT_FINE)
		r = hand_over(invocation, mail, &answer);
	if (r == EXIT_FINE)
		r = report(invocation, answer);
	json_free(answer);
	json_free(mail);
	return r;
}

static int complain_about_both(enum option one, enum option other)
{
	command_complain("--%s and --%s exclude each other",
	                 command_options[one].name,
	                 command_options[other].name);
	return EXIT_BAD_USAGE;
}

static int check(const struct invocation *invocation)
{
	static const enum option pairs[][2] = {
		{ OPTION_TEXT, OPTION_TEXT_FILE },
		{ OPTION_HTML, OPTION_HTML_FILE },
		{ OPTION_AT, OPTION_HOLD_FOR },
	};
	char time[32];
	size_t i;

	for (i = 0; i < COUNT(pairs); i++)
		if (invocation->values[pairs[i][0]] &&
		    invocation->values[pairs[i][1]])
			return complain_about_both(pairs[i][0], pairs[i][1]);
	if (invocation->values[OPTION_AT] &&
	    ask_parse_time(invocation->values[OPTION_AT], 1, time) < 0) {
		command_complain("--at: expected a time such as "
		                 "2026-11-23T18:40:01Z");
		return EXIT_BAD_USAGE;
	}
	if (invocation->operand_count > 0 || invocation->values[OPTION_TO] ||
	    invocation->values[OPTION_CC] || invocation->values[OPTION_BCC])
		return EXIT_FINE;
	command_complain("to whom? relaisctl send ADDRESS, or --to ADDRESS");
	return EXIT_BAD_USAGE;
}

/* Who calls is the sender, under the name that the account has. */
static void put_sender(const struct invocation *invocation, struct json *mail)
{
	struct person person;
	struct json *from;

	if (invocation->values[OPTION_FROM]) {
		json_put_text(mail, "from", invocation->values[OPTION_FROM]);
		return;
	}
	person_look_up(&person);
	from = json_put_object(mail, "from");
	json_put_text(from, "address", person.login);
	json_put_text(from, "name", person.full_name);
}

static void put_envelope(const struct invocation *invocation, struct json *mail)
{
	char time[32];
	unsigned i;
	size_t k;
	int n;

	put_sender(invocation, mail);
	for (n = 0; n < invocation->operand_count; n++)
		json_add_text(mail, "to", invocation->operands[n]);
	for (i = 0; i < invocation->given_count; i++)
		for (k = 0; k < COUNT(lists); k++)
			if (invocation->given[i].option == lists[k].option)
				json_add_text(mail, lists[k].member,
				              invocation->given[i].value);
	for (k = 0; k < COUNT(texts); k++)
		if (invocation->values[texts[k].option])
			json_put_text(mail, texts[k].member,
			              invocation->values[texts[k].option]);
	if (invocation->values[OPTION_AT] &&
	    ask_parse_time(invocation->values[OPTION_AT], 1, time) == 0)
		json_put_text(mail, "at", time);
	if (invocation->values[OPTION_DRY_RUN])
		json_put_flag(mail, "dry_run", true);
}

static int put_header(struct json *headers, const char *field)
{
	const char *colon = strchr(field, ':');
	char name[80];

	if (!colon || colon == field ||
	    (size_t)(colon - field) >= sizeof(name)) {
		command_complain("--header: expected NAME: VALUE");
		return EXIT_BAD_USAGE;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(colon - field), field);
	json_add_text(headers, name, colon + 1 + strspn(colon + 1, " "));
	return EXIT_FINE;
}

static int put_headers(const struct invocation *invocation, struct json *mail)
{
	struct json *headers = NULL;
	int r = EXIT_FINE;
	unsigned i;

	for (i = 0; i < invocation->given_count && r == EXIT_FINE; i++) {
		if (invocation->given[i].option != OPTION_HEADER)
			continue;
		headers = json_get_object(mail, "headers");
		r = put_header(headers, invocation->given[i].value);
	}
	return r;
}

/* ------------------------------------------------------------------ words */

static int put_file(struct json *mail, const char *member, const char *path)
{
	struct buffer text;
	char *data = NULL;
	size_t len = 0;
	int r;

	buffer_init(&text, 0);
	r = mail_form_read_file(&text, path);
	if (r == 0)
		r = buffer_take(&text, &data, &len);
	buffer_done(&text);
	if (r != 0) {
		command_complain("%s cannot be read: %s",
		                 strcmp(path, "-") == 0 ? "stdin" : path,
		                 strerror(-r));
		return EXIT_NOT_SO;
	}
	json_put_text(mail, member, data);
	/* Only what is UTF-8 without a NUL becomes a member. */
	if (strlen(data) != len || !json_text(mail, member)) {
		command_complain("%s is no text in UTF-8; --attach sends "
		                 "other files",
		                 strcmp(path, "-") == 0 ? "stdin" : path);
		r = EXIT_NOT_SO;
	}
	free(data);
	return r;
}

static int put_words(const struct invocation *invocation, struct json *mail)
{
	const char *const *values = invocation->values;
	int r = EXIT_FINE;

	if (values[OPTION_HTML])
		json_put_text(mail, "html", values[OPTION_HTML]);
	if (values[OPTION_HTML_FILE])
		r = put_file(mail, "html", values[OPTION_HTML_FILE]);
	if (r != EXIT_FINE)
		return r;
	if (values[OPTION_TEXT]) {
		json_put_text(mail, "text", values[OPTION_TEXT]);
		return EXIT_FINE;
	}
	if (values[OPTION_TEXT_FILE])
		return put_file(mail, "text", values[OPTION_TEXT_FILE]);
	if (values[OPTION_HTML] || values[OPTION_HTML_FILE])
		return EXIT_FINE;
	if (isatty(STDIN_FILENO))
		fputs("The text, ended by Ctrl-D on a line of its own:\n",
		      stderr);
	return put_file(mail, "text", "-");
}

/* ------------------------------------------------------------------ asking */

static int attach_all(const struct invocation *invocation,
                      struct mail_form *form)
{
	unsigned i;
	int r;

	for (i = 0; i < invocation->given_count; i++) {
		const struct given *given = &invocation->given[i];

		if (given->option != OPTION_ATTACH)
			continue;
		r = mail_form_attach(form, given->value);
		if (r < 0) {
			command_complain("%s cannot be attached: %s",
			                 given->value, strerror(-r));
			return EXIT_NOT_SO;
		}
	}
	return EXIT_FINE;
}

static int hand_over(const struct invocation *invocation,
                     const struct json *mail, struct json **ret_answer)
{
	char *text = json_print(mail);
	struct mail_form form;
	struct ask_text body;
	int r;

	if (!text)
		return ask_complain(invocation, -ENOMEM);
	r = mail_form_init(&form, text);
	free(text);
	if (r < 0) {
		r = ask_complain(invocation, r);
		goto out;
	}
	r = attach_all(invocation, &form);
	if (r != EXIT_FINE)
		goto out;
	if (mail_form_end(&form) < 0) {
		r = ask_complain(invocation, -ENOMEM);
		goto out;
	}
	body = (struct ask_text){
		.type = form.type,
		.text = form.body.data,
		.len = form.body.len,
		.silence_s = SILENCE_S,
	};
	r = ask_with(invocation, "POST", "/v1/messages", &body, ret_answer);
out:
	mail_form_done(&form);
	return r;
}

/* The outcome that was waited for decides; without, it is queued. */
static int report(const struct invocation *invocation,
                  const struct json *answer)
{
	const struct output *output = &invocation->output;
	const char *id = json_text(answer, "id");
	const char *outcome = json_text(answer, "outcome");
	const char *note = json_text(answer, "note");
	bool is_fine = !outcome || strcmp(outcome, "delivered") == 0;

	if (invocation->is_json) {
		command_print_json(invocation, answer);
		return is_fine ? EXIT_FINE : EXIT_NOT_SO;
	}
	if (!id)
		output_format(output, STYLE_PLAIN, "It would be taken.");
	else if (json_flag(answer, "duplicate"))
		output_format(output, STYLE_PLAIN,
		              "Was sent before, as %s%s%s.", id,
		              outcome ? ": " : "", outcome ? outcome : "");
	else
		output_format(output, STYLE_PLAIN, "Queued as %s%s%s.", id,
		              outcome ? ": " : "", outcome ? outcome : "");
	fputc('\n', output->file);
	if (note) {
		fputs("  ", output->file);
		output_text(output, STYLE_WARNING, note);
		fputc('\n', output->file);
	}
	return is_fine ? EXIT_FINE : EXIT_NOT_SO;
}
