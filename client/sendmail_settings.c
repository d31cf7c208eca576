#include "config.h"

#include "sendmail_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "smtp/command.h"

/* -EINVAL: not such a value */
typedef int (*setting_reader)(struct sendmail_options *options,
                              const char *value);

static int read_key(struct sendmail_options *options, const char *value);
static int read_tag(struct sendmail_options *options, const char *value);
static int read_meta(struct sendmail_options *options, const char *value);
static int read_relay(struct sendmail_options *options, const char *value);
static int read_hold(struct sendmail_options *options, const char *value);
static int read_at(struct sendmail_options *options, const char *value);
static int read_deadline(struct sendmail_options *options, const char *value);
static int read_wait(struct sendmail_options *options, const char *value);
static int read_priority(struct sendmail_options *options, const char *value);
static int read_tempfail(struct sendmail_options *options, const char *value);
static int read_requiretls(struct sendmail_options *options, const char *value);
static int read_smtputf8(struct sendmail_options *options, const char *value);

static const struct {
	const char *name;
	setting_reader read;
	const char *expected;
} settings[] = {
	{ "relais.key", read_key, "up to 256 bytes" },
	{ "relais.tag", read_tag, "up to 128 bytes" },
	{ "relais.meta", read_meta, "up to 2048 bytes" },
	{ "relais.relay", read_relay, "the name of a relay" },
	{ "relais.hold-for", read_hold, "a time such as 90s, 10m, 2h or 1d" },
	{ "relais.at", read_at,
	  "a date and time such as 2026-11-23T18:40:00Z" },
	{ "relais.deadline", read_deadline,
	  "a time such as 90s, 10m, 2h or 1d" },
	{ "relais.wait", read_wait, "a time from 1s to 300s" },
	{ "relais.priority", read_priority, "urgent, normal or bulk" },
	{ "relais.lane", read_priority, "urgent, normal or bulk" },
	{ "relais.tempfail", read_tempfail, "an exit code from 1 to 125" },
	{ "requiretls", read_requiretls, "yes or no" },
	{ "smtputf8", read_smtputf8, "yes or no" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int sendmail_settings_read(struct sendmail_options *options,
                           const char *setting, char error[OPTIONS_ERROR_SIZE])
{
	size_t len = strcspn(setting, "=");
	const char *value = setting[len] ? setting + len + 1 : "";

	for (size_t i = 0; i < COUNT(settings); i++) {
		if (strlen(settings[i].name) != len ||
		    strncasecmp(settings[i].name, setting, len) != 0)
			continue;
		if (settings[i].read(options, value) == 0)
			return 0;
		(void)snprintf(
		    error, OPTIONS_ERROR_SIZE,
		    "-O %s: %.40s is not a value of it (expected: %s)",
		    settings[i].name, value, settings[i].expected);
		return -EINVAL;
	}
	if (strncasecmp(setting, "relais.", strlen("relais.")) != 0)
		return 0;
	(void)snprintf(
	    error, OPTIONS_ERROR_SIZE,
	    "-O %.*s: there is no such setting (relais-sendmail(8) lists them)",
	    len < 40 ? (int)len : 40, setting);
	return -EINVAL;
}

static int read_text(const char **target, const char *value, size_t max)
{
	size_t len = strlen(value);

	if (len == 0 || len > max)
		return -EINVAL;
	*target = value;
	return 0;
}

static int read_key(struct sendmail_options *options, const char *value)
{
	return read_text(&options->envelope.key, value, SMTP_KEY_MAX);
}

static int read_tag(struct sendmail_options *options, const char *value)
{
	return read_text(&options->envelope.tag, value, SMTP_TAG_MAX);
}

static int read_meta(struct sendmail_options *options, const char *value)
{
	return read_text(&options->envelope.meta, value, SMTP_META_MAX);
}

static int read_relay(struct sendmail_options *options, const char *value)
{
	return read_text(&options->envelope.relay, value, 64);
}

/* A number and s, m, h or d; seconds where there is no unit. */
static int read_duration(const char *value, unsigned *ret_seconds)
{
	static const char units[] = "smhd";
	static const unsigned factors[] = { 1, 60, 3600, 86400 };
	unsigned factor = 1;
	unsigned long number;
	char *end;

	if (*value < '0' || *value > '9')
		return -EINVAL;
	errno = 0;
	number = strtoul(value, &end, 10);
	if (*end) {
		const char *unit = strchr(units, *end);

		if (!unit || end[1])
			return -EINVAL;
		factor = factors[unit - units];
	}
	/* RFC 4865 and 2852 have nine digits for it. */
	if (errno || number == 0 || number > 999999999 / factor)
		return -EINVAL;
	*ret_seconds = (unsigned)number * factor;
	return 0;
}

static int read_hold(struct sendmail_options *options, const char *value)
{
	return read_duration(value, &options->envelope.hold_s);
}

/* A time that has passed is now. */
static int read_at(struct sendmail_options *options, const char *value)
{
	int64_t at_ms, left_s;

	if (clock_parse_rfc3339(value, &at_ms) < 0)
		return -EINVAL;
	left_s = (at_ms - clock_wall_ms() + 999) / 1000;
	if (left_s > 999999999)
		return -EINVAL;
	options->envelope.hold_s = left_s > 0 ? (unsigned)left_s : 0;
	return 0;
}

static int read_deadline(struct sendmail_options *options, const char *value)
{
	return read_duration(value, &options->envelope.deadline_s);
}

static int read_wait(struct sendmail_options *options, const char *value)
{
	int r = read_duration(value, &options->envelope.wait_s);

	if (r == 0 && options->envelope.wait_s > SMTP_WAIT_MAX)
		return -EINVAL;
	return r;
}

/* RFC 6710 levels, as relaisd maps them. */
static int read_priority(struct sendmail_options *options, const char *value)
{
	if (strcasecmp(value, "urgent") == 0)
		options->envelope.priority = 4;
	else if (strcasecmp(value, "normal") == 0)
		options->envelope.priority = 0;
	else if (strcasecmp(value, "bulk") == 0)
		options->envelope.priority = -4;
	else
		return -EINVAL;
	return 0;
}

static int read_tempfail(struct sendmail_options *options, const char *value)
{
	size_t len = strspn(value, "0123456789");
	int code;

	if (len == 0 || len > 3 || value[len])
		return -EINVAL;
	code = atoi(value);
	if (code < 1 || code > 125)
		return -EINVAL;
	options->tempfail_code = code;
	return 0;
}

static int read_flag(const char *value, bool *ret_flag)
{
	if (strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0)
		*ret_flag = true;
	else if (strcasecmp(value, "no") == 0 ||
	         strcasecmp(value, "false") == 0)
		*ret_flag = false;
	else
		return -EINVAL;
	return 0;
}

static int read_requiretls(struct sendmail_options *options, const char *value)
{
	return read_flag(value, &options->requires_tls);
}

static int read_smtputf8(struct sendmail_options *options, const char *value)
{
	bool is_wanted = false;
	int r = read_flag(value, &is_wanted);

	if (r == 0)
		options->envelope.is_smtputf8 = is_wanted;
	return r;
}
