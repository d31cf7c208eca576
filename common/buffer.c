#include "config.h"

#include "buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256

static int grow_to(struct buffer *buffer, size_t cap);

void buffer_init(struct buffer *buffer, size_t limit_bytes)
{
	*buffer = (struct buffer){ 0 };
	/* One below, so that a NUL always fits behind the contents. */
	buffer->limit = limit_bytes ? limit_bytes : PTRDIFF_MAX - 1;
}

/* What was consumed is there yet. */
static void wipe(struct buffer *buffer)
{
	if (!buffer->data)
		return;
	explicit_bzero(buffer->data - buffer->consumed,
	               buffer->consumed + buffer->cap);
	free(buffer->data - buffer->consumed);
}

void buffer_done(struct buffer *buffer)
{
	wipe(buffer);
	buffer->data = NULL;
	buffer->len = 0;
	buffer->cap = 0;
	buffer->consumed = 0;
}

int buffer_append(struct buffer *buffer, const void *data, size_t len)
{
	int r;

	if (len == 0)
		return 0;
	r = buffer_reserve(buffer, len);
	if (r < 0)
		return r;
	memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
	return 0;
}

int buffer_append_string(struct buffer *buffer, const char *string)
{
	return buffer_append(buffer, string, strlen(string));
}

int buffer_append_strings(struct buffer *buffer, ...)
{
	const char *string;
	va_list strings;
	int r = 0;

	va_start(strings, buffer);
	while (r == 0 && (string = va_arg(strings, const char *)) != NULL)
		r = buffer_append_string(buffer, string);
	va_end(strings);
	return r;
}

int buffer_append_number(struct buffer *buffer, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	return buffer_append(buffer, digits + at, sizeof(digits) - at);
}

int buffer_appendf(struct buffer *buffer, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = buffer_appendv(buffer, format, args);
	va_end(args);
	return r;
}

int buffer_appendv(struct buffer *buffer, const char *format, va_list args)
{
	va_list again;
	int len;
	int r;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (len < 0)
		return -EINVAL;
	r = buffer_reserve(buffer, (size_t)len);
	if (r < 0)
		return r;
	/* vsnprintf wants room for its NUL: see grow_to() and buffer_reserve()
	 */
	(void)vsnprintf(buffer->data + buffer->len, (size_t)len + 1, format,
	                args);
	buffer->len += (size_t)len;
	return 0;
}

/* Always keeps one byte more than asked for, as room for a NUL. */
int buffer_reserve(struct buffer *buffer, size_t more_bytes)
{
	size_t need;
	size_t cap;

	if (buffer->len > buffer->limit ||
	    more_bytes > buffer->limit - buffer->len)
		return -EMSGSIZE;
	need = buffer->len + more_bytes + 1;
	if (need <= buffer->cap)
		return 0;
	if (buffer->consumed >= buffer->len &&
	    need <= buffer->cap + buffer->consumed) {
		/* Moving costs less than what was consumed has paid for. */
		buffer->data -= buffer->consumed;
		memcpy(buffer->data, buffer->data + buffer->consumed,
		       buffer->len);
		buffer->cap += buffer->consumed;
		buffer->consumed = 0;
		return 0;
	}
	cap = buffer->cap + buffer->cap / 2;
	if (cap < FIRST_CAP)
		cap = FIRST_CAP;
	if (cap < need || cap - 1 > buffer->limit)
		cap = need;
	return grow_to(buffer, cap);
}

static int grow_to(struct buffer *buffer, size_t cap)
{
	char *data = malloc(cap);

	if (!data)
		return -ENOMEM;
	if (buffer->len > 0)
		memcpy(data, buffer->data, buffer->len);
	wipe(buffer);
	buffer->consumed = 0;
	buffer->data = data;
	buffer->cap = cap;
	return 0;
}

void buffer_grow(struct buffer *buffer, size_t len)
{
	assert(len <= buffer->cap - buffer->len);
	buffer->len += len;
}

void buffer_consume(struct buffer *buffer, size_t len)
{
	assert(len <= buffer->len);
	if (len == buffer->len) {
		buffer_clear(buffer);
		return;
	}
	buffer->data += len;
	buffer->len -= len;
	buffer->cap -= len;
	buffer->consumed += len;
}

void buffer_truncate(struct buffer *buffer, size_t len)
{
	assert(len <= buffer->len);
	buffer->len = len;
}

void buffer_clear(struct buffer *buffer)
{
	if (buffer->data)
		buffer->data -= buffer->consumed;
	buffer->cap += buffer->consumed;
	buffer->consumed = 0;
	buffer->len = 0;
}

int buffer_take(struct buffer *buffer, char **ret_data, size_t *ret_len)
{
	size_t len = buffer->len;
	char *data;
	int r;

	r = buffer_reserve(buffer, 0);
	if (r < 0)
		return r;
	data = buffer->data - buffer->consumed;
	if (buffer->consumed)
		memmove(data, buffer->data, len);
	data[len] = '\0';

	buffer->data = NULL;
	buffer_done(buffer);
	*ret_data = data;
	if (ret_len)
		*ret_len = len;
	return 0;
}
