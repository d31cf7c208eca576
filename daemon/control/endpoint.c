#include "config.h"

#include "control/endpoint.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_like(const char *pattern, const char *path,
                    char parameter[ENDPOINT_PARAMETER_SIZE]);
static bool decode(const char *segment, size_t len,
                   char parameter[ENDPOINT_PARAMETER_SIZE]);

const struct endpoint *endpoint_find(const struct endpoint *table, size_t count,
                                     enum method method, const char *path,
                                     char parameter[ENDPOINT_PARAMETER_SIZE],
                                     unsigned *ret_methods)
{
	size_t i;

	*ret_methods = 0;
	for (i = 0; i < count; i++) {
		parameter[0] = '\0';
		if (!is_like(table[i].path, path, parameter))
			continue;
		if (table[i].method == method)
			return &table[i];
		*ret_methods |= table[i].method;
	}
	return NULL;
}

static bool is_like(const char *pattern, const char *path,
                    char parameter[ENDPOINT_PARAMETER_SIZE])
{
	while (*pattern) {
		size_t len;

		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		len = strcspn(path, "/");
		if (!decode(path, len, parameter))
			return false;
		path += len;
		pattern = strchr(pattern, '}') + 1;
	}
	return *path == '\0';
}

/* RFC 3986 2.1; an empty segment, a NUL and broken escapes are refused. */
static bool decode(const char *segment, size_t len,
                   char parameter[ENDPOINT_PARAMETER_SIZE])
{
	size_t used = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		char c = segment[i];

		if (c == '%') {
			char hex[3] = { 0 };

			if (i + 2 >= len ||
			    !isxdigit((unsigned char)segment[i + 1]) ||
			    !isxdigit((unsigned char)segment[i + 2]))
				return false;
			memcpy(hex, segment + i + 1, 2);
			c = (char)strtoul(hex, NULL, 16);
			i += 2;
		}
		if (c == '\0' || used + 1 >= ENDPOINT_PARAMETER_SIZE)
			return false;
		parameter[used++] = c;
	}
	parameter[used] = '\0';
	return used > 0;
}
