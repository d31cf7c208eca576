#include "config.h"

#include "receive/wish_fields.h"

#include <string.h>

#include "buffer.h"
#include "clock.h"
#include "header.h"
#include "settings_value.h"
#include "smtp/command.h"

#define RELAY_MAX 64
#define VALUE_MAX 40 /* of a time or a word */

enum wish_field {
	FIELD_KEY,
	FIELD_TAG,
	FIELD_META,
	FIELD_RELAY,
	FIELD_WAIT,
	FIELD_AT,
	FIELD_HOLD_FOR,
	FIELD_DEADLINE,
	FIELD_PRIORITY,
	FIELDS,
};

static bool read_key(struct smtp_mail_params *said, const char *value);
static bool read_tag(struct smtp_mail_params *said, const char *value);
static bool read_meta(struct smtp_mail_params *said, const char *value);
static bool read_relay(struct smtp_mail_params *said, const char *value);
static bool read_wait(struct smtp_mail_params *said, const char *value);
static bool read_at(struct smtp_mail_params *said, const char *value);
static bool read_hold_for(struct smtp_mail_params *said, const char *value);
static bool read_deadline(struct smtp_mail_params *said, const char *value);
static bool read_priority(struct smtp_mail_params *said, const char *value);

/* Values live as long as the message; false: not such a one. */
static const struct {
	const char *name;
	size_t len_max;
	bool (*read)(struct smtp_mail_params *said, const char *value);
	const char *expected;
} fields[FIELDS] = {
	[FIELD_KEY] = { "X-Relais-Key", SMTP_KEY_MAX, read_key,
	                "X-Relais-Key: expected once, with 1 to 256 octets" },
	[FIELD_TAG] = { "X-Relais-Tag", SMTP_TAG_MAX, read_tag,
	                "X-Relais-Tag: expected once, with 1 to 128 octets" },
	[FIELD_META] = { "X-Relais-Meta", SMTP_META_MAX, read_meta,
	                 "X-Relais-Meta: expected once, with 1 to 2048 "
	                 "octets" },
	[FIELD_RELAY] = { "X-Relais-Relay", RELAY_MAX, read_relay,
	                  "X-Relais-Relay: expected once, with the name of a "
	                  "relay" },
	[FIELD_WAIT] = { "X-Relais-Wait", VALUE_MAX, read_wait,
	                 "X-Relais-Wait: expected once, with 1s to 300s" },
	[FIELD_AT] = { "X-Relais-At", VALUE_MAX, read_at,
	               "X-Relais-At: expected once, with a time such as "
	               "2026-11-23T18:40:00Z, at most 60 days ahead" },
	[FIELD_HOLD_FOR] = { "X-Relais-Hold-For", VALUE_MAX, read_hold_for,
	                     "X-Relais-Hold-For: expected once, with 90s, "
	                     "10m, 2h or 1d, at most 60d" },
	[FIELD_DEADLINE] = { "X-Relais-Deadline", VALUE_MAX, read_deadline,
	                     "X-Relais-Deadline: expected once, with 90s, "
	                     "10m, 2h or 1d" },
	[FIELD_PRIORITY] = { "X-Relais-Priority", VALUE_MAX, read_priority,
	                     "X-Relais-Priority: expected once, with urgent, "
	                     "normal or bulk" },
};

/* The message's text; NULL: empty or too long */
static char *unfold(struct message *message, const struct header_field *field,
                    size_t len_max)
{
	struct buffer text;
	char *value = NULL;

	buffer_init(&text, len_max);
	if (header_unfold(field, &text) == 0 && text.len > 0 &&
	    memchr(text.data, '\0', text.len) == NULL) {
		value = message_allocate(message, text.len + 1);
		memcpy(value, text.data, text.len);
		value[text.len] = '\0';
	}
	buffer_done(&text);
	return value;
}

static void add_texts(struct smtp_mail_params *said,
                      const struct smtp_mail_params *fields_say,
                      struct message *message);
static void add_times(struct smtp_mail_params *said,
                      const struct smtp_mail_params *fields_say);

const char *wish_fields_read(struct smtp_mail_params *said,
                             struct message *message, const char *header,
                             size_t len)
{
	struct smtp_mail_params fields_say = { 0 };
	const char *values[FIELDS] = { NULL };
	struct header_walk walk;
	struct header_field field;
	unsigned i;

	header_walk_init(&walk, header, len);
	while (header_walk_next(&walk, &field)) {
		for (i = 0; i < FIELDS; i++)
			if (header_field_is(&field, fields[i].name))
				break;
		if (i == FIELDS)
			continue;
		if (values[i] != NULL)
			return fields[i].expected;
		values[i] = unfold(message, &field, fields[i].len_max);
		if (values[i] == NULL ||
		    !fields[i].read(&fields_say, values[i]))
			return fields[i].expected;
	}
	if (values[FIELD_AT] != NULL && values[FIELD_HOLD_FOR] != NULL)
		return "X-Relais-At and X-Relais-Hold-For exclude each other";
	add_texts(said, &fields_say, message);
	add_times(said, &fields_say);
	return NULL;
}

/* Those of MAIL get into the record with the rest of its envelope. */
static void add_texts(struct smtp_mail_params *said,
                      const struct smtp_mail_params *fields_say,
                      struct message *message)
{
	message->key = fields_say->key;
	message->tag = fields_say->tag;
	message->meta = fields_say->meta;
	if (said->relay == NULL)
		said->relay = fields_say->relay;
}

static void add_times(struct smtp_mail_params *said,
                      const struct smtp_mail_params *fields_say)
{
	if (said->wait_s == 0)
		said->wait_s = fields_say->wait_s;
	if (said->hold_for_s == 0 && said->hold_until_wall_ms == 0) {
		said->hold_for_s = fields_say->hold_for_s;
		said->hold_until_wall_ms = fields_say->hold_until_wall_ms;
	}
	if (said->by.mode == SMTP_BY_UNSTATED)
		said->by = fields_say->by;
	if (!said->priority.is_stated)
		said->priority = fields_say->priority;
}

static bool read_key(struct smtp_mail_params *said, const char *value)
{
	said->key = value;
	return true;
}

static bool read_tag(struct smtp_mail_params *said, const char *value)
{
	said->tag = value;
	return true;
}

static bool read_meta(struct smtp_mail_params *said, const char *value)
{
	said->meta = value;
	return true;
}

static bool read_relay(struct smtp_mail_params *said, const char *value)
{
	said->relay = value;
	return true;
}

static bool read_wait(struct smtp_mail_params *said, const char *value)
{
	uint32_t wait_s;

	if (settings_value_seconds(value, &wait_s) < 0 ||
	    wait_s > SMTP_WAIT_MAX)
		return false;
	said->wait_s = wait_s;
	return true;
}

static bool read_at(struct smtp_mail_params *said, const char *value)
{
	int64_t latest_ms =
	    clock_wall_ms() + (int64_t)MESSAGE_RELEASE_MAX_S * 1000;

	return clock_parse_rfc3339(value, &said->hold_until_wall_ms) == 0 &&
	       said->hold_until_wall_ms > 0 &&
	       said->hold_until_wall_ms <= latest_ms;
}

static bool read_hold_for(struct smtp_mail_params *said, const char *value)
{
	uint32_t hold_s;

	if (settings_value_seconds(value, &hold_s) < 0 ||
	    hold_s > MESSAGE_RELEASE_MAX_S)
		return false;
	said->hold_for_s = hold_s;
	return true;
}

static bool read_deadline(struct smtp_mail_params *said, const char *value)
{
	uint32_t seconds;

	if (settings_value_seconds(value, &seconds) < 0)
		return false;
	said->by.mode = SMTP_BY_RETURN;
	said->by.seconds = seconds;
	return true;
}

static bool read_priority(struct smtp_mail_params *said, const char *value)
{
	static const struct {
		const char *name;
		int level;
	} words[] = { { "urgent", 4 }, { "normal", 0 }, { "bulk", -4 } };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].name, value) != 0)
			continue;
		said->priority.is_stated = true;
		said->priority.level = words[i].level;
		return true;
	}
	return false;
}
