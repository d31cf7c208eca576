/*
 * aliases - other names for recipients: `aliases:` and /etc/aliases
 *
 * Only names and addresses: commands, files and includes are not run, read
 * or written; /etc/aliases may hold them, and they are skipped with a warning.
 *
 * Thread: any; works on immutable settings.
 */
#ifndef RELAIS_ALIASES_H
#define RELAIS_ALIASES_H

#include <stdbool.h>

#include "address.h"
#include "settings.h"

struct alias {
	char *name; /* lower case, without a domain */
	struct settings_words targets;
};

/* The words are the settings' now; of a name that is there already, dropped. */
void aliases_add_take(struct settings *settings, const char *name,
                      struct settings_words *targets);

/**
 * Add what a file in the form of aliases(5) has. Bad lines and what is no
 * name or address are skipped with a warning.
 *
 * @return 0; what open() and read() say
 */
int aliases_read_file(struct settings *settings, const char *path,
                      struct settings_errors *errors);

/* Takes one final address; non-zero stops and is aliases_expand's result. */
typedef int aliases_on_address(void *context, const char *address);

/**
 * Call `on_address` once for each different address that `recipient` stands
 * for, at last in the form `local@domain`. An address that has no alias
 * stands for itself, a bare name gets settings->domain. Loops end.
 *
 * @param recipient  borrowed; a bare name, or an address
 * @return 0; -E2BIG for more than 1,000 addresses; what `on_address` returned
 */
int aliases_expand(const struct settings *settings, const char *recipient,
                   aliases_on_address *on_address, void *context);

/**
 * Does mail for `recipient` end at a name that means nothing elsewhere: a bare
 * one where settings->domain is no full domain, or one at localhost?
 *
 * @param[out] name  that name, without a domain: an alias for it would help
 */
bool aliases_end_nowhere(const struct settings *settings, const char *recipient,
                         char name[ADDRESS_SIZE]);

#endif
