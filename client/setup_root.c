#include "config.h"

#include "setup_root.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "alias_file.h"
#include "ask.h"
#include "command.h"
#include "json.h"
#include "question.h"

#define TRIES 3

static int look(struct setup_root *root);
static bool is_address(const char *text);

int setup_root_ask(struct setup_root *root, const char *suggestion)
{
	const char *given = root->invocation->values[OPTION_ROOT];
	const char *usual;
	int tries, r;

	r = look(root);
	if (r != EXIT_FINE)
		return r;
	if (given && !is_address(given)) {
		command_complain("--root: `%s` is no mail address", given);
		return EXIT_BAD_USAGE;
	}
	if (given)
		root->address = strdup(given);
	if (given || !root->may_ask)
		return EXIT_FINE;
	usual = root->now ? root->now : suggestion;
	for (tries = 0; tries < TRIES && !root->address; tries++) {
		char *answer =
		    question_line("Where does mail to root go (- : leave it)",
		                  usual ? usual : "-");

		if (!answer)
			return EXIT_NOT_SO;
		if (strcmp(answer, "-") == 0) {
			free(answer);
			return EXIT_FINE;
		}
		if (is_address(answer))
			root->address = answer;
		else
			free(answer);
	}
	return root->address ? EXIT_FINE : EXIT_NOT_SO;
}

static bool is_address(const char *text)
{
	return address_check(text, strlen(text), ADDRESS_UTF8) == 0 &&
	       address_domain(text);
}

/* Without an alias root is at the host's own name, which leads nowhere new. */
static int look(struct setup_root *root)
{
	const struct json *recipients;
	struct json *way = NULL;
	const char *address;
	int r;

	r = ask(root->invocation, "GET", "/v1/routes:explain?to=root", NULL,
	        &way);
	if (r != EXIT_FINE)
		return r;
	free(root->now);
	free(root->file);
	root->now = root->file = NULL;
	if (json_text(way, "aliases_file"))
		root->file = strdup(json_text(way, "aliases_file"));
	recipients = json_member(way, "recipients");
	address = json_text(json_item(recipients, 0), "address");
	if (!json_text(way, "needs_alias") && json_count(recipients) == 1 &&
	    address && strncmp(address, "root@", 5) != 0)
		root->now = strdup(address);
	json_free(way);
	return EXIT_FINE;
}

bool setup_root_is_to_write(const struct setup_root *root)
{
	return root->address && root->file &&
	       !(root->now && strcmp(root->now, root->address) == 0);
}

void setup_root_announce(const struct setup_root *root)
{
	if (setup_root_is_to_write(root))
		fprintf(stderr, "Mail to root will go to %s: a line in %s.\n",
		        root->address, root->file);
}

static void tell_line(const struct setup_root *root, const char *why)
{
	fprintf(stderr,
	        "%s was not changed (%s). Add this line to it, then relaisctl "
	        "reload:\n"
	        "  root: %s\n",
	        root->file, why, root->address);
}

/* Some lines of relais.yaml go before those of the file. */
static int check(struct setup_root *root)
{
	struct json *answer = NULL;
	int r;

	r = ask(root->invocation, "POST", "/v1/reload", NULL, &answer);
	json_free(answer);
	if (r == EXIT_FINE)
		r = look(root);
	if (r != EXIT_FINE)
		return r;
	root->is_written = root->now && strcmp(root->now, root->address) == 0;
	if (!root->is_written)
		command_complain("mail to root still goes to %s: aliases in "
		                 "relais.yaml go before %s",
		                 root->now ? root->now : "this host",
		                 root->file);
	return EXIT_FINE;
}

int setup_root_write(struct setup_root *root)
{
	int r;

	if (!setup_root_is_to_write(root))
		return EXIT_FINE;
	if (!alias_file_is_writable(root->file)) {
		tell_line(root, "that is not for you to do");
		return EXIT_FINE;
	}
	r = alias_file_set(root->file, "root", root->address);
	if (r < 0) {
		tell_line(root, strerror(-r));
		return EXIT_FINE;
	}
	return check(root);
}

const char *setup_root_recipient(const struct setup_root *root)
{
	return root->now ? "root" : root->address;
}

void setup_root_done(struct setup_root *root)
{
	free(root->now);
	free(root->address);
	free(root->file);
}
