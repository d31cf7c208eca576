/*
 * settings_value - the values of the settings language: `4h`, `25MiB`, `on` …
 *
 * All take a NUL-terminated text, write *ret only on success, and return 0,
 * -EINVAL (not of that form) or -ERANGE (of that form, but not storable).
 *
 * Thread: any; pure functions.
 */
#ifndef RELAIS_SETTINGS_VALUE_H
#define RELAIS_SETTINGS_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "settings.h"

/* `on`, `off`, `true`, `false` */
int settings_value_boolean(const char *text, bool *ret);
/* Decimal digits */
int settings_value_count(const char *text, uint64_t *ret);
/* A count and one of `s m h d`; never 0 */
int settings_value_time(const char *text, uint32_t *ret_s);
/* The same, or a count of seconds alone; at most nine digits of them */
int settings_value_seconds(const char *text, uint32_t *ret_s);
/* A count and one of `KiB MiB GiB`; never 0 */
int settings_value_size(const char *text, uint64_t *ret_bytes);
/* A count from 0 to 100 and `%` */
int settings_value_percent(const char *text, uint32_t *ret_percent);
/* `1.7`: at most two digits after the point, as 170 */
int settings_value_factor(const char *text, uint32_t *ret_hundredths);
/* A count, `/`, and one of `s min h d`; never 0 */
int settings_value_rate(const char *text, struct settings_rate *ret);
/* Octal, `0660` */
int settings_value_mode(const char *text, mode_t *ret);
/* A host name of letters, digits, `-`, `_` and dots, 255 octets at most */
bool settings_value_is_host(const char *text);
/* The same without `_`, or an address literal in brackets: fit for EHLO */
bool settings_value_is_ehlo_name(const char *text);

#endif
