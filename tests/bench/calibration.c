/*
 * calibration - a fixed piece of work, to compare instruction counts with
 *
 * What a mail server does: lines are searched, octets copied, memory comes and
 * goes, words are mixed and sorted. The count depends on compiler and libc much
 * as relaisd's does, so that the ratio of the two is worth comparing.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAIL_BYTES 4096
#define MAILS      40

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t mix(const char *data, size_t len)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)data[i]) * 16777619u;
	return hash;
}

static size_t count_lines(const char *data, size_t len)
{
	const char *at = data, *end = data + len;
	size_t lines = 0;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		lines++;
		at++;
	}
	return lines;
}

int main(void)
{
	static char mail[MAIL_BYTES];
	uint32_t hashes[MAILS];
	size_t lines = 0;

	for (size_t i = 0; i < sizeof(mail); i++)
		mail[i] = i % 78 == 77 ? '\n' : 'X';
	for (unsigned i = 0; i < MAILS; i++) {
		char *copies[64];
		char text[64];

		for (unsigned j = 0; j < 64; j++) {
			copies[j] = malloc(64 + 16 * j);
			if (copies[j] == NULL)
				return 1;
			snprintf(copies[j], 64, "user%u@example.org", i + j);
		}
		snprintf(text, sizeof(text), "%u %s", i, copies[i % 64]);
		memcpy(mail, text, strlen(text));
		lines += count_lines(mail, sizeof(mail));
		hashes[i] = mix(mail, sizeof(mail));
		for (unsigned j = 0; j < 64; j++)
			free(copies[j]);
	}
	qsort(hashes, MAILS, sizeof(*hashes), compare);
	printf("lines=%zu hash=%u\n", lines, (unsigned)hashes[0]);
	return 0;
}
