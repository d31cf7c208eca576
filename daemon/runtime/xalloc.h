/*
 * xalloc - small allocations that abort when memory is gone
 *
 * Safe in the daemon: nothing is acknowledged before its commit, so an abort
 * loses nothing and the service manager starts us again. A size that a peer
 * controls never comes here.
 */
#ifndef RELAIS_RUNTIME_XALLOC_H
#define RELAIS_RUNTIME_XALLOC_H

#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
