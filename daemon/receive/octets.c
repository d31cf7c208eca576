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
	const char *line_end;
	size_t reach;

	while (len > 0) {
		/* Where the LF behind the longest line and its CR would be: the
		 * lines that end before the last one in reach are shorter. */
		reach = LINE_MAX_OCTETS + 2 - *line_octets;
		if (reach > len)
			reach = len;
		line_end = memrchr(data, '\n', reach);
		*line_octets += reach;
		if (line_end != NULL) {
			reach = (size_t)(line_end + 1 - data);
			*line_octets = 0;
		}
		if (*line_octets > LINE_MAX_OCTETS + 1)
			return true;
		data += reach;
		len -= reach;
	}
	return false;
}
