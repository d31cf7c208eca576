#include "config.h"

#include "receive/octets.h"

#include <stdint.h>
#include <string.h>

#define LINE_MAX_OCTETS 998

bool octets_have_high(const char *data, size_t len)
{
	const uint64_t high = UINT64_C(0x8080808080808080);
	uint64_t word, all = 0;
	size_t i;

	for (i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, data + i, sizeof(word));
		all |= word;
	}
	for (; i < len; i++)
		all |= (unsigned char)data[i] & UINT64_C(0x80);
	return (all & high) != 0;
}

bool octets_have_long_line(size_t *line_octets, const char *data, size_t len)
{
	const char *end = data + len, *line_end;

	while (data < end) {
		line_end = memchr(data, '\n', (size_t)(end - data));
		*line_octets +=
		    (size_t)((line_end != NULL ? line_end : end) - data);
		/* the CR is counted, too */
		if (*line_octets > LINE_MAX_OCTETS + 1)
			return true;
		if (line_end == NULL)
			return false;
		*line_octets = 0;
		data = line_end + 1;
	}
	return false;
}
