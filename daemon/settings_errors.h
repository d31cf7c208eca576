/*
 * settings_errors - everything that is wrong with the settings, in order
 *
 * Each entry reads `file:line:column: key: what, and what was expected`;
 * no entry ever contains a secret.
 *
 * Thread: one at a time.
 */
#ifndef RELAIS_SETTINGS_ERRORS_H
#define RELAIS_SETTINGS_ERRORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct settings_error {
	bool is_warning;
	char *text; /* one line, without a line end */
};

struct settings_errors {
	struct settings_error *entries;
	size_t count;
	size_t error_count; /* those that are no warnings */
};

/* Where something stands. line 0: the file as a whole. */
struct settings_place {
	const char *file;
	unsigned line, column; /* from 1 */
};

/* An all-zero struct is empty, too. */
void settings_errors_init(struct settings_errors *errors);
void settings_errors_done(struct settings_errors *errors);

void settings_errors_add(struct settings_errors *errors,
                         const struct settings_place *place, const char *format,
                         ...) __attribute__((format(printf, 3, 4)));
void settings_errors_warn(struct settings_errors *errors,
                          const struct settings_place *place,
                          const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One line each. */
void settings_errors_print(const struct settings_errors *errors, FILE *stream);

#endif
