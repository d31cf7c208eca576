/*
 * command_import - relaisctl import
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "import.h"
#include "json.h"
#include "progress.h"
#include "question.h"

static const struct {
	const char *name;
	int (*read)(struct import *import, const char *path);
} programs[] = {
	{ "postfix", import_postfix },
	{ "msmtp", import_msmtp },
	{ "nullmailer", import_nullmailer },
	{ "ssmtp", import_ssmtp },
	{ "dma", import_dma },
};

static int read_program(const struct invocation *invocation,
                        struct import *import);
static void show(const struct invocation *invocation,
                 const struct import *import);
static int make_relays(const struct invocation *invocation,
                       const struct import *import);

int command_import(struct invocation *invocation)
{
	struct import import = { .root = "" };
	int r;

	r = read_program(invocation, &import);
	if (r == EXIT_FINE)
		show(invocation, &import);
	if (r == EXIT_FINE && import.relay_count > 0 &&
	    !invocation->values[OPTION_DRY_RUN]) {
		if (invocation->values[OPTION_YES] ||
		    question_is_yes("Make these relays?", false))
			r = make_relays(invocation, &import);
		else
			r = EXIT_NOT_SO;
	}
	import_done(&import);
	return r;
}

static int read_program(const struct invocation *invocation,
                        struct import *import)
{
	const char *name = invocation->operands[0];
	const char *path =
	    invocation->operand_count > 1 ? invocation->operands[1] : NULL;
	size_t i;
	int r;

	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (strcmp(programs[i].name, name) != 0)
			continue;
		r = programs[i].read(import, path);
		if (r == 0)
			return EXIT_FINE;
		command_complain("the settings of %s cannot be read: %s", name,
		                 strerror(-r));
		return r == -EACCES ? EXIT_NO_PERMISSION : EXIT_NOT_SO;
	}
	command_complain("%s is none of postfix, msmtp, nullmailer, ssmtp, "
	                 "dma",
	                 name);
	return EXIT_BAD_USAGE;
}

static void show_value(const struct output *output, const char *key,
                       const struct json *object)
{
	const char *text = json_text(object, key);

	if (!text)
		return;
	output_format(output, STYLE_PLAIN, "    %s: %s", key,
	              strcmp(key, "password") == 0 ? "(taken over)" : text);
	fputc('\n', output->file);
}

static void show(const struct invocation *invocation,
                 const struct import *import)
{
	static const char *const keys[] = { "host",     "port",
		                            "security", "authentication",
		                            "username", "password",
		                            "hostname" };
	const struct output *output = &invocation->output;
	size_t i, k;

	for (i = 0; i < import->relay_count; i++) {
		const struct import_relay *relay = &import->relays[i];

		output_format(output, STYLE_BOLD, "relay %s%s", relay->name,
		              relay->is_default ? ", the default" : "");
		fputc('\n', output->file);
		for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			show_value(output, keys[k], relay->order);
		show_value(output, "address",
		           json_member(relay->order, "from"));
		show_value(output, "verify", json_member(relay->order, "tls"));
	}
	for (i = 0; i < import->note_count; i++) {
		output_format(output, STYLE_WARNING, "note: %s",
		              import->notes[i]);
		fputc('\n', output->file);
	}
}

static int send(const struct invocation *invocation, const char *before,
                const char *name, const char *after, const struct json *order)
{
	struct json *answer = NULL;
	struct buffer target;
	char *path = NULL;
	int r;

	buffer_init(&target, 0);
	r = command_add_segment(&target, before, name, after);
	if (r == 0)
		r = buffer_take(&target, &path, NULL);
	buffer_done(&target);
	r = r < 0 ? ask_complain(invocation, r)
	          : ask(invocation, "POST", path, order, &answer);
	json_free(answer);
	free(path);
	return r;
}

static int make_relays(const struct invocation *invocation,
                       const struct import *import)
{
	struct progress progress;
	size_t i;
	int r = EXIT_FINE;

	progress_begin(&progress, invocation);
	for (i = 0; i < import->relay_count && r == EXIT_FINE; i++) {
		const struct import_relay *relay = &import->relays[i];

		progress_show(&progress, (int64_t)i,
		              (int64_t)import->relay_count, relay->name);

		r = send(invocation, "/v1/relays?name=", relay->name, "",
		         relay->order);
		if (r == EXIT_FINE && relay->is_default)
			r = send(invocation, "/v1/relays/", relay->name,
			         "/default", NULL);
		progress_end(&progress);
		if (r == EXIT_FINE)
			printf("Relay %s is there now.\n", relay->name);
	}
	if (r == EXIT_FINE)
		puts("Try it: relaisctl relay list; relaisctl status");
	return r;
}
