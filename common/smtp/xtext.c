#include "config.h"

#include "smtp/xtext.h"

#include <errno.h>

/* RFC 3461 4 allows upper case only. */
static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* May it stand for itself? Printable ASCII but "+" and "=". */
static bool is_plain(unsigned char c)
{
	return c > 32 && c < 127 && c != '+' && c != '=';
}

bool xtext_is_valid(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (is_plain((unsigned char)text[i]))
			continue;
		if (text[i] != '+' || len - i < 3 ||
		    hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
			return false;
		i += 2;
	}
	return true;
}

int xtext_decode(const char *text, size_t len, char *out)
{
	size_t n = 0;

	if (!xtext_is_valid(text, len))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '+') {
			c = (char)(hex_value(text[i + 1]) * 16 +
			           hex_value(text[i + 2]));
			i += 2;
		}
		if (c == '\0')
			return -EINVAL;
		out[n++] = c;
	}
	out[n] = '\0';
	return 0;
}

void xtext_encode(const char *data, size_t len, char *out)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (is_plain(c)) {
			*out++ = (char)c;
			continue;
		}
		*out++ = '+';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
	}
	*out = '\0';
}
