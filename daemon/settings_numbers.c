/*
 * settings_numbers - how numbers, times, sizes and rates of settings are read
 *
 * Each message says what the value is, and what was expected.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "settings_table.h"
#include "settings_value.h"

#define VALUE_SHOWN_MAX 80

static bool is_off(const struct settings_key *key, const char *text);
static bool is_in_range(const struct settings_key *key, uint64_t value);

static void read_port(struct settings_reader *reader,
                      const struct settings_key *key,
                      const struct settings_node *node, void *field)
{
	const char *text = settings_reader_text(reader, key, node, "a port");
	uint64_t value;

	if (!text)
		return;
	if (settings_value_count(text, &value) < 0 || value == 0 ||
	    value > UINT16_MAX)
		settings_reader_error(reader, key, node,
		                      "`%.*s` is no port; expected 1 to 65535",
		                      VALUE_SHOWN_MAX, text);
	else
		*(uint16_t *)field = (uint16_t)value;
}

const struct settings_type settings_type_port = { "port", read_port };

static void read_count(struct settings_reader *reader,
                       const struct settings_key *key,
                       const struct settings_node *node, void *field)
{
	const char *text = settings_reader_text(reader, key, node, "a number");
	uint64_t value = 0;
	int r;

	if (!text)
		return;
	r = is_off(key, text) ? 0 : settings_value_count(text, &value);
	if (r < 0 || !is_in_range(key, value))
		settings_reader_error(
		    reader, key, node, "`%.*s` %s; expected %llu to %llu%s",
		    VALUE_SHOWN_MAX, text,
		    r == -EINVAL ? "is no number" : "is out of range",
		    (unsigned long long)key->minimum,
		    (unsigned long long)key->maximum,
		    key->minimum == 0 ? ", or off" : "");
	else
		*(uint32_t *)field = (uint32_t)value;
}

const struct settings_type settings_type_count = { "number", read_count };

static void read_time(struct settings_reader *reader,
                      const struct settings_key *key,
                      const struct settings_node *node, void *field)
{
	const char *text = settings_reader_text(reader, key, node, "a time");
	uint32_t value_s = 0;
	int r;

	if (!text)
		return;
	r = is_off(key, text) ? 0 : settings_value_time(text, &value_s);
	if (r == -EINVAL)
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` is no time; expected a number with s, m, h or d, "
		    "as in 90s, 5m, 4h or 2d%s",
		    VALUE_SHOWN_MAX, text, key->minimum == 0 ? ", or off" : "");
	else if (r < 0 || !is_in_range(key, value_s))
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` is out of range; expected %llus to %llus%s",
		    VALUE_SHOWN_MAX, text,
		    key->minimum ? (unsigned long long)key->minimum : 1,
		    (unsigned long long)key->maximum,
		    key->minimum == 0 ? ", or off" : "");
	else
		*(uint32_t *)field = value_s;
}

const struct settings_type settings_type_time = { "time", read_time };

static void read_size(struct settings_reader *reader,
                      const struct settings_key *key,
                      const struct settings_node *node, void *field)
{
	const char *text = settings_reader_text(reader, key, node, "a size");
	uint64_t bytes = 0;
	int r;

	if (!text)
		return;
	r = is_off(key, text) ? 0 : settings_value_size(text, &bytes);
	if (r == -EINVAL)
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` is no size; expected a number with KiB, MiB or "
		    "GiB, as in 25MiB%s",
		    VALUE_SHOWN_MAX, text, key->minimum == 0 ? ", or off" : "");
	else if (r < 0 || !is_in_range(key, bytes))
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` is out of range; expected %lluKiB to %lluKiB%s",
		    VALUE_SHOWN_MAX, text,
		    key->minimum ? (unsigned long long)key->minimum / 1024 : 1,
		    (unsigned long long)key->maximum / 1024,
		    key->minimum == 0 ? ", or off" : "");
	else
		*(uint64_t *)field = bytes;
}

const struct settings_type settings_type_size = { "size", read_size };

static void read_percent(struct settings_reader *reader,
                         const struct settings_key *key,
                         const struct settings_node *node, void *field)
{
	const char *text =
	    settings_reader_text(reader, key, node, "a percentage");
	uint32_t value;

	if (!text)
		return;
	if (settings_value_percent(text, &value) < 0 ||
	    !is_in_range(key, value))
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` does not do; expected %llu%% to %llu%%",
		    VALUE_SHOWN_MAX, text, (unsigned long long)key->minimum,
		    (unsigned long long)key->maximum);
	else
		*(uint32_t *)field = value;
}

const struct settings_type settings_type_percent = { "percentage",
	                                             read_percent };

static void read_factor(struct settings_reader *reader,
                        const struct settings_key *key,
                        const struct settings_node *node, void *field)
{
	const char *text = settings_reader_text(reader, key, node, "a factor");
	uint32_t value;

	if (!text)
		return;
	if (settings_value_factor(text, &value) < 0 || !is_in_range(key, value))
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` does not do; expected %llu to %llu, as in 1.7",
		    VALUE_SHOWN_MAX, text,
		    (unsigned long long)key->minimum / 100,
		    (unsigned long long)key->maximum / 100);
	else
		*(uint32_t *)field = value;
}

const struct settings_type settings_type_factor = { "factor", read_factor };

static void read_rate(struct settings_reader *reader,
                      const struct settings_key *key,
                      const struct settings_node *node, void *field)
{
	const char *text = settings_reader_text(reader, key, node, "a rate");
	struct settings_rate rate = { 0, 0 };

	if (!text)
		return;
	if (strcmp(text, "off") != 0 && settings_value_rate(text, &rate) < 0)
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` is no rate; expected one like 5/s, 30/min, 500/h "
		    "or 2000/d, or off",
		    VALUE_SHOWN_MAX, text);
	else
		*(struct settings_rate *)field = rate;
}

const struct settings_type settings_type_rate = { "rate", read_rate };

static void read_mode(struct settings_reader *reader,
                      const struct settings_key *key,
                      const struct settings_node *node, void *field)
{
	const char *text =
	    settings_reader_text(reader, key, node, "permissions");

	if (text && settings_value_mode(text, field) < 0)
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` are no permissions; expected octal ones like 0660",
		    VALUE_SHOWN_MAX, text);
}

const struct settings_type settings_type_mode = { "permissions", read_mode };

static bool is_off(const struct settings_key *key, const char *text)
{
	return key->minimum == 0 && strcmp(text, "off") == 0;
}

/* 0 is "off", which a minimum of 0 allows. */
static bool is_in_range(const struct settings_key *key, uint64_t value)
{
	return value >= key->minimum && value <= key->maximum;
}
