/*
 * relaisctl - ask and steer the queue
 */
#include "config.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

/* What was printed must have got out: a full disk is no success. */
static int finish(int r)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return r;
	command_complain("cannot write the output");
	return r == EXIT_FINE ? EXIT_NO_SERVICE : r;
}

int main(int argc, char *argv[])
{
	struct invocation invocation;
	int r;

	(void)setlocale(LC_CTYPE, "");
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("relaisctl " PACKAGE_VERSION);
		return finish(EXIT_FINE);
	}
	r = command_parse(&invocation, argc, argv);
	if (r != EXIT_FINE)
		return r;
	if (invocation.command && invocation.values[OPTION_HELP]) {
		command_print_help(stdout, invocation.command);
		return finish(EXIT_FINE);
	}
	if (invocation.command)
		return finish(invocation.command->run(&invocation));
	if (invocation.values[OPTION_HELP]) {
		command_print_usage(stdout);
		return finish(EXIT_FINE);
	}
	command_print_usage(stderr);
	return EXIT_BAD_USAGE;
}
