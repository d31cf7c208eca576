/*
 * alias_file - one line of /etc/aliases, changed or added
 *
 * Promise: the file is replaced whole, with the owner and mode it had; after a
 * crash it is the old one or the new one.
 */
#ifndef RELAIS_ALIAS_FILE_H
#define RELAIS_ALIAS_FILE_H

#include <stdbool.h>

/* Could this user write it? It need not be there. */
bool alias_file_is_writable(const char *path);

/*
 * The lines of `name` give way to "name: target"; all else stays as it is.
 * 0 or -errno. A symbolic link is followed.
 */
int alias_file_set(const char *path, const char *name, const char *target);

#endif
