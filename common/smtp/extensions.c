#include "config.h"

#include "smtp/extensions.h"

#include <inttypes.h>

#include "clock.h"

static int announce_number(struct buffer *out, const char *keyword,
                           uint64_t number);
static int announce_limits(struct buffer *out,
                           const struct smtp_extension_limits *limits);
static int announce_hold(struct buffer *out,
                         const struct smtp_extension_limits *limits);

static const struct {
	enum smtp_extension bit;
	const char *keyword;
} plain_keywords[] = {
	{ SMTP_EXT_PIPELINING, "PIPELINING" },
	{ SMTP_EXT_CHUNKING, "CHUNKING" },
	{ SMTP_EXT_8BITMIME, "8BITMIME" },
	{ SMTP_EXT_SMTPUTF8, "SMTPUTF8" },
	{ SMTP_EXT_DSN, "DSN" },
	{ SMTP_EXT_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES" },
	{ SMTP_EXT_MT_PRIORITY, "MT-PRIORITY" },
	{ SMTP_EXT_XRELAIS, "XRELAIS 1 KEY TAG META RELAY WAIT" },
};

int smtp_extensions_announce(struct buffer *out, const char *name,
                             unsigned extensions,
                             const struct smtp_extension_limits *limits)
{
	const size_t count = sizeof(plain_keywords) / sizeof(plain_keywords[0]);
	int r;

	r = buffer_appendf(out, "250-%s\r\n", name);
	for (size_t i = 0; i < count && r == 0; i++) {
		if (extensions & plain_keywords[i].bit)
			r = buffer_appendf(out, "250-%s\r\n",
			                   plain_keywords[i].keyword);
	}
	if (r == 0 && (extensions & SMTP_EXT_LIMITS))
		r = announce_limits(out, limits);
	if (r == 0 && (extensions & SMTP_EXT_FUTURERELEASE))
		r = announce_hold(out, limits);
	if (r == 0 && (extensions & SMTP_EXT_DELIVERBY))
		r = announce_number(out, "DELIVERBY", limits->by_min_s);
	if (r == 0 && (extensions & SMTP_EXT_SIZE))
		r = announce_number(out, "SIZE", limits->size_bytes);
	if (r < 0)
		return r;
	/* Offered whatever the settings are, so it can end the reply. */
	return buffer_append_string(out, "250 HELP\r\n");
}

/* Without the number where it is 0, which says: not fixed. */
static int announce_number(struct buffer *out, const char *keyword,
                           uint64_t number)
{
	if (number == 0)
		return buffer_appendf(out, "250-%s\r\n", keyword);
	return buffer_appendf(out, "250-%s %" PRIu64 "\r\n", keyword, number);
}

static int announce_limits(struct buffer *out,
                           const struct smtp_extension_limits *limits)
{
	int r;

	if (!limits->rcpt_max && !limits->mail_max)
		return 0;
	r = buffer_append_string(out, "250-LIMITS");
	if (r == 0 && limits->mail_max)
		r = buffer_appendf(out, " MAILMAX=%u", limits->mail_max);
	if (r == 0 && limits->rcpt_max)
		r = buffer_appendf(out, " RCPTMAX=%u", limits->rcpt_max);
	if (r < 0)
		return r;
	return buffer_append_string(out, "\r\n");
}

/* RFC 4865 4: the longest time in seconds and the last moment */
static int announce_hold(struct buffer *out,
                         const struct smtp_extension_limits *limits)
{
	char last[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(
	    limits->now_wall_ms + (int64_t)limits->hold_max_s * 1000, last);
	return buffer_appendf(out, "250-FUTURERELEASE %" PRIu64 " %s\r\n",
	                      limits->hold_max_s, last);
}
