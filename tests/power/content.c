#include "config.h"

#include "content.h"

#include <stdio.h>
#include <string.h>

size_t content_header(char header[CONTENT_HEADER_MAX], unsigned seed,
                      unsigned lines)
{
	return (size_t)snprintf(header, CONTENT_HEADER_MAX,
	                        "Subject: power %u %u\r\n", seed, lines);
}

void content_line(char line[CONTENT_LINE], unsigned seed, unsigned number)
{
	char start[32];
	int len = snprintf(start, sizeof(start), "%u %u ", seed, number);

	memset(line, 'a' + (int)((seed + number) % 26), CONTENT_LINE);
	memcpy(line, start, (size_t)len);
	memcpy(line + CONTENT_LINE - 2, "\r\n", 2);
}

bool content_parse(const char *header, size_t len, unsigned *ret_seed,
                   unsigned *ret_lines)
{
	char text[CONTENT_HEADER_MAX + 1];

	if (len > CONTENT_HEADER_MAX)
		len = CONTENT_HEADER_MAX;
	memcpy(text, header, len);
	text[len] = '\0';
	return sscanf(text, "Subject: power %u %u\r\n", ret_seed, ret_lines) ==
	       2;
}
