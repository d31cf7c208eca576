/*
 * reload - new settings for a daemon that runs
 *
 * Promise: bad settings change nothing.
 * Thread: the main thread.
 */
#ifndef RELAIS_RELOAD_H
#define RELAIS_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/log.h"

struct settings;
struct settings_edit;
struct settings_errors;

/*
 * Loads and checks; says in the log what is wrong, and what a running daemon
 * can't take over. *ret_report: the same lines for who asked, malloc'ed, or
 * NULL where there are none. 0; -EINVAL, or what renaming met with: the old
 * ones stay.
 *
 * The edits are tried first and made only if all is right with them. That the
 * files are on disk under their new names is up to the caller: the directory is
 * to be synced.
 */
struct reload_edits {
	const struct settings_edit *edits;
	size_t count;
};
int reload_settings(const struct settings **ret_settings, const char *path,
                    const struct settings *old_settings,
                    const struct reload_edits *edits, char **ret_report);

/* A line each. What somebody asked for in vain, an edit, is no trouble. */
void reload_log_errors(const struct settings_errors *errors, bool is_edit);

/* A line for each thing that keeps mail from its recipients on purpose. */
void reload_log_staging(const struct settings *settings);

enum log_level reload_log_level(const struct settings *settings);

#endif
