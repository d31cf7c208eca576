#include "config.h"

#include "command.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_VARIABLE "RELAIS_CONTROL_SOCKET"
#define SOCKET_DEFAULT  "/run/relais/control.sock"

static int take_options(struct invocation *invocation, int argc, char **argv);
static int take_option(struct invocation *invocation, char **argv, int argc,
                       int *index);
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

static int take_option(struct invocation *invocation, char **argv, int argc,
                       int *index)
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
		command_complain("there is no option %s; see relaisctl --help",
		                 word);
		return EXIT_BAD_USAGE;
	}
	if (!command_options[option].value && value) {
		command_complain("--%s takes no value",
		                 command_options[option].name);
		return EXIT_BAD_USAGE;
	}
	if (command_options[option].value && !value && ++*index >= argc) {
		command_complain("--%s needs a value: %s",
		                 command_options[option].name,
		                 command_options[option].value);
		return EXIT_BAD_USAGE;
	}
	if (!command_options[option].value)
		value = "";
	else
		value = value ? value + 1 : argv[*index];
	invocation->values[option] = value;
	if (invocation->given_count == GIVEN_MAX) {
		command_complain("there are too many options");
		return EXIT_BAD_USAGE;
	}
	invocation->given[invocation->given_count++] =
	    (struct given){ (enum option)option, value };
	return EXIT_FINE;
}

static int find_option(const char *name, size_t len)
{
	int i;

	for (i = 0; i < OPTIONS; i++)
		if (strlen(command_options[i].name) == len &&
		    strncmp(command_options[i].name, name, len) == 0)
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
	                 words[0], count > 1 ? " " : "",
	                 count > 1 ? words[1] : "");
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
			                 command->name, command_options[i].name,
			                 command->name);
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
	bool is_mail = command->options & HAS(OPTION_SUBJECT);
	const char *example = command_examples(command);
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
		snprintf(left, sizeof(left), "--%s %s", command_options[i].name,
		         command_options[i].value ? command_options[i].value
		                                  : "");
		fprintf(file, "  %-21s %s\n", left,
		        is_mail && command_mail_options[i]
		            ? command_mail_options[i]
		            : command_options[i].help);
	}
	if (example)
		fputs("\nFor example:\n", file);
	for (; example; example = strchr(example, '\n')) {
		example += strspn(example, "\n");
		fputs("  ", file);
		fwrite(example, 1, strcspn(example, "\n"), file);
		putc('\n', file);
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
