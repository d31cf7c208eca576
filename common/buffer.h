/*
 * buffer - growable bytes with a hard limit
 *
 * The contents are data[0] to data[len - 1]; they are not terminated by a NUL.
 * Bytes are appended at the end and consumed from the front, both cheaply:
 * consumed room is only reclaimed when the buffer has to grow or is empty.
 *
 * Errors: -ENOMEM, and -EMSGSIZE where the contents would exceed the limit;
 *         the contents are unchanged then.
 * Thread: none of its own; one thread at a time.
 */
#ifndef RELAIS_BUFFER_H
#define RELAIS_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
	/* First byte of the contents; NULL while nothing was allocated. */
	char *data;
	size_t len;
	/* Bytes allocated from data on. */
	size_t cap;
	/* Largest len there may be. */
	size_t limit;
	/* Consumed bytes of the allocation in front of data. */
	size_t consumed;
};

/* Allocates nothing. limit_bytes 0 stands for no limit. */
void buffer_init(struct buffer *buffer, size_t limit_bytes);

/*
 * Wipes and releases the memory, as is done with what the buffer grows out of:
 * it may have held a password. The buffer is empty and usable afterwards.
 */
void buffer_done(struct buffer *buffer);

int buffer_append(struct buffer *buffer, const void *data, size_t len);
int buffer_append_string(struct buffer *buffer, const char *string);
/* One behind the other, up to a NULL; for what is too frequent for printf(). */
int buffer_append_strings(struct buffer *buffer, ...) __attribute__((sentinel));
/* In decimal. */
int buffer_append_number(struct buffer *buffer, uint64_t number);
int buffer_appendf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int buffer_appendv(struct buffer *buffer, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/*
 * Makes room for more_bytes behind the contents, to be written at
 * data + len and then made part of the contents by buffer_grow().
 */
int buffer_reserve(struct buffer *buffer, size_t more_bytes);
void buffer_grow(struct buffer *buffer, size_t len);

/* Drops bytes from the front; len may not exceed the contents. */
void buffer_consume(struct buffer *buffer, size_t len);

/* Shortens the contents to len; keeps the memory. */
void buffer_truncate(struct buffer *buffer, size_t len);
void buffer_clear(struct buffer *buffer);

/*
 * Hands the contents over, with a NUL behind them that ret_len does not count
 * (ret_len may be NULL). The caller frees them; the buffer is empty then.
 */
int buffer_take(struct buffer *buffer, char **ret_data, size_t *ret_len);

#endif
