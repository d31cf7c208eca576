/*
 * host_name - what this host calls itself, found without asking the network
 *
 * Thread: any.
 */
#ifndef RELAIS_HOST_NAME_H
#define RELAIS_HOST_NAME_H

#include <stdbool.h>

/**
 * The kernel's name if it is a full one, else the first full name in the
 * line of `hosts_file` (/etc/hosts) that has it as another name, else the
 * kernel's name as it is.
 *
 * @return yours to free; never NULL
 */
char *host_name_find(const char *hosts_file);

/* Does the name mean something elsewhere? (a dot; not .local and the like) */
bool host_name_is_full(const char *name);

#endif
