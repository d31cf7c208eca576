#include "config.h"

#include "command.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_VARIABLE "RELAIS_CONTROL_SOCKET"
#define SOCKET_DEFAULT  "/run/relais/control.sock"

#define HAS_CHANGE                                                             \
	(HAS_SELECTION | HAS(OPTION_ALL) | HAS(OPTION_REASON) |                \
	    HAS(OPTION_DRY_RUN) | HAS(OPTION_YES))

static const struct {
	const char *name;
	const char *value; /* what it takes; NULL: it is a flag */
	const char *help;
} options[OPTIONS] = {
	[OPTION_HELP] = { "help", NULL, "say what the command does" },
	[OPTION_JSON] = { "json", NULL,
	    "print JSON, one object a line for lists" },
	[OPTION_SOCKET] = { "socket", "PATH", "talk to relaisd there" },
	[OPTION_STATE] = { "state", "STATE",
	    "waiting, queued, delivering, held, parked, delivered, failed, "
	    "expired, cancelled, partial; or several with commas" },
	[OPTION_RELAY] = { "relay", "NAME", "that go through this relay" },
	[OPTION_SENDER] = { "sender", "ADDRESS",
	    "from this sender, or from @domain" },
	[OPTION_RECIPIENT] = { "recipient", "ADDRESS",
	    "to this recipient, or to @domain" },
	[OPTION_SUBMITTER] = { "submitter", "USER",
	    "handed over by this user (name or uid)" },
	[OPTION_TAG] = { "tag", "TAG", "with this tag" },
	[OPTION_SINCE] = { "since", "TIME",
	    "submitted since: 2h, 3d, or 2026-11-23T18:40:01Z" },
	[OPTION_ALL] = { "all", NULL, "all messages, whatever their state" },
	[OPTION_LIMIT] = { "limit", "NUMBER", "at most so many (50)" },
	[OPTION_AFTER] = { "after", "NUMBER",
	    "begin after this event, not with what comes now" },
	[OPTION_TIMEOUT] = { "timeout", "TIME", "give up after: 30s, 5m" },
	[OPTION_REASON] = { "reason", "TEXT", "shown in the story" },
	[OPTION_FOR] = { "for", "TIME", "so long: 30m, 2h, 1d" },
	[OPTION_UNTIL] = { "until", "TIME",
	    "until then: 2026-11-23T18:40:01Z" },
	[OPTION_DRY_RUN] = { "dry-run", NULL, "count only, change nothing" },
	[OPTION_YES] = { "yes", NULL, "do not ask" },
	[OPTION_FROM] = { "from", "ADDRESS", "by this envelope sender" },
	[OPTION_TO] = { "to", "ADDRESS", "to this recipient, or a bare name" },
	[OPTION_USER] = { "user", "USER",
	    "handed over by this user (name or uid)" },
	[OPTION_PRIORITY] = { "priority", "WORD", "urgent, normal or bulk" },
};

const struct command commands[] = {
	{ "status", NULL, 0, 0, 0, "how the queue and the relays do", NULL,
	    command_status },
	{ "list", NULL, 0, 0,
	    HAS_SELECTION | HAS(OPTION_ALL) | HAS(OPTION_LIMIT),
	    "messages, newest first",
	    "Without --state and --all: those that wait.", command_list },
	{ "show", "ID...", 1, -1, 0,
	    "a message's recipients and what happened to it", NULL,
	    command_show },
	{ "watch", NULL, 0, 0, HAS(OPTION_AFTER), "what happens, as it happens",
	    NULL, command_watch },
	{ "wait", "ID...", 1, -1, HAS(OPTION_TIMEOUT),
	    "until messages have ended",
	    "Exits with 0 if every recipient was delivered.", command_wait },
	{ "retry", "[ID...]", 0, -1, HAS_CHANGE, "try messages again now", NULL,
	    command_retry },
	{ "hold", "[ID...]", 0, -1,
	    HAS_CHANGE | HAS(OPTION_FOR) | HAS(OPTION_UNTIL),
	    "keep messages back", NULL, command_hold },
	{ "release", "[ID...]", 0, -1, HAS_CHANGE,
	    "let held and parked messages go", NULL, command_release },
	{ "cancel", "[ID...]", 0, -1, HAS_CHANGE,
	    "give messages up; no bounce is sent", NULL, command_cancel },
	{ "resend", "[ID...]", 0, -1, HAS_CHANGE,
	    "send again what failed or expired, as new messages", NULL,
	    command_resend },
	{ "relay list", NULL, 0, 0, 0, "the relays and how they do", NULL,
	    command_relay_list },
	{ "relay show", "NAME...", 1, -1, 0, "how a relay does and is set",
	    NULL, command_relay_show },
	{ "relay pause", "NAME...", 1, -1,
	    HAS(OPTION_REASON) | HAS(OPTION_FOR) | HAS(OPTION_UNTIL),
	    "send nothing through a relay", NULL, command_relay_pause },
	{ "relay resume", "NAME...", 1, -1, 0,
	    "use a paused, held or failing relay again, now", NULL,
	    command_relay_resume },
	{ "route explain", NULL, 0, 0,
	    HAS(OPTION_FROM) | HAS(OPTION_TO) | HAS(OPTION_USER) |
		HAS(OPTION_TAG) | HAS(OPTION_PRIORITY),
	    "which relay a message would take, as whom, and why",
	    "Exits with 1 if the recipient needs an alias.",
	    command_route_explain },
	{ "reload", NULL, 0, 0, 0, "read the settings again", NULL,
	    command_reload },
};
const size_t command_count = sizeof(commands) / sizeof(commands[0]);

static int take_options(struct invocation *invocation, int argc, char **argv);
static int take_option(
    struct invocation *invocation, char **argv, int argc, int *index);
static int find_option(const char *name, size_t len);
static int find_command(struct invocation *invocation);
static int check_options(const struct invocation *invocation);

int command_parse(struct invocation *ret_invocation, int argc, char **argv)
{
	struct invocation *invocation = ret_invocation;
	const char *socket;
	int r;

	memset(invocation, 0, sizeof(*invocation));
	output_init(&invocation->output, stdout);
	r = take_options(invocation, argc, argv);
	if (r == EXIT_FINE)
		r = find_command(invocation);
	if (r != EXIT_FINE || !invocation->command)
		return r;
	if (!invocation->values[OPTION_HELP])
		r = check_options(invocation);
	socket = invocation->values[OPTION_SOCKET];
	if (!socket)
		socket = getenv(SOCKET_VARIABLE);
	invocation->socket = socket && *socket ? socket : SOCKET_DEFAULT;
	invocation->is_json = invocation->values[OPTION_JSON];
	return r;
}

/* Options may stand anywhere; what is no option is moved together. */
static int take_options(struct invocation *invocation, int argc, char **argv)
{
	bool is_over = false;
	int kept = 1;
	int i;

	for (i = 1; i < argc; i++) {
		int r;

		if (is_over || argv[i][0] != '-' || argv[i][1] == '\0') {
			argv[kept++] = argv[i];
		} else if (strcmp(argv[i], "--") == 0) {
			is_over = true;
		} else {
			r = take_option(invocation, argv, argc, &i);
			if (r != EXIT_FINE)
				return r;
		}
	}
	invocation->operands = argv + 1;
	invocation->operand_count = kept - 1;
	return EXIT_FINE;
}

static int take_option(
    struct invocation *invocation, char **argv, int argc, int *index)
{
	const char *word = argv[*index];
	const char *name = word + 2;
	const char *value = strchr(word, '=');
	int option;

	if (strcmp(word, "-h") == 0)
		name = "help";
	else if (word[1] != '-')
		name = "";
	option =
	    find_option(name, value ? (size_t)(value - name) : strlen(name));
	if (option < 0) {
		command_complain(
		    "there is no option %s; see relaisctl --help", word);
		return EXIT_BAD_USAGE;
	}
	if (!options[option].value && value) {
		command_complain("--%s takes no value", options[option].name);
		return EXIT_BAD_USAGE;
	}
	if (options[option].value && !value && ++*index >= argc) {
		command_complain("--%s needs a value: %s", options[option].name,
		    options[option].value);
		return EXIT_BAD_USAGE;
	}
	if (!options[option].value)
		value = "";
	else
		value = value ? value + 1 : argv[*index];
	invocation->values[option] = value;
	return EXIT_FINE;
}

static int find_option(const char *name, size_t len)
{
	int i;

	for (i = 0; i < OPTIONS; i++)
		if (strlen(options[i].name) == len &&
		    strncmp(options[i].name, name, len) == 0)
			return i;
	return -1;
}

/* The words of the command leave the operands. */
static int find_command(struct invocation *invocation)
{
	char **words = invocation->operands;
	int count = invocation->operand_count;
	size_t i;

	if (count == 0)
		return EXIT_FINE;
	for (i = 0; i < command_count; i++) {
		const char *name = commands[i].name;
		const char *second = strchr(name, ' ');
		size_t len = second ? (size_t)(second - name) : strlen(name);

		if (strlen(words[0]) != len ||
		    strncmp(words[0], name, len) != 0)
			continue;
		if (second && (count < 2 || strcmp(words[1], second + 1) != 0))
			continue;
		invocation->command = &commands[i];
		invocation->operands += second ? 2 : 1;
		invocation->operand_count -= second ? 2 : 1;
		return EXIT_FINE;
	}
	command_complain("there is no command %s%s%s; see relaisctl --help",
	    words[0], count > 1 ? " " : "", count > 1 ? words[1] : "");
	return EXIT_BAD_USAGE;
}

static int check_options(const struct invocation *invocation)
{
	const struct command *command = invocation->command;
	int i;

	for (i = 0; i < OPTIONS; i++)
		if (invocation->values[i] &&
		    !((command->options | HAS_GLOBAL) & HAS(i))) {
			command_complain("%s has no option --%s; see "
					 "relaisctl %s --help",
			    command->name, options[i].name, command->name);
			return EXIT_BAD_USAGE;
		}
	if (invocation->operand_count < command->operands_least ||
	    (command->operands_most >= 0 &&
		invocation->operand_count > command->operands_most)) {
		command_complain("usage: relaisctl %s%s%s", command->name,
		    command->operands ? " " : "",
		    command->operands ? command->operands : "");
		return EXIT_BAD_USAGE;
	}
	return EXIT_FINE;
}

/* ------------------------------------------------------------------ words */

void command_print_usage(FILE *file)
{
	size_t i;

	fputs("usage: relaisctl COMMAND [OPTION...] [OPERAND...]\n\n", file);
	for (i = 0; i < command_count; i++) {
		char left[40];

		snprintf(left, sizeof(left), "%s %s", commands[i].name,
		    commands[i].operands ? commands[i].operands : "");
		fprintf(file, "  %-21s %s\n", left, commands[i].summary);
	}
	fputs("\nrelaisctl COMMAND --help says more; relaisctl(8) says all.\n",
	    file);
}

void command_print_help(FILE *file, const struct command *command)
{
	int i;

	fprintf(file, "usage: relaisctl %s [OPTION...]%s%s\n\n%c%s.\n",
	    command->name, command->operands ? " " : "",
	    command->operands ? command->operands : "",
	    command->summary[0] - 'a' + 'A', command->summary + 1);
	if (command->help)
		fprintf(file, "%s\n", command->help);
	fputc('\n', file);
	for (i = 0; i < OPTIONS; i++) {
		char left[40];

		if (!((command->options | HAS_GLOBAL) & HAS(i)))
			continue;
		snprintf(left, sizeof(left), "--%s %s", options[i].name,
		    options[i].value ? options[i].value : "");
		fprintf(file, "  %-21s %s\n", left, options[i].help);
	}
}

void command_complain(const char *format, ...)
{
	struct output output = { .file = stderr };
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fputs("relaisctl: ", stderr);
	output_text(&output, STYLE_PLAIN, text);
	fputc('\n', stderr);
}
