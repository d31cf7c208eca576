#include "config.h"

#include "receive/wishes.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "header.h"
#include "smtp/command.h"

/* RFC 6710 has 19 levels; ours are three. */
#define LEVEL_URGENT 4
#define LEVEL_BULK   (-4)

static bool read_priority(struct wishes *wishes,
                          const struct submitter_rule *rule,
                          const struct smtp_priority *priority);
static bool read_times(struct wishes *wishes,
                       const struct smtp_mail_params *params);
static bool may_use_relay(const struct submitter_rule *rule, uint32_t relay);
static bool read_relay(struct wishes *wishes, const struct settings *settings,
                       const struct submitter_rule *rule, const char *name,
                       struct smtp_answer *ret_answer);

struct smtp_answer wishes_read(struct wishes *ret_wishes,
                               const struct settings *settings,
                               const struct submitter_rule *rule,
                               const struct smtp_mail_params *params)
{
	struct smtp_answer answer = { 0 };
	bool is_lowered;

	memset(ret_wishes, 0, sizeof(*ret_wishes));
	is_lowered = read_priority(ret_wishes, rule, &params->priority);
	ret_wishes->wait_s = params->wait_s;
	if (!read_times(ret_wishes, params))
		return smtp_answer(
		    501, "5.5.4",
		    "The time to be delivered by lies before the release");
	if (params->relay != NULL &&
	    !read_relay(ret_wishes, settings, rule, params->relay, &answer))
		return answer;
	if (is_lowered)
		return smtp_answer(
		    250, "2.3.6",
		    "Sender ok, with a lower priority than asked for");
	return smtp_answer(250, "2.1.0", "Sender ok");
}

/* True where the rule allows less than was asked for. */
static bool read_priority(struct wishes *wishes,
                          const struct submitter_rule *rule,
                          const struct smtp_priority *priority)
{
	enum priority wanted = PRIORITY_NORMAL;

	if (priority->is_stated && priority->level >= LEVEL_URGENT)
		wanted = PRIORITY_URGENT;
	if (priority->is_stated && priority->level <= LEVEL_BULK)
		wanted = PRIORITY_BULK;
	/* The smaller, the more urgent. */
	wishes->priority =
	    wanted < rule->priority_limit ? rule->priority_limit : wanted;
	return priority->is_stated && wishes->priority != wanted;
}

static bool read_times(struct wishes *wishes,
                       const struct smtp_mail_params *params)
{
	uint64_t now_ms = (uint64_t)clock_wall_ms();

	if (params->hold_for_s != 0)
		wishes->release_ms = now_ms + params->hold_for_s * 1000;
	else if (params->hold_until_wall_ms > 0 &&
	         (uint64_t)params->hold_until_wall_ms > now_ms)
		wishes->release_ms = (uint64_t)params->hold_until_wall_ms;
	/* RFC 2852 4: with N the sender is told, and delivery goes on. */
	if (params->by.mode == SMTP_BY_RETURN && params->by.seconds > 0)
		wishes->deadline_ms =
		    now_ms + (uint64_t)params->by.seconds * 1000;
	return wishes->deadline_ms == 0 ||
	       wishes->deadline_ms > wishes->release_ms;
}

static bool may_use_relay(const struct submitter_rule *rule, uint32_t relay)
{
	size_t i;

	if (rule->any_relay)
		return true;
	for (i = 0; i < rule->relay_count; i++)
		if (rule->relays[i] == relay)
			return true;
	return false;
}

/* Whether there is such a relay is nobody's business who may not name it. */
static bool read_relay(struct wishes *wishes, const struct settings *settings,
                       const struct submitter_rule *rule, const char *name,
                       struct smtp_answer *ret_answer)
{
	const struct relay_settings *relay =
	    settings_find_relay_by_name(settings, name);

	if (!may_use_relay(rule, settings_relay_id(name))) {
		*ret_answer = smtp_answer(
		    550, "5.7.1",
		    "You may not choose this relay; see `submitters` in "
		    "relais.yaml(5)");
		return false;
	}
	if (relay == NULL) {
		*ret_answer =
		    smtp_answer(550, "5.7.1", "There is no relay of this name");
		return false;
	}
	wishes->relay = relay->id;
	return true;
}

void wishes_apply(const struct wishes *wishes, struct message *message)
{
	message->priority = wishes->priority;
	message->release_ms = wishes->release_ms;
	message->deadline_ms = wishes->deadline_ms;
	if (wishes->wait_s > 0)
		message->flags |= MESSAGE_AWAITED;
}

/* ---------------------------------------------------------------- header */

enum wish_field {
	FIELD_KEY,
	FIELD_TAG,
	FIELD_META,
	FIELD_RELAY,
	FIELD_WAIT,
	FIELDS,
};

static const struct {
	const char *name;
	size_t len_max;
} fields[FIELDS] = {
	[FIELD_KEY] = { "X-Relais-Key", SMTP_KEY_MAX },
	[FIELD_TAG] = { "X-Relais-Tag", SMTP_TAG_MAX },
	[FIELD_META] = { "X-Relais-Meta", SMTP_META_MAX },
	[FIELD_RELAY] = { "X-Relais-Relay", 256 },
	[FIELD_WAIT] = { "X-Relais-Wait", 3 },
};

/* Malloc'ed values; false where one is there twice, too long, or odd. */
static bool find_fields(char *values[FIELDS], const char *header, size_t len)
{
	struct header_walk walk;
	struct header_field field;
	struct buffer text;
	bool is_good = true;
	unsigned i;

	header_walk_init(&walk, header, len);
	while (is_good && header_walk_next(&walk, &field)) {
		for (i = 0; i < FIELDS; i++)
			if (header_field_is(&field, fields[i].name))
				break;
		if (i == FIELDS)
			continue;
		buffer_init(&text, fields[i].len_max);
		is_good = values[i] == NULL &&
		          header_unfold(&field, &text) == 0 && text.len > 0 &&
		          buffer_take(&text, &values[i], NULL) == 0;
		buffer_done(&text);
	}
	return is_good;
}

static bool use_fields(struct wishes *wishes, struct message *message,
                       const struct settings *settings,
                       const struct submitter_rule *rule, char *values[FIELDS],
                       struct smtp_answer *ret_answer)
{
	unsigned long wait_s;

	if (values[FIELD_KEY] != NULL)
		message->key = message_dup_text(message, values[FIELD_KEY]);
	if (values[FIELD_TAG] != NULL)
		message->tag = message_dup_text(message, values[FIELD_TAG]);
	if (values[FIELD_META] != NULL)
		message->meta = message_dup_text(message, values[FIELD_META]);
	if (values[FIELD_WAIT] != NULL && wishes->wait_s == 0) {
		wait_s = strtoul(values[FIELD_WAIT], NULL, 10);
		wishes->wait_s =
		    wait_s > SMTP_WAIT_MAX ? SMTP_WAIT_MAX : (unsigned)wait_s;
	}
	return values[FIELD_RELAY] == NULL || wishes->relay != 0 ||
	       read_relay(wishes, settings, rule, values[FIELD_RELAY],
	                  ret_answer);
}

bool wishes_read_header(struct wishes *wishes, struct message *message,
                        const struct settings *settings,
                        const struct submitter_rule *rule, const char *header,
                        size_t len, struct smtp_answer *ret_answer)
{
	char *values[FIELDS] = { NULL };
	bool is_good = true;
	unsigned i;

	/* Mail that comes from elsewhere speaks for itself, not for us. */
	if (!rule->header_parameters ||
	    header_count(header, len, "Received") > 0)
		return true;
	if (!find_fields(values, header, len)) {
		*ret_answer = smtp_answer(
		    550, "5.6.0",
		    "An X-Relais field is there twice, empty or too long");
		is_good = false;
	} else {
		is_good = use_fields(wishes, message, settings, rule, values,
		                     ret_answer);
	}
	for (i = 0; i < FIELDS; i++)
		free(values[i]);
	return is_good;
}
