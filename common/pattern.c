#include "config.h"

#include "pattern.h"

#include <string.h>
#include <strings.h>

/* Only the last `*` is ever tried again: whatever an earlier one took more
 * than it had to, the later one could have taken as well. */
bool pattern_matches(const char *pattern, const char *text)
{
	const char *star = NULL;
	const char *resume = NULL;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			resume = text;
		} else if (*pattern != '\0' &&
		           strncasecmp(pattern, text, 1) == 0) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star + 1;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool pattern_matches_address(const char *pattern, const char *address)
{
	const char *domain = strrchr(address, '@');

	if (*pattern == '@')
		return domain != NULL && pattern_matches(pattern, domain);
	return pattern_matches(pattern, address);
}
