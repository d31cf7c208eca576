/*
 * fuzz_pattern - what routes, rules and permissions say of an address
 *
 * The input is a pattern, a NUL and an address. The answer is that of the
 * definition, worked out column by column.
 */
#include "config.h"

#include "pattern.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* fits[i]: does the pattern so far match the first i octets? */
static bool matches(const char *pattern, const char *text)
{
	size_t len = strlen(text);
	bool *fits = calloc(len + 1, sizeof(*fits)), result;

	assert(fits != NULL);
	fits[0] = true;
	for (; *pattern != '\0'; pattern++) {
		bool before = fits[0];

		if (*pattern != '*')
			fits[0] = false;
		for (size_t i = 1; i <= len; i++) {
			bool here = fits[i];

			if (*pattern == '*')
				fits[i] = fits[i] || fits[i - 1];
			else
				fits[i] =
				    before &&
				    strncasecmp(pattern, text + i - 1, 1) == 0;
			before = here;
		}
	}
	result = fits[len];
	free(fits);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *pattern = malloc(len + 2), *text;
	const char *at;
	bool expected;

	assert(pattern != NULL);
	memcpy(pattern, data, len);
	pattern[len] = pattern[len + 1] = '\0';
	text = pattern + strlen(pattern) + 1;
	assert(pattern_matches(pattern, text) == matches(pattern, text));
	at = strrchr(text, '@');
	if (*pattern != '@')
		expected = matches(pattern, text);
	else
		expected = at != NULL && matches(pattern, at);
	assert(pattern_matches_address(pattern, text) == expected);
	free(pattern);
	return 0;
}
