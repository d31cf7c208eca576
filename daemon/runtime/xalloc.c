#include "config.h"

#include "runtime/xalloc.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENAS      2
#define LARGE_BYTES (128 * 1024)

/* Without a word on it, the threshold of what is mapped alone would rise with
 * the largest size that was ever freed, and such sizes break up an arena. */
void xalloc_begin(void)
{
#ifdef M_ARENA_MAX
	(void)mallopt(M_ARENA_MAX, ARENAS);
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
#endif
}

void xalloc_give_back(void)
{
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

static void __attribute__((noreturn)) give_up(void)
{
	static const char line[] = "<2>event=out_of_memory\n";

	(void)!write(STDERR_FILENO, line, sizeof(line) - 1);
	abort();
}

void *xmalloc(size_t size)
{
	void *memory = malloc(size != 0 ? size : 1);

	if (memory == NULL)
		give_up();
	return memory;
}

void *xcalloc(size_t count, size_t size)
{
	void *memory = calloc(count != 0 ? count : 1, size != 0 ? size : 1);

	if (memory == NULL)
		give_up();
	return memory;
}

void *xrealloc(void *old, size_t size)
{
	void *memory = realloc(old, size != 0 ? size : 1);

	if (memory == NULL)
		give_up();
	return memory;
}

void *xrealloc_wiping(void *old, size_t size)
{
	size_t old_size = old != NULL ? malloc_usable_size(old) : 0;
	void *memory;

	if (old != NULL && size <= old_size)
		return old;
	memory = xmalloc(size);
	if (old != NULL)
		memcpy(memory, old, old_size);
	xfree_wiping(old);
	return memory;
}

void xfree_wiping(void *memory)
{
	if (memory != NULL)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

char *xstrdup(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(xmalloc(size), text, size);
}

char *xasprintf(const char *format, ...)
{
	va_list arguments;
	char *text;
	int len;

	/* vasprintf() would leave parts of a secret behind as it grows. */
	va_start(arguments, format);
	len = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (len < 0)
		give_up();
	text = xmalloc((size_t)len + 1);
	va_start(arguments, format);
	(void)vsnprintf(text, (size_t)len + 1, format, arguments);
	va_end(arguments);
	return text;
}
