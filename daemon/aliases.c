/*
 * aliases - other names for recipients: `aliases:` and /etc/aliases
 */
#include "config.h"

#include "aliases.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "runtime/xalloc.h"
#include "settings_errors.h"
#include "settings_table.h"

#define ADDRESSES_MAX 1000
#define FILE_SIZE_MAX (1024 * 1024)

/* One walk from a recipient to its addresses. */
struct expansion {
	const struct settings *settings;
	struct settings_words met;   /* each is followed once */
	struct settings_words final; /* addresses */
};

static void parse_line(struct settings *settings, char *line,
                       const struct settings_place *place,
                       struct settings_errors *errors);
static void parse_targets(char *text, struct settings_words *targets,
                          const struct settings_place *place,
                          struct settings_errors *errors);
static char *next_target(char **text);
static const struct alias *find_alias(const struct settings *settings,
                                      const char *recipient);
static int follow(struct expansion *expansion, const char *name);
static int meet(struct expansion *expansion, const char *name);
static char *qualify(const struct settings *settings, const char *name);
static void add_new(struct settings_words *words, const char *word);

void aliases_add_take(struct settings *settings, const char *name,
                      struct settings_words *targets)
{
	struct alias *alias;
	size_t i;

	for (i = 0; i < settings->alias_count; i++)
		if (strcasecmp(settings->aliases[i].name, name) == 0)
			break;
	if (i < settings->alias_count || targets->count == 0) {
		settings_words_done(targets);
		return;
	}
	settings->aliases =
	    xrealloc(settings->aliases,
	             (settings->alias_count + 1) * sizeof(*settings->aliases));
	alias = &settings->aliases[settings->alias_count++];
	alias->name = xstrdup(name);
	for (i = 0; alias->name[i]; i++)
		alias->name[i] = (char)tolower((unsigned char)alias->name[i]);
	alias->targets = *targets;
	targets->word = NULL;
	targets->count = 0;
}

/* A line that starts with a blank continues the one before it. */
int aliases_read_file(struct settings *settings, const char *path,
                      struct settings_errors *errors)
{
	struct settings_place place = { path, 0, 1 };
	char *line = NULL, *entry = NULL;
	size_t size = 0, total = 0;
	unsigned number = 0;
	FILE *file;
	int r = 0;

	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (getline(&line, &size, file) >= 0) {
		number++;
		total += strlen(line);
		if (total > FILE_SIZE_MAX) {
			r = -EFBIG;
			break;
		}
		line[strcspn(line, "\r\n")] = '\0';
		if ((line[0] == ' ' || line[0] == '\t') && entry) {
			char *longer = xasprintf("%s%s", entry, line);

			free(entry);
			entry = longer;
			continue;
		}
		if (entry)
			parse_line(settings, entry, &place, errors);
		free(entry);
		place.line = number;
		entry = line[0] && line[0] != '#' ? xstrdup(line) : NULL;
	}
	if (r == 0 && ferror(file))
		r = -EIO;
	if (r == 0 && entry)
		parse_line(settings, entry, &place, errors);
	free(entry);
	free(line);
	fclose(file);
	return r;
}

static void parse_line(struct settings *settings, char *line,
                       const struct settings_place *place,
                       struct settings_errors *errors)
{
	struct settings_words targets = { NULL, 0 };
	char *colon = strchr(line, ':'), *end;

	if (line[strspn(line, " \t")] == '\0')
		return;
	if (colon) {
		for (end = colon; end > line && strchr(" \t\"", end[-1]); end--)
			;
		*end = '\0';
		line += strspn(line, " \t\"");
	}
	if (!colon || *line == '\0' || strpbrk(line, " \t@\"")) {
		settings_errors_warn(
		    errors, place,
		    "is no alias and skipped; expected `name: address, …`");
		return;
	}
	parse_targets(colon + 1, &targets, place, errors);
	aliases_add_take(settings, line, &targets);
}

static void parse_targets(char *text, struct settings_words *targets,
                          const struct settings_place *place,
                          struct settings_errors *errors)
{
	char *target;

	while ((target = next_target(&text))) {
		if (*target == '\0')
			continue;
		if (*target == '\\') /* "no further alias", as ours do anyway */
			target++;
		if (strchr("|/", *target) || *target == ':' ||
		    address_check(target, strlen(target),
		                  ADDRESS_UTF8 | ADDRESS_BARE) < 0) {
			settings_errors_warn(
			    errors, place,
			    "`%.80s` is skipped: relais follows names and "
			    "addresses only",
			    target);
			continue;
		}
		targets->word =
		    xrealloc(targets->word,
		             (targets->count + 2) * sizeof(*targets->word));
		targets->word[targets->count++] = xstrdup(target);
		targets->word[targets->count] = NULL;
	}
}

/* Separated by commas, which quotes may hide; NULL at the end. */
static char *next_target(char **text)
{
	char *start = *text, *p, *end;
	bool is_quoted = false;

	if (!start)
		return NULL;
	start += strspn(start, " \t");
	for (p = start; *p && (is_quoted || *p != ','); p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '"')
			is_quoted = !is_quoted;
	}
	*text = *p ? p + 1 : NULL;
	for (end = p; end > start && strchr(" \t", end[-1]); end--)
		;
	*end = '\0';
	/* "|command" is quoted as a whole, a quoted local part is not. */
	if (end - start >= 2 && *start == '"' && end[-1] == '"') {
		end[-1] = '\0';
		start++;
	}
	return start;
}

int aliases_expand(const struct settings *settings, const char *recipient,
                   aliases_on_address *on_address, void *context)
{
	struct expansion expansion = { .settings = settings };
	char *address;
	size_t next;
	int r;

	/* Nearly all: an address elsewhere, which stands for itself. */
	if (strchr(recipient, '@') && !find_alias(settings, recipient))
		return on_address(context, recipient);

	r = meet(&expansion, recipient);
	for (next = 0; r == 0 && next < expansion.met.count; next++)
		r = follow(&expansion, expansion.met.word[next]);
	/* Names that only lead to each other must not swallow mail. */
	if (r == 0 && expansion.final.count == 0) {
		address = qualify(settings, recipient);
		add_new(&expansion.final, address);
		free(address);
	}
	for (next = 0; r == 0 && next < expansion.final.count; next++)
		r = on_address(context, expansion.final.word[next]);
	settings_words_done(&expansion.met);
	settings_words_done(&expansion.final);
	return r;
}

struct dead_end {
	const struct settings *settings;
	char *name;
};

static bool is_nowhere(const struct settings *settings, const char *domain)
{
	if (strcasecmp(domain, "localhost") == 0)
		return true;
	if (strcasecmp(domain, settings->domain) == 0)
		return !settings->has_full_domain;
	return !settings->has_full_hostname &&
	       strcasecmp(domain, settings->hostname) == 0;
}

static int note_dead_end(void *context, const char *address)
{
	struct dead_end *end = context;
	const char *at = strrchr(address, '@');

	if (!is_nowhere(end->settings, at + 1))
		return 0;
	(void)snprintf(end->name, ADDRESS_SIZE, "%.*s", (int)(at - address),
	               address);
	return -EADDRNOTAVAIL;
}

bool aliases_end_nowhere(const struct settings *settings, const char *recipient,
                         char name[ADDRESS_SIZE])
{
	struct dead_end end = { .settings = settings, .name = name };

	return aliases_expand(settings, recipient, note_dead_end, &end) ==
	       -EADDRNOTAVAIL;
}

/* The next step from a name; a name without an alias is an address. */
static int follow(struct expansion *expansion, const char *name)
{
	const struct alias *alias = find_alias(expansion->settings, name);
	char *address;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && alias && i < alias->targets.count; i++) {
		const char *target = alias->targets.word[i];

		/* `root: root, admin@example.com` keeps root's own copy. */
		if (find_alias(expansion->settings, target) != alias) {
			r = meet(expansion, target);
			continue;
		}
		address = qualify(expansion->settings, alias->name);
		add_new(&expansion->final, address);
		free(address);
	}
	if (!alias) {
		address = qualify(expansion->settings, name);
		add_new(&expansion->final, address);
		free(address);
	}
	return r;
}

static int meet(struct expansion *expansion, const char *name)
{
	const struct alias *alias = find_alias(expansion->settings, name);

	add_new(&expansion->met, alias ? alias->name : name);
	return expansion->met.count > ADDRESSES_MAX ? -E2BIG : 0;
}

static char *qualify(const struct settings *settings, const char *name)
{
	if (strchr(name, '@'))
		return xstrdup(name);
	return xasprintf("%s@%s", name, settings->domain);
}

static void add_new(struct settings_words *words, const char *word)
{
	size_t i;

	for (i = 0; i < words->count; i++)
		if (strcmp(words->word[i], word) == 0)
			return;
	words->word =
	    xrealloc(words->word, (words->count + 2) * sizeof(*words->word));
	words->word[words->count++] = xstrdup(word);
	words->word[words->count] = NULL;
}

/* A bare name, or one at a name of this very host. */
static const struct alias *find_alias(const struct settings *settings,
                                      const char *recipient)
{
	const char *at = strrchr(recipient, '@');
	size_t len = at ? (size_t)(at - recipient) : strlen(recipient), i;

	if (at && strcasecmp(at + 1, settings->hostname) != 0 &&
	    strcasecmp(at + 1, "localhost") != 0)
		return NULL;
	for (i = 0; i < settings->alias_count; i++)
		if (strlen(settings->aliases[i].name) == len &&
		    strncasecmp(settings->aliases[i].name, recipient, len) == 0)
			return &settings->aliases[i];
	return NULL;
}
