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

/*
 * Before the first thread: keeps freed memory from lying about in pieces. Few
 * threads allocate at a time; what they share is given back together.
 */
void xalloc_begin(void);
/* What is free goes back to the kernel. Milliseconds: for idle moments. */
void xalloc_give_back(void);

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
/* The same, and free(), for what may hold a secret: nothing stays behind. */
void *xrealloc_wiping(void *old, size_t size);
void xfree_wiping(void *memory);
char *xstrdup(const char *text);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
