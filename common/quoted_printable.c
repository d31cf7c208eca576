#include "config.h"

#include "quoted_printable.h"

#include <stdbool.h>
#include <string.h>

/* With the "=" of a soft line break. */
#define LINE_MAX_LEN 76

static bool is_line_end(const char *text, size_t len)
{
	return len >= 2 && text[0] == '\r' && text[1] == '\n';
}

static bool is_plain(const char *text, size_t len)
{
	unsigned char c = (unsigned char)text[0];

	/* White space in front of a line end would be dropped on its way. */
	if (c == ' ' || c == '\t')
		return len > 1 && !is_line_end(text + 1, len - 1);
	return c > ' ' && c < 127 && c != '=';
}

int quoted_printable_append(struct buffer *into, const char *text, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t column = 0;
	int r = 0;

	while (len > 0 && r == 0) {
		unsigned char c = (unsigned char)*text;
		char code[3] = { '=', digits[c >> 4], digits[c & 15] };
		size_t wide = is_plain(text, len) ? 1 : 3;

		if (is_line_end(text, len)) {
			r = buffer_append(into, "\r\n", 2);
			column = 0;
			text += 2;
			len -= 2;
			continue;
		}
		if (column + wide > LINE_MAX_LEN - 1) {
			r = buffer_append(into, "=\r\n", 3);
			column = 0;
		}
		if (r == 0)
			r = buffer_append(into, wide == 1 ? text : code, wide);
		column += wide;
		text++;
		len--;
	}
	return r;
}
