/*
 * draft_words - the words of a draft that are no addresses, one row each
 */
#include "config.h"

#include "control/draft_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "clock.h"
#include "settings_value.h"
#include "smtp/command.h"
#include "smtp/xtext.h"

#define SUBJECT_MAX     4096
#define RELAY_MAX       64
#define ENVELOPE_ID_MAX 100

/* 0, or -EINVAL: not such a value */
typedef int (*reader)(struct draft *draft, const char *value);

static int read_sender(struct draft *draft, const char *value);
static int read_subject(struct draft *draft, const char *value);
static int read_text(struct draft *draft, const char *value);
static int read_html(struct draft *draft, const char *value);
static int read_key(struct draft *draft, const char *value);
static int read_tag(struct draft *draft, const char *value);
static int read_meta(struct draft *draft, const char *value);
static int read_relay(struct draft *draft, const char *value);
static int read_envelope_id(struct draft *draft, const char *value);
static int read_wait(struct draft *draft, const char *value);
static int read_hold_for(struct draft *draft, const char *value);
static int read_hold_until(struct draft *draft, const char *value);
static int read_deadline(struct draft *draft, const char *value);
static int read_priority(struct draft *draft, const char *value);
static int read_notify(struct draft *draft, const char *value);
static int read_ret(struct draft *draft, const char *value);
static int read_dry_run(struct draft *draft, const char *value);

static const struct {
	const char *name;
	reader read;
	const char *expected;
	bool is_content; /* not for a message that is there already */
} words[] = {
	{ "sender", read_sender, "an address, or nothing", true },
	{ "subject", read_subject, "one line of at most 4096 octets", true },
	{ "text", read_text, "a text", true },
	{ "html", read_html, "a text", true },
	{ "key", read_key, "1 to 256 octets without control characters",
	  false },
	{ "tag", read_tag, "1 to 128 octets without control characters",
	  false },
	{ "meta", read_meta, "1 to 2048 octets without control characters",
	  false },
	{ "relay", read_relay, "the name of a relay", false },
	{ "envid", read_envelope_id, "up to 100 printable ASCII characters",
	  false },
	{ "wait", read_wait, "seconds or 30s, from 1s to 300s", false },
	{ "hold_for", read_hold_for, "seconds, or 90s, 10m, 2h, 1d", false },
	{ "at", read_hold_until, "a time such as 2026-11-23T18:40:01Z", false },
	{ "hold_until", read_hold_until, "a time such as 2026-11-23T18:40:01Z",
	  false },
	{ "deadline", read_deadline,
	  "seconds, 90s, 10m, 2h, 1d, or a time to come such as "
	  "2026-11-23T18:40:01Z",
	  false },
	{ "priority", read_priority, "urgent, normal or bulk", false },
	{ "notify", read_notify, "never, or some of success, failure, delay",
	  false },
	{ "ret", read_ret, "full or headers", false },
	{ "dry_run", read_dry_run, "true or false", false },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *const draft_notifications[DRAFT_NOTIFICATIONS] = {
	"never", "success", "failure", "delay"
};

int draft_set_word(struct draft *draft, const char *word, const char *value,
                   char error[DRAFT_ERROR_SIZE])
{
	bool is_sender = strcmp(word, "sender") == 0;
	size_t i;

	for (i = 0; i < COUNT(words); i++) {
		if (strcmp(words[i].name, word) != 0 ||
		    (draft->is_raw && words[i].is_content && !is_sender))
			continue;
		if (words[i].read(draft, value) == 0)
			return 0;
		return draft_complain(
		    error, draft->is_raw && is_sender ? "from" : word,
		    words[i].expected);
	}
	(void)snprintf(
	    error, DRAFT_ERROR_SIZE,
	    "%.60s: there is no such word here; control-protocol lists them",
	    word);
	return -EINVAL;
}

static int read_line(struct draft *draft, const char *value, size_t most,
                     const char **ret_text)
{
	size_t len = strlen(value);

	if (len == 0 || len > most || !address_is_utf8(value, len))
		return -EINVAL;
	*ret_text = draft_copy(draft, value, len);
	return 0;
}

static int read_sender(struct draft *draft, const char *value)
{
	if (*value != '\0' && address_check(value, strlen(value),
	                                    ADDRESS_UTF8 | ADDRESS_BARE) < 0)
		return -EINVAL;
	draft->sender = draft_copy(draft, value, strlen(value));
	return 0;
}

static int read_subject(struct draft *draft, const char *value)
{
	if (*value == '\0')
		return 0;
	return read_line(draft, value, SUBJECT_MAX, &draft->subject);
}

static int read_text(struct draft *draft, const char *value)
{
	draft->text = value;
	return 0;
}

static int read_html(struct draft *draft, const char *value)
{
	draft->html = value;
	return 0;
}

static int read_key(struct draft *draft, const char *value)
{
	return read_line(draft, value, SMTP_KEY_MAX, &draft->key);
}

static int read_tag(struct draft *draft, const char *value)
{
	return read_line(draft, value, SMTP_TAG_MAX, &draft->tag);
}

static int read_meta(struct draft *draft, const char *value)
{
	return read_line(draft, value, SMTP_META_MAX, &draft->meta);
}

static int read_relay(struct draft *draft, const char *value)
{
	return read_line(draft, value, RELAY_MAX, &draft->relay);
}

static int read_envelope_id(struct draft *draft, const char *value)
{
	char encoded[XTEXT_ENCODED_SIZE(ENVELOPE_ID_MAX)];
	size_t i;

	for (i = 0; value[i] != '\0'; i++)
		if ((unsigned char)value[i] > '~')
			return -EINVAL;
	if (i > ENVELOPE_ID_MAX)
		return -EINVAL;
	xtext_encode(value, i, encoded);
	/* RFC 3461 4.4 */
	if (strlen(encoded) > ENVELOPE_ID_MAX)
		return -EINVAL;
	return read_line(draft, value, ENVELOPE_ID_MAX, &draft->envelope_id);
}

static int read_wait(struct draft *draft, const char *value)
{
	uint32_t wait_s;

	if (settings_value_seconds(value, &wait_s) < 0 ||
	    wait_s > SMTP_WAIT_MAX)
		return -EINVAL;
	draft->wait_s = wait_s;
	return 0;
}

static int read_hold_for(struct draft *draft, const char *value)
{
	return settings_value_seconds(value, &draft->hold_for_s);
}

static int read_hold_until(struct draft *draft, const char *value)
{
	char text[CLOCK_RFC3339_SIZE];
	int64_t wall_ms;

	if (clock_parse_rfc3339(value, &wall_ms) < 0)
		return -EINVAL;
	clock_format_rfc3339(wall_ms, text);
	draft->hold_until = draft_copy(draft, text, strlen(text));
	return 0;
}

static int read_deadline(struct draft *draft, const char *value)
{
	int64_t wall_ms, left_s;

	if (settings_value_seconds(value, &draft->deadline_s) == 0)
		return 0;
	if (clock_parse_rfc3339(value, &wall_ms) < 0)
		return -EINVAL;
	left_s = (wall_ms - clock_wall_ms()) / 1000;
	if (left_s < 1 || left_s > 999999999)
		return -EINVAL;
	draft->deadline_s = (uint32_t)left_s;
	return 0;
}

static int read_priority(struct draft *draft, const char *value)
{
	if (strcmp(value, "urgent") == 0)
		draft->priority = 4;
	else if (strcmp(value, "normal") == 0)
		draft->priority = 0;
	else if (strcmp(value, "bulk") == 0)
		draft->priority = -4;
	else
		return -EINVAL;
	return 0;
}

/* Words with commas; several values add up. NEVER stands alone (RFC 3461). */
static int read_notify(struct draft *draft, const char *value)
{
	while (*value != '\0') {
		size_t len = strcspn(value, ", ");
		size_t i;

		for (i = 0; i < DRAFT_NOTIFICATIONS; i++)
			if (strlen(draft_notifications[i]) == len &&
			    strncasecmp(draft_notifications[i], value, len) ==
			        0)
				break;
		if (i == DRAFT_NOTIFICATIONS)
			return -EINVAL;
		draft->notify |= 1u << i;
		value += len;
		value += strspn(value, ", ");
	}
	return draft->notify == 0 ||
	               ((draft->notify & 1) != 0 && draft->notify != 1)
	           ? -EINVAL
	           : 0;
}

static int read_ret(struct draft *draft, const char *value)
{
	if (strcasecmp(value, "full") == 0)
		draft->ret = "FULL";
	else if (strcasecmp(value, "headers") == 0 ||
	         strcasecmp(value, "hdrs") == 0)
		draft->ret = "HDRS";
	else
		return -EINVAL;
	return 0;
}

static int read_dry_run(struct draft *draft, const char *value)
{
	return settings_value_boolean(value, &draft->is_dry_run);
}
