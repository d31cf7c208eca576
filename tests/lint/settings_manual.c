/*
 * settings_manual - prints the part of relais.yaml(5) that lists the keys
 *
 * The text comes from the table that the daemon reads its settings by, so the
 * page cannot be out of date: settings_documented.sh compares the two. To bring
 * a change into the page: tests/lint/settings_documented.sh --update
 */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "settings_table.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit times[] = {
	{ "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 }, { NULL, 0 },
};

static const struct unit sizes[] = {
	{ "GiB", UINT64_C(1) << 30 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "", 1 },
	{ NULL, 0 },
};

/* Columns that the word at text takes; a quote is four. */
static size_t word_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0' && *text != ' '; text++)
		width += *text == '`' ? 4 : 1;
	return width;
}

/* One word; true if a sentence or a part of one ends with it. */
static bool print_word_of_text(const char *text, bool *is_open)
{
	bool is_end = false;

	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (; *text != '\0' && *text != ' '; text++) {
		is_end = strchr(".;:", *text) != NULL;
		if (*text == '`') {
			fputs(*is_open ? "\\(rq" : "\\(lq", stdout);
			*is_open = !*is_open;
		} else {
			putchar(*text);
		}
	}
	return is_end;
}

/* mdoc: sentences start on a line of their own, `x` is quoted. */
static void print_text(const char *text)
{
	bool is_open = false;
	size_t column = 0;

	while (*text != '\0') {
		size_t width = word_width(text);
		bool is_end = print_word_of_text(text, &is_open);

		column += width;
		text += strcspn(text, " ");
		if (*text == '\0')
			break;
		text++;
		if (is_end || column + 1 + word_width(text) > 78) {
			putchar('\n');
			column = 0;
		} else {
			putchar(' ');
			column++;
		}
	}
	putchar('\n');
}

/* One word of mdoc, whatever is in it. */
static void print_word(const char *text)
{
	for (; *text != '\0'; text++)
		fputs(*text == '"' ? "\\(dq" : (char[]){ *text, '\0' }, stdout);
}

static void print_number(uint64_t value, const struct unit *units)
{
	if (units == NULL) {
		printf("%" PRIu64, value);
		return;
	}
	while (units->factor > 1 && (value == 0 || value % units->factor != 0))
		units++;
	printf("%" PRIu64 "%s", value / units->factor, units->name);
}

static void print_range(const struct settings_key *key)
{
	bool may_be_off =
	    key->minimum == 0 && strcmp(key->type->name, "percentage") != 0;
	const struct unit *units = NULL;

	if (key->maximum == 0)
		return;
	if (strcmp(key->type->name, "time") == 0)
		units = times;
	else if (strcmp(key->type->name, "size") == 0)
		units = sizes;
	else if (strcmp(key->type->name, "factor") == 0)
		return;
	fputs(may_be_off ? "Off, or up to " : "From ", stdout);
	if (!may_be_off) {
		print_number(key->minimum, units);
		fputs(" to ", stdout);
	}
	print_number(key->maximum, units);
	fputs(".\n", stdout);
}

static void print_choices(const struct settings_choice *choice)
{
	if (choice == NULL)
		return;
	fputs("One of\n", stdout);
	for (; choice->word != NULL; choice++)
		printf(".Cm %s %s\n", choice->word,
		       choice[1].word == NULL ? "." : ",");
}

static void print_key(const struct settings_key *key)
{
	printf(".It Cm %s : Ar %s\n", key->path, key->type->name);
	print_text(key->sentence);
	print_choices(key->choices);
	print_range(key);
	if (key->initial != NULL) {
		fputs("Default:\n.Ql \"", stdout);
		print_word(key->initial);
		puts("\" .");
	}
	if (key->needs_restart)
		puts("A change needs a restart.");
}

static void print_table(const char *title, const char *intro,
                        const struct settings_key *keys)
{
	printf(".Ss %s\n%s\n.Bl -tag -width Ds\n", title, intro);
	for (; keys->path != NULL; keys++)
		print_key(keys);
	puts(".El");
}

int main(void)
{
	print_table("The main file",
	            "A dot stands for one level of the map:\n"
	            ".Cm queue.directory\nis the key\n.Cm directory\n"
	            "below\n.Cm queue .",
	            settings_keys_main);
	print_table("A relay", "Below\n.Cm relays.NAME :", settings_keys_relay);
	print_table("A hint",
	            "Each entry of the list\n.Cm hints :", settings_keys_hint);
	print_table("A route", "Each entry of the list\n.Cm routes :",
	            settings_keys_route);
	print_table("A submitter rule",
	            "Each entry of the list\n.Cm submitters :",
	            settings_keys_submitter);
	print_table("A TCP listener",
	            "Each entry of the list\n.Cm receive.listen :",
	            settings_keys_listen);
	print_table("Further files",
	            "In files of\n.Pa relays.d :", settings_keys_relays);
	return 0;
}
