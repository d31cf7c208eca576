/*
 * reload - new settings for a daemon that runs
 *
 * Promise: bad settings change nothing.
 * Thread: the main thread.
 */
#ifndef RELAIS_RELOAD_H
#define RELAIS_RELOAD_H

#include "runtime/log.h"

struct settings;

/*
 * Loads and checks; says in the log what is wrong, and what a running daemon
 * can't take over. *ret_report: the same lines for who asked, malloc'ed, or
 * NULL where there are none. 0, or -EINVAL: the old ones stay.
 */
int reload_settings(const struct settings **ret_settings, const char *path,
    const struct settings *old_settings, char **ret_report);

enum log_level reload_log_level(const struct settings *settings);

#endif
