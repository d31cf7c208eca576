/*
 * settings_value - the values of the settings language: `4h`, `25MiB`, `on` …
 */
#include "config.h"

#include "settings_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit time_units[] = {
	{ "s", 1 },  { "m", 60 }, { "h", 60 * 60 }, { "d", 24 * 60 * 60 },
	{ NULL, 0 },
};

static const struct unit rate_units[] = {
	{ "s", 1 },  { "min", 60 }, { "h", 60 * 60 }, { "d", 24 * 60 * 60 },
	{ NULL, 0 },
};

static const struct unit size_units[] = {
	{ "KiB", UINT64_C(1) << 10 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "GiB", UINT64_C(1) << 30 },
	{ NULL, 0 },
};

static int parse_digits(const char **text, uint64_t *ret);
static int parse_with_unit(const char *text, const struct unit *units,
                           uint64_t *ret);
static bool is_dotted_name(const char *text, bool may_underscore);
static bool is_address_literal(const char *text);

int settings_value_boolean(const char *text, bool *ret)
{
	if (strcmp(text, "on") == 0 || strcmp(text, "true") == 0)
		*ret = true;
	else if (strcmp(text, "off") == 0 || strcmp(text, "false") == 0)
		*ret = false;
	else
		return -EINVAL;
	return 0;
}

int settings_value_count(const char *text, uint64_t *ret)
{
	uint64_t value;
	int r;

	r = parse_digits(&text, &value);
	if (r < 0)
		return r;
	if (*text != '\0')
		return -EINVAL;
	*ret = value;
	return 0;
}

int settings_value_time(const char *text, uint32_t *ret_s)
{
	uint64_t value;
	int r;

	r = parse_with_unit(text, time_units, &value);
	if (r < 0)
		return r;
	if (value > UINT32_MAX)
		return -ERANGE;
	*ret_s = (uint32_t)value;
	return 0;
}

/* Nine digits: RFC 4865 and 2852 have room for no more. */
int settings_value_seconds(const char *text, uint32_t *ret_s)
{
	uint64_t count;
	uint32_t time_s;

	if (settings_value_count(text, &count) < 0) {
		if (settings_value_time(text, &time_s) < 0)
			return -EINVAL;
		count = time_s;
	}
	if (count == 0 || count > 999999999)
		return -EINVAL;
	*ret_s = (uint32_t)count;
	return 0;
}

int settings_value_size(const char *text, uint64_t *ret_bytes)
{
	return parse_with_unit(text, size_units, ret_bytes);
}

int settings_value_percent(const char *text, uint32_t *ret_percent)
{
	uint64_t value;
	int r;

	r = parse_digits(&text, &value);
	if (r < 0)
		return r;
	if (strcmp(text, "%") != 0)
		return -EINVAL;
	if (value > 100)
		return -ERANGE;
	*ret_percent = (uint32_t)value;
	return 0;
}

int settings_value_factor(const char *text, uint32_t *ret_hundredths)
{
	uint64_t whole, hundredths = 0;
	int r;

	r = parse_digits(&text, &whole);
	if (r < 0)
		return r;
	if (whole > 1000)
		return -ERANGE;
	if (*text == '.') {
		size_t digits = strlen(++text);

		r = parse_digits(&text, &hundredths);
		if (r < 0)
			return r;
		if (digits > 2)
			return -EINVAL;
		if (digits == 1)
			hundredths *= 10;
	}
	if (*text != '\0')
		return -EINVAL;
	*ret_hundredths = (uint32_t)(whole * 100 + hundredths);
	return 0;
}

int settings_value_rate(const char *text, struct settings_rate *ret)
{
	const struct unit *unit;
	uint64_t count;
	int r;

	r = parse_digits(&text, &count);
	if (r < 0)
		return r;
	if (*text++ != '/')
		return -EINVAL;
	for (unit = rate_units; unit->name; unit++)
		if (strcmp(text, unit->name) == 0)
			break;
	if (!unit->name)
		return -EINVAL;
	if (count == 0 || count > UINT32_MAX)
		return -ERANGE;
	ret->count = (uint32_t)count;
	ret->period_s = (uint32_t)unit->factor;
	return 0;
}

int settings_value_mode(const char *text, mode_t *ret)
{
	mode_t mode = 0;

	if (strspn(text, "01234567") != 4 || text[0] != '0' || text[4] != '\0')
		return -EINVAL;
	for (; *text; text++)
		mode = mode * 8 + (mode_t)(*text - '0');
	*ret = mode;
	return 0;
}

bool settings_value_is_host(const char *text)
{
	return is_dotted_name(text, true);
}

bool settings_value_is_ehlo_name(const char *text)
{
	return is_dotted_name(text, false) || is_address_literal(text);
}

static int parse_digits(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (value > (UINT64_MAX - 9) / 10)
			return -ERANGE;
		value = value * 10 + (uint64_t)(*p - '0');
	}
	*text = p;
	*ret = value;
	return 0;
}

static int parse_with_unit(const char *text, const struct unit *units,
                           uint64_t *ret)
{
	uint64_t value;
	int r;

	r = parse_digits(&text, &value);
	if (r < 0)
		return r;
	for (; units->name; units++)
		if (strcmp(text, units->name) == 0)
			break;
	if (!units->name)
		return -EINVAL;
	if (value == 0 || value > UINT64_MAX / units->factor)
		return -ERANGE;
	*ret = value * units->factor;
	return 0;
}

/* RFC 1035 2.3.4: labels of 1 to 63 octets, 255 in all. */
static bool is_dotted_name(const char *text, bool may_underscore)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	size_t len = 0;

	if (strlen(text) > 253)
		return false;
	for (;; text++) {
		if (*text == '.' || *text == '\0') {
			if (len == 0 || len > 63 || text[-1] == '-')
				return false;
			if (*text == '\0')
				return true;
			len = 0;
			continue;
		}
		if (!strchr(letters, *text) || (*text == '-' && len == 0) ||
		    (*text == '_' && !may_underscore))
			return false;
		len++;
	}
}

/* RFC 5321 4.1.3 */
static bool is_address_literal(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	size_t len = strlen(text);
	bool is_ipv6;

	if (len < 3 || text[0] != '[' || text[len - 1] != ']')
		return false;
	text++;
	len -= 2;
	is_ipv6 = len > 5 && strncmp(text, "IPv6:", 5) == 0;
	if (is_ipv6) {
		text += 5;
		len -= 5;
	}
	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	return inet_pton(is_ipv6 ? AF_INET6 : AF_INET, address, bytes) == 1;
}
