/*
 * completions - relaisctl's completion for bash, zsh or fish, from its tables
 *
 * Run while relais is built; not installed.
 */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* Of a list, an object a line, the value of the first member: an id or a name.
   Nothing if relaisd is silent. */
#define FIRST_OF(words)                                                        \
	"relaisctl " words " --json 2>/dev/null |\n"                           \
	"\t    sed -n 's/^{\"[a-z]*\":\"\\([^\"]*\\)\".*/\\1/p'\n"

/* clang-format off */
static const char zsh_head[] =
    "#compdef relaisctl\n"
    "# Printed from the command table of relaisctl.\n"
    "\n"
    "_relaisctl_first()\n"
    "{\n"
    "\t" FIRST_OF("$@")
    "}\n"
    "_relaisctl_ids() { compadd -- ${(f)\"$(_relaisctl_first list)\"} }\n"
    "_relaisctl_relays() "
    "{ compadd -- ${(f)\"$(_relaisctl_first relay list)\"} }\n"
    "_relaisctl_providers() "
    "{ compadd -- ${(f)\"$(_relaisctl_first providers)\"} }\n"
    "\n"
    "_relaisctl()\n"
    "{\n"
    "\tlocal -a words_here\n"
    "\tlocal command=$words[2]\n"
    "\n";

static const char fish_head[] =
    "# Printed from the command table of relaisctl.\n"
    "\n"
    "function __relaisctl_first\n"
    "\t" FIRST_OF("$argv")
    "end\n"
    "\n"
    "complete -c relaisctl -f\n";

static const char bash_head[] =
    "_relaisctl_first()\n"
    "{\n"
    "\t" FIRST_OF("\"$@\"")
    "}\n"
    "\n"
    "_relaisctl()\n"
    "{\n"
    "\tlocal word=${COMP_WORDS[COMP_CWORD]}\n"
    "\tlocal before=${COMP_WORDS[COMP_CWORD-1]}\n"
    "\tlocal command= words= i\n"
    "\n"
    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
    "\t\t[[ ${COMP_WORDS[i]} != -* ]] || continue\n"
    "\t\t_relaisctl_is_valued \"${COMP_WORDS[i-1]}\" && continue\n"
    "\t\tif [[ -z $command ]]; then\n"
    "\t\t\tcommand=${COMP_WORDS[i]}\n"
    "\t\telif _relaisctl_is_group \"$command\"; then\n"
    "\t\t\tcommand+=\" ${COMP_WORDS[i]}\"\n"
    "\t\tfi\n"
    "\tdone\n"
    "\n";
/* clang-format on */

#define COLUMNS_OF_RELAYS                                                      \
	"name provider host port security login sender state queued "          \
	"delivered enabled default managed"

/* What an option's value can be, where that can be listed. */
static const struct {
	enum option option;
	const char *choices;
} choices[] = {
	{ OPTION_STATE,
	  "waiting queued delivering held parked delivered failed expired "
	  "cancelled partial" },
	{ OPTION_SECURITY, "tls starttls opportunistic none" },
	{ OPTION_AUTHENTICATION,
	  "on off PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 "
	  "OAUTHBEARER EXTERNAL" },
	{ OPTION_FILTER,
	  "state=works state=open state=half-open state=held state=paused "
	  "state=disabled enabled=on enabled=off managed=api managed=file" },
	{ OPTION_PRIORITY, "urgent normal bulk" },
	{ OPTION_SORT, COLUMNS_OF_RELAYS },
};

/* The same of kinds of values, as each shell finds it itself. */
static const struct {
	const char *value;
	const char *bash;
	const char *zsh;
	const char *fish;
} kinds[] = {
	{ "USER", "-u", "_users", "(__fish_complete_users)" },
	{ "PATH", "-f", "_files", NULL },
	{ "FILE", "-f", "_files", NULL },
};

static bool is_of_group(size_t index, char *ret_group, size_t size);
static void print_quoted(const char *text, const char *escaped);
static void print_bash(void);
static void print_zsh(void);
static void print_fish(void);

int main(int argc, char *argv[])
{
	if (argc == 2 && strcmp(argv[1], "bash") == 0)
		print_bash();
	else if (argc == 2 && strcmp(argv[1], "zsh") == 0)
		print_zsh();
	else if (argc == 2 && strcmp(argv[1], "fish") == 0)
		print_fish();
	else
		return EXIT_BAD_USAGE;
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The first word of a command of two; is it the first of that group? */
static bool is_of_group(size_t index, char *ret_group, size_t size)
{
	size_t len = strcspn(commands[index].name, " ");
	size_t i;

	snprintf(ret_group, size, "%.*s", (int)len, commands[index].name);
	if (commands[index].name[len] == '\0')
		return false;
	for (i = 0; i < index; i++)
		if (strncmp(commands[i].name, commands[index].name, len + 1) ==
		    0)
			return false;
	return true;
}

static const char *second_word(const struct command *command)
{
	const char *space = strchr(command->name, ' ');

	return space ? space + 1 : NULL;
}

static bool takes(const struct command *command, const char *what)
{
	return command->operands && strstr(command->operands, what);
}

static bool takes_relays(const struct command *command)
{
	return strncmp(command->name, "relay ", 6) == 0 &&
	       takes(command, "NAME") &&
	       strcmp(command->name, "relay add") != 0;
}

static const char *choices_of(int option)
{
	size_t i;

	for (i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		if (choices[i].option == (enum option)option)
			return choices[i].choices;
	return NULL;
}

/* The command that lists what there is; or NULL. */
static const char *lister_of(int option)
{
	if (option == OPTION_RELAY || option == OPTION_MOVE_TO)
		return "relay list";
	return option == OPTION_PROVIDER ? "providers" : NULL;
}

/* In single quotes; the characters of `escaped` with a backslash before. */
static void print_quoted(const char *text, const char *escaped)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else if (strchr(escaped, *text))
			printf("\\%c", *text);
		else
			putchar(*text);
	}
}

/* -------------------------------------------------------------------- bash */

static const char *bash_kind(const char *value)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].value, value) == 0)
			return kinds[i].bash;
	return NULL;
}

/* Sets words, or fills COMPREPLY and returns. */
static void print_bash_value(int option)
{
	const struct option_words *words = &command_options[option];
	const char *listed = choices_of(option), *lister = lister_of(option);

	printf("\t--%s) ", words->name);
	if (listed)
		printf("words='%s' ;;\n", listed);
	else if (lister)
		printf("words=$(_relaisctl_first %s) ;;\n", lister);
	else if (bash_kind(words->value))
		printf("mapfile -t COMPREPLY < <(compgen %s -- \"$word\")"
		       "; return ;;\n",
		       bash_kind(words->value));
	else
		puts("return ;;");
}

/* Ends without `;;`: operands may follow. */
static void print_bash_options(const struct command *command)
{
	int option;

	printf("\t'%s') words='", command->name);
	for (option = 0; option < OPTIONS; option++)
		if ((command->options | HAS_GLOBAL) & HAS(option))
			printf(" --%s", command_options[option].name);
	putchar('\'');
}

static void print_bash_command(const struct command *command)
{
	print_bash_options(command);
	if (takes(command, "ID"))
		fputs(" words+=\" $(_relaisctl_first list)\"", stdout);
	else if (takes_relays(command))
		fputs(" words+=\" $(_relaisctl_first relay list)\"", stdout);
	else if (takes(command, "PROGRAM"))
		fputs(" words+=' postfix msmtp nullmailer ssmtp dma'", stdout);
	puts(" ;;");
}

/* The words behind `group `, or of all that begins a command. */
static void print_bash_words(const char *group)
{
	size_t len = strlen(group);
	char first[64];
	size_t i;

	printf("\t'%s') words='", group);
	for (i = 0; i < command_count; i++) {
		bool is_first = is_of_group(i, first, sizeof(first));

		if (len > 0 && strcmp(first, group) == 0)
			printf(" %s", second_word(&commands[i]));
		else if (len == 0 && (is_first || !second_word(&commands[i])))
			printf(" %s", first);
	}
	puts("' ;;");
}

static void print_bash_tests(void)
{
	char group[64];
	size_t i;
	int option;

	fputs("_relaisctl_is_valued()\n{\n\tcase $1 in\n\t", stdout);
	for (option = 0; option < OPTIONS; option++)
		if (command_options[option].value)
			printf("%s--%s", option > OPTION_SOCKET ? "|" : "",
			       command_options[option].name);
	puts(") return 0 ;;\n\tesac\n\treturn 1\n}\n\n"
	     "_relaisctl_is_group()\n{\n\tcase $1 in");
	for (i = 0; i < command_count; i++)
		if (is_of_group(i, group, sizeof(group)))
			printf("\t%s) return 0 ;;\n", group);
	puts("\tesac\n\treturn 1\n}\n");
}

static void print_bash(void)
{
	char group[64];
	size_t i;
	int option;

	puts("# Printed from the command table of relaisctl.\n");
	print_bash_tests();
	fputs(bash_head, stdout);
	puts("\tcase $command in");
	print_bash_words("");
	for (i = 0; i < command_count; i++) {
		if (is_of_group(i, group, sizeof(group)))
			print_bash_words(group);
		print_bash_command(&commands[i]);
	}
	puts("\tesac\n\tcase $before in");
	for (option = 0; option < OPTIONS; option++)
		if (command_options[option].value)
			print_bash_value(option);
	puts("\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
	     "\"$word\")\n}\n\ncomplete -o default -F _relaisctl relaisctl");
}

/* --------------------------------------------------------------------- zsh */

/* 'word:what it does', in quotes. */
static void print_zsh_word(const char *word, const char *summary)
{
	printf("\t\t'%s:", word);
	print_quoted(summary, ":");
	puts("'");
}

static void print_zsh_option(int option)
{
	const struct option_words *words = &command_options[option];
	size_t i;

	printf("\t\t    '--%s", words->name);
	if (words->value)
		putchar('=');
	putchar('[');
	print_quoted(words->help, "[]:");
	putchar(']');
	if (words->value) {
		printf(":%s:", words->value);
		if (choices_of(option))
			printf("(%s)", choices_of(option));
		for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (strcmp(kinds[i].value, words->value) == 0)
				fputs(kinds[i].zsh, stdout);
		if (lister_of(option))
			printf("_relaisctl_%s", option == OPTION_PROVIDER
			                            ? "providers"
			                            : "relays");
	}
	puts("' \\");
}

static void print_zsh_command(const struct command *command)
{
	int option;

	printf("\t'%s')\n\t\t_arguments -s \\\n", command->name);
	for (option = 0; option < OPTIONS; option++)
		if ((command->options | HAS_GLOBAL) & HAS(option))
			print_zsh_option(option);
	if (takes(command, "ID"))
		puts("\t\t    '*:id:_relaisctl_ids' ;;");
	else if (takes_relays(command))
		puts("\t\t    '*:relay:_relaisctl_relays' ;;");
	else if (takes(command, "PROGRAM"))
		puts("\t\t    '1:program:(postfix msmtp nullmailer ssmtp dma)' "
		     "\\\n\t\t    '2:file:_files' ;;");
	else
		puts("\t\t    '*: :' ;;");
}

/* The second words of a group. */
static void print_zsh_group(const char *group)
{
	size_t len = strlen(group);
	size_t i;

	printf("\tif [[ $command == %s ]]; then\n"
	       "\t\tif (( CURRENT == 3 )); then\n\t\t\twords_here=(\n",
	       group);
	for (i = 0; i < command_count; i++)
		if (strncmp(commands[i].name, group, len) == 0 &&
		    commands[i].name[len] == ' ')
			print_zsh_word(commands[i].name + len + 1,
			               commands[i].summary);
	puts("\t\t\t)\n\t\t\t_describe command words_here\n\t\t\treturn\n"
	     "\t\tfi\n\t\tcommand=\"$command $words[3]\"\n"
	     "\t\tshift words\n\t\t(( CURRENT-- ))\n\tfi");
}

static void print_zsh(void)
{
	char group[64];
	size_t i;

	fputs(zsh_head, stdout);
	puts("\tif (( CURRENT == 2 )); then\n\t\twords_here=(");
	for (i = 0; i < command_count; i++) {
		if (!second_word(&commands[i]))
			print_zsh_word(commands[i].name, commands[i].summary);
		else if (is_of_group(i, group, sizeof(group)))
			print_zsh_word(group, "and what to do");
	}
	puts("\t\t)\n\t\t_describe command words_here\n\t\treturn\n\tfi");
	for (i = 0; i < command_count; i++)
		if (is_of_group(i, group, sizeof(group)))
			print_zsh_group(group);
	puts("\tshift words\n\t(( CURRENT-- ))\n\tcase $command in");
	for (i = 0; i < command_count; i++)
		print_zsh_command(&commands[i]);
	puts("\tesac\n}\n\n_relaisctl \"$@\"");
}

/* -------------------------------------------------------------------- fish */

static void print_fish_condition(const struct command *command)
{
	const char *second = second_word(command);

	if (second)
		printf(" -n '__fish_seen_subcommand_from %.*s; and "
		       "__fish_seen_subcommand_from %s'",
		       (int)(second - 1 - command->name), command->name,
		       second);
	else
		printf(" -n '__fish_seen_subcommand_from %s'", command->name);
}

static void print_fish_option(const struct command *command, int option)
{
	const struct option_words *words = &command_options[option];
	const char *values = choices_of(option);
	size_t i;

	fputs("complete -c relaisctl", stdout);
	print_fish_condition(command);
	printf(" -l %s", words->name);
	for (i = 0; words->value && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].value, words->value) == 0)
			values = kinds[i].fish ? kinds[i].fish : "-";
	if (lister_of(option))
		printf(" -x -a '(__relaisctl_first %s)'", lister_of(option));
	else if (values && strcmp(values, "-") == 0)
		fputs(" -r -F", stdout);
	else if (values)
		printf(" -x -a '%s'", values);
	else if (words->value)
		fputs(" -x", stdout);
	fputs(" -d '", stdout);
	print_quoted(words->help, "");
	puts("'");
}

static void print_fish_operands(const struct command *command)
{
	const char *values =
	    takes(command, "ID")        ? "(__relaisctl_first list)"
	    : takes_relays(command)     ? "(__relaisctl_first relay list)"
	    : takes(command, "PROGRAM") ? "postfix msmtp nullmailer ssmtp dma"
					: NULL;

	if (!values)
		return;
	fputs("complete -c relaisctl", stdout);
	print_fish_condition(command);
	printf(" -a '%s'\n", values);
}

/* The words that name the command. */
static void print_fish_words(size_t index)
{
	const struct command *command = &commands[index];
	const char *second = second_word(command);
	char group[64];

	if (is_of_group(index, group, sizeof(group)))
		printf("complete -c relaisctl -n __fish_use_subcommand "
		       "-a %s\n",
		       group);
	if (second)
		printf("complete -c relaisctl -n "
		       "'__fish_seen_subcommand_from %s' -a %s -d '",
		       group, second);
	else
		printf("complete -c relaisctl -n __fish_use_subcommand -a %s "
		       "-d '",
		       command->name);
	print_quoted(command->summary, "");
	puts("'");
}

static void print_fish(void)
{
	size_t i;
	int option;

	fputs(fish_head, stdout);
	for (i = 0; i < command_count; i++) {
		print_fish_words(i);
		for (option = 0; option < OPTIONS; option++)
			if ((commands[i].options | HAS_GLOBAL) & HAS(option))
				print_fish_option(&commands[i], option);
		print_fish_operands(&commands[i]);
	}
}
