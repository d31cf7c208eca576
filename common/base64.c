#include "config.h"

#include "base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t len, char *out, size_t *ret_len)
{
	unsigned count = 0, padding = 0;
	uint32_t bits = 0;
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		int value = value_of(text[i]);

		if (text[i] != '\0' && strchr(" \t\r\n", text[i]) != NULL)
			continue;
		if (text[i] == '=' && count % 4 + padding >= 2 &&
		    count % 4 + padding <= 3) {
			padding++;
			continue;
		}
		if (value < 0 || padding > 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
		if (count++ % 4 > 0)
			out[used++] =
			    (char)(bits >> (6 - 2 * ((count - 1) % 4)));
	}
	/* One character alone is less than an octet. */
	if (count % 4 == 1 || (padding > 0 && count % 4 + padding != 4))
		return -EINVAL;
	*ret_len = used;
	return 0;
}
