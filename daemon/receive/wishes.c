#include "config.h"

#include "receive/wishes.h"

#include "clock.h"
#include "header.h"
#include "receive/wish_fields.h"

/* RFC 6710 has 19 levels; ours are three. */
#define LEVEL_URGENT 4
#define LEVEL_BULK   (-4)

static struct smtp_answer judge(struct wishes *wishes,
                                const struct settings *settings,
                                const struct submitter_rule *rule);
static bool read_priority(struct wishes *wishes,
                          const struct submitter_rule *rule);
static bool read_times(struct wishes *wishes);
static bool may_use_relay(const struct submitter_rule *rule, uint32_t relay);
static bool read_relay(struct wishes *wishes, const struct settings *settings,
                       const struct submitter_rule *rule, const char *name,
                       struct smtp_answer *ret_answer);

struct smtp_answer wishes_read(struct wishes *ret_wishes,
                               const struct settings *settings,
                               const struct submitter_rule *rule,
                               const struct smtp_mail_params *params)
{
	ret_wishes->said = *params;
	return judge(ret_wishes, settings, rule);
}

struct smtp_answer wishes_read_rcpt(struct wishes *wishes,
                                    const struct settings *settings,
                                    const struct submitter_rule *rule,
                                    const struct smtp_rcpt_params *params)
{
	struct smtp_answer answer;

	if (params->priority.is_stated)
		wishes->said.priority = params->priority;
	if (params->by.mode != SMTP_BY_UNSTATED)
		wishes->said.by = params->by;
	answer = judge(wishes, settings, rule);
	if (!smtp_answer_is_positive(answer) || params->priority.is_stated)
		return answer;
	return smtp_answer(250, "2.1.5", "Recipient ok");
}

bool wishes_read_header(struct wishes *wishes, struct message *message,
                        const struct settings *settings,
                        const struct submitter_rule *rule, const char *header,
                        size_t len, struct smtp_answer *ret_answer)
{
	const char *complaint;

	/* Mail that comes from elsewhere speaks for itself, not for us. */
	if (!rule->header_parameters ||
	    header_count(header, len, "Received") > 0)
		return true;
	complaint = wish_fields_read(&wishes->said, message, header, len);
	*ret_answer = complaint != NULL ? smtp_answer(550, "5.6.0", complaint)
	                                : judge(wishes, settings, rule);
	return smtp_answer_is_positive(*ret_answer);
}

void wishes_apply(const struct wishes *wishes, struct message *message)
{
	message->priority = wishes->priority;
	message->release_ms = wishes->release_ms;
	message->deadline_ms = wishes->deadline_ms;
	if (wishes->said.wait_s > 0)
		message->flags |= MESSAGE_AWAITED;
	if (wishes->tells_delay)
		message->flags |= MESSAGE_TELLS_DELAY;
}

/* What was said, as far as it is allowed. */
static struct smtp_answer judge(struct wishes *wishes,
                                const struct settings *settings,
                                const struct submitter_rule *rule)
{
	struct smtp_answer answer = smtp_answer(250, "2.1.0", "Sender ok");
	bool is_lowered = read_priority(wishes, rule);

	wishes->relay = 0;
	if (!read_times(wishes))
		return smtp_answer(
		    501, "5.5.4",
		    "The time to be delivered by lies before the release");
	if (wishes->said.relay != NULL &&
	    !read_relay(wishes, settings, rule, wishes->said.relay, &answer))
		return answer;
	/* RFC 6710 9: the text begins with the new priority. */
	if (is_lowered && wishes->priority == PRIORITY_BULK)
		return smtp_answer(250, "2.3.6",
		                   "-4 is the new priority: this user may "
		                   "have no higher one");
	if (is_lowered)
		return smtp_answer(250, "2.3.6",
		                   "0 is the new priority: this user may have "
		                   "no higher one");
	return answer;
}

/* True where the rule allows less than was asked for. */
static bool read_priority(struct wishes *wishes,
                          const struct submitter_rule *rule)
{
	const struct smtp_priority *priority = &wishes->said.priority;
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

/* RFC 2852 4: with N the sender is told, and delivery goes on. */
static bool read_times(struct wishes *wishes)
{
	const struct smtp_mail_params *said = &wishes->said;
	int64_t now_ms = clock_wall_ms();

	wishes->release_ms = wishes->deadline_ms = 0;
	wishes->tells_delay = said->by.mode == SMTP_BY_NOTIFY;
	if (said->hold_for_s != 0)
		wishes->release_ms = (uint64_t)now_ms + said->hold_for_s * 1000;
	else if (said->hold_until_wall_ms > now_ms)
		wishes->release_ms = (uint64_t)said->hold_until_wall_ms;
	if (said->by.mode != SMTP_BY_UNSTATED)
		wishes->deadline_ms =
		    (uint64_t)(now_ms + said->by.seconds * 1000);
	return wishes->tells_delay || wishes->deadline_ms == 0 ||
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
