/*
 * pattern - does an address match what an administrator wrote
 *
 * `*` stands for any text, also none; ASCII letters match in either case. A
 * pattern that begins with `@` is one for the domain: "@example.com",
 * "@*.example.com". Linear in practice: no pattern makes it exponential.
 */
#ifndef RELAIS_PATTERN_H
#define RELAIS_PATTERN_H

#include <stdbool.h>

bool pattern_matches(const char *pattern, const char *text);
bool pattern_matches_address(const char *pattern, const char *address);

#endif
