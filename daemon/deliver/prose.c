#include "config.h"

#include "deliver/prose.h"

#include <stdarg.h>
#include <stdlib.h>

#define COLUMNS 72

void prose_add(struct buffer *into, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (buffer_appendv(into, format, args) < 0)
		abort();
	va_end(args);
}

static void add_bytes(struct buffer *into, const char *bytes, size_t len)
{
	if (buffer_append(into, bytes, len) < 0)
		abort();
}

static bool is_space(char c)
{
	return (unsigned char)c <= ' ' || c == 127;
}

void prose_add_wrapped(struct buffer *into, unsigned indent, const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t len = 0;

		if (is_space(*text)) {
			text++;
			continue;
		}
		while (text[len] != '\0' && !is_space(text[len]))
			len++;
		if (column > 0 && column + 1 + len > COLUMNS) {
			add_bytes(into, "\r\n", 2);
			column = 0;
		}
		if (column == 0)
			prose_add(into, "%*s", (int)indent, "");
		else
			add_bytes(into, " ", 1);
		column = column == 0 ? indent + len : column + 1 + len;
		add_bytes(into, text, len);
		text += len;
	}
	add_bytes(into, "\r\n", 2);
}

bool prose_is_8bit(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] > 127)
			return true;
	return false;
}
