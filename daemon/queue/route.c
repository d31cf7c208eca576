/*
 * route - which relay a recipient's mail takes, and in which lanes
 *
 * Rules are read from the top. A rule that names only a priority does not end
 * the search; the first that names a relay does. A message has one priority,
 * the most urgent that its recipients' rules give it, decided when it is
 * submitted: routing it again later may change the relay, not the priority.
 */
#include "config.h"

#include "queue/route.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "pattern.h"
#include "queue/message.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "staging.h"

/* systemd's dynamic users, "nobody", and what containers are given. */
#define DYNAMIC_UID_MIN 61184
#define DYNAMIC_UID_MAX 65519
#define NOBODY_UID      65534
#define SUB_UID_MIN     100000

/* (uid_t)-1 is nobody's: the class that unstable uids share. */
#define SHARED_CLASS UINT32_MAX

static const char reason_no_name[] =
    "this host has no full name, so that other hosts would refuse its mail: "
    "give it one (hostnamectl set-hostname web1.example.com, or hostname: in "
    "relais.yaml and systemctl reload relaisd) or configure a relay, then "
    "relaisctl release";
static const char reason_bare_sender[] =
    "the sender has no full domain, so that other hosts would refuse it: set "
    "domain: example.com in relais.yaml, systemctl reload relaisd, and send "
    "the message again; or configure a relay, then relaisctl release";

/* Finds the part of a lane among those made so far. */
struct part_finder {
	struct submission *submission;
	uint32_t *slots; /* part number + 1 */
	size_t mask;
	uint32_t small[64];
};

static const struct relay_settings *find_relay(const struct settings *settings,
                                               uint32_t id);
/* `<>` is the null sender, that of bounces. */
static bool is_from(const char *pattern, const char *sender)
{
	if (strcmp(pattern, "<>") == 0)
		return *sender == '\0';
	return pattern_matches_address(pattern, sender);
}

static bool rule_holds(const struct route_rule *rule,
                       const struct message *message, const char *recipient,
                       enum priority priority);
static const struct relay_settings *
usable_relay(const struct settings *settings,
             const struct relay_settings *relay);
static void lane_domain(char domain[LANE_DOMAIN_MAX],
                        const struct settings *settings,
                        const struct relay_settings *relay,
                        const char *address);
static bool is_bare(const char *sender);
static void finder_init(struct part_finder *finder,
                        struct submission *submission);
static void finder_done(struct part_finder *finder);
static uint16_t finder_part(struct part_finder *finder, uint32_t relay,
                            const char *domain);

void route_submission(struct submission *submission,
                      const struct settings *settings, uint32_t xrelay)
{
	struct message *message = submission->message;
	const char *reason = route_reason_to_hold(settings, message);
	enum priority priority = message->priority;
	uint32_t class = route_submitter_class(settings, message->uid);
	bool has_priority = false;
	struct part_finder finder;

	message->relay = xrelay;
	submission->parts = message_allocate(
	    message, message->recipient_count * sizeof *submission->parts);
	submission->part_count = 0;
	finder_init(&finder, submission);
	for (unsigned i = 0; i < message->recipient_count; i++) {
		struct message_recipient *recipient = &message->recipients[i];
		char domain[LANE_DOMAIN_MAX];
		struct route_decision decision;

		route_decide(&decision, settings, message, recipient->address,
		             xrelay);
		if (!has_priority || decision.priority < priority)
			priority = decision.priority;
		has_priority = true;
		if (decision.relay->kind == RELAY_DIRECT && reason != NULL &&
		    message->state == MESSAGE_QUEUED) {
			message->state = MESSAGE_HELD;
			message->hold_reason =
			    message_dup_text(message, reason);
		}
		lane_domain(domain, settings, decision.relay,
		            recipient->address);
		recipient->part =
		    finder_part(&finder, decision.relay->id, domain);
	}
	finder_done(&finder);

	message->priority = priority;
	for (unsigned i = 0; i < submission->part_count; i++) {
		submission->parts[i].lane.priority = priority;
		submission->parts[i].lane.submitter_class = class;
		submission->parts[i].lane.is_large =
		    message->size > LANE_LARGE_BYTES;
	}
}

void route_recipient(struct lane_key *ret_key, char domain[LANE_DOMAIN_MAX],
                     const struct settings *settings,
                     const struct message *message, unsigned recipient)
{
	struct route_decision decision;

	assert(recipient < message->recipient_count);
	route_decide(&decision, settings, message,
	             message->recipients[recipient].address, message->relay);
	lane_domain(domain, settings, decision.relay,
	            message->recipients[recipient].address);
	*ret_key = (struct lane_key){
		.relay = decision.relay->id,
		.priority = message->priority,
		.submitter_class =
		    route_submitter_class(settings, message->uid),
		.domain = domain,
		.is_large = message->size > LANE_LARGE_BYTES,
	};
}

bool route_is_right(const struct settings *settings,
                    const struct message *message, unsigned recipient,
                    const struct lane_key *key)
{
	const char *address = message->recipients[recipient].address;
	char domain[LANE_DOMAIN_MAX];
	struct route_decision decision;

	route_decide(&decision, settings, message, address, message->relay);
	if (decision.relay->id != key->relay)
		return false;
	lane_domain(domain, settings, decision.relay, address);
	return strcmp(domain, key->domain) == 0;
}

/* Or who has its mail since it is gone; or NULL. */
static const struct relay_settings *find_relay(const struct settings *settings,
                                               uint32_t id)
{
	const struct relay_settings *relay = settings_find_relay(settings, id);

	return relay != NULL ? relay : settings_find_heir(settings, id);
}

/* FNV-1a, 64 bits */
static uint64_t digest_bytes(uint64_t digest, const void *bytes, size_t len)
{
	const unsigned char *byte = bytes;

	while (len-- > 0)
		digest = (digest ^ *byte++) * UINT64_C(1099511628211);
	return digest;
}

static uint64_t digest_text(uint64_t digest, const char *text)
{
	return text == NULL ? digest_bytes(digest, "\1", 1)
	                    : digest_bytes(digest, text, strlen(text) + 1);
}

static uint64_t digest_number(uint64_t digest, uint64_t number)
{
	return digest_bytes(digest, &number, sizeof number);
}

static uint64_t digest_rule(uint64_t digest, const struct route_rule *rule)
{
	digest = digest_text(digest, rule->from);
	digest = digest_text(digest, rule->to);
	digest = digest_text(digest, rule->tag);
	digest = digest_number(digest,
	                       rule->has_user ? (uint64_t)rule->user + 1 : 0);
	digest = digest_number(digest,
	                       rule->has_group ? (uint64_t)rule->group + 1 : 0);
	digest = digest_number(digest, rule->has_if_priority
	                                   ? (uint64_t)rule->if_priority + 1
	                                   : 0);
	return digest_number(digest, rule->relay);
}

uint64_t route_digest(const struct settings *settings)
{
	uint64_t digest = UINT64_C(14695981039346656037);

	digest = digest_number(digest, settings->default_relay->id);
	digest = digest_text(digest, settings->staging.redirect);
	for (size_t i = 0; i < settings->relay_count; i++) {
		const struct relay_settings *relay = &settings->relays[i];

		digest = digest_number(digest, relay->id);
		digest = digest_number(digest, relay->kind == RELAY_DIRECT);
		digest = digest_number(digest, relay->enabled);
		digest = digest_text(digest, relay->staging.redirect);
		for (size_t j = 0; j < relay->fallback_count; j++)
			digest = digest_number(digest, relay->fallback[j]);
	}
	for (size_t i = 0; i < settings->route_count; i++)
		digest = digest_rule(digest, &settings->routes[i]);
	for (size_t i = 0; i < settings->heir_count; i++) {
		digest = digest_number(digest, settings->heirs[i].relay);
		digest = digest_number(digest, settings->heirs[i].heir);
	}
	return digest;
}

uint32_t route_submitter_class(const struct settings *settings, uint32_t uid)
{
	const struct submitter_rule *rule;

	if (uid < SUB_UID_MIN && uid != NOBODY_UID &&
	    (uid < DYNAMIC_UID_MIN || uid > DYNAMIC_UID_MAX))
		return uid;
	rule = settings_find_submitter(settings, uid, NULL, 0);
	return rule->has_user && rule->user == uid ? uid : SHARED_CLASS;
}

void route_decide(struct route_decision *ret_decision,
                  const struct settings *settings,
                  const struct message *message, const char *recipient,
                  uint32_t xrelay)
{
	struct route_decision decision = {
		.rule = -1,
		.priority_rule = -1,
		.priority = message->priority,
	};

	/* What is for one address alone goes one way, and arrives once. */
	if (settings->staging.redirect != NULL)
		recipient = settings->staging.redirect;
	if (xrelay != 0)
		decision.chosen = find_relay(settings, xrelay);
	for (size_t i = 0; i < settings->route_count; i++) {
		const struct route_rule *rule = &settings->routes[i];

		if (!rule_holds(rule, message, recipient, decision.priority))
			continue;
		if (rule->has_priority && decision.priority_rule < 0) {
			decision.priority_rule = (int)i;
			decision.priority = rule->priority;
		}
		if (rule->relay == 0)
			continue;
		if (decision.chosen == NULL) {
			decision.rule = (int)i;
			decision.chosen =
			    settings_find_relay(settings, rule->relay);
		}
		break;
	}
	if (decision.chosen == NULL)
		decision.chosen = settings->default_relay;
	decision.relay = usable_relay(settings, decision.chosen);
	*ret_decision = decision;
}

static bool rule_holds(const struct route_rule *rule,
                       const struct message *message, const char *recipient,
                       enum priority priority)
{
	if (rule->has_if_priority && rule->if_priority != priority)
		return false;
	if (rule->has_user && rule->user != message->uid)
		return false;
	if (rule->has_group && rule->group != message->gid)
		return false;
	if (rule->from != NULL && !is_from(rule->from, message->sender))
		return false;
	if (rule->to != NULL && !pattern_matches_address(rule->to, recipient))
		return false;
	if (rule->tag != NULL &&
	    (message->tag == NULL || !pattern_matches(rule->tag, message->tag)))
		return false;
	return true;
}

/*
 * A relay that is switched off hands over to the first of its fallbacks that
 * is not; without one the mail waits for it.
 */
static const struct relay_settings *
usable_relay(const struct settings *settings,
             const struct relay_settings *relay)
{
	if (relay->enabled)
		return relay;
	for (size_t i = 0; i < relay->fallback_count; i++) {
		const struct relay_settings *other =
		    settings_find_relay(settings, relay->fallback[i]);

		if (other != NULL && other->enabled)
			return other;
	}
	return relay;
}

static char to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/*
 * With direct the domain of the recipient, or of whoever gets his mail; "" with
 * every other kind of relay.
 */
static void lane_domain(char domain[LANE_DOMAIN_MAX],
                        const struct settings *settings,
                        const struct relay_settings *relay, const char *address)
{
	const char *from = NULL, *redirect;
	size_t i;

	if (relay->kind == RELAY_DIRECT) {
		redirect = staging_redirect(settings, relay);
		from = address_domain(redirect != NULL ? redirect : address);
	}
	if (from == NULL)
		from = "";
	for (i = 0; from[i] != '\0' && i < LANE_DOMAIN_MAX - 1; i++)
		domain[i] = to_lower(from[i]);
	domain[i] = '\0';
}

/* Why other hosts would refuse this message from this host; or NULL. */
const char *route_reason_to_hold(const struct settings *settings,
                                 const struct message *message)
{
	if (!settings->has_full_hostname)
		return reason_no_name;
	return is_bare(message->sender) ? reason_bare_sender : NULL;
}

/* "root", and "root@web1" as well: neither means anything elsewhere. */
static bool is_bare(const char *sender)
{
	const char *domain;

	if (*sender == '\0')
		return false;
	domain = address_domain(sender);
	return domain == NULL ||
	       (*domain != '[' && strchr(domain, '.') == NULL);
}

static void finder_init(struct part_finder *finder,
                        struct submission *submission)
{
	size_t size = sizeof finder->small / sizeof *finder->small;
	size_t wanted = (size_t)submission->message->recipient_count * 2;

	finder->submission = submission;
	finder->slots = finder->small;
	if (wanted > size) {
		while (size < wanted)
			size *= 2;
		finder->slots = xcalloc(size, sizeof *finder->slots);
	} else {
		memset(finder->small, 0, sizeof finder->small);
	}
	finder->mask = size - 1;
}

static void finder_done(struct part_finder *finder)
{
	if (finder->slots != finder->small)
		free(finder->slots);
}

/* FNV-1a */
static uint32_t hash_lane(uint32_t relay, const char *domain)
{
	uint32_t hash = 2166136261u ^ relay;

	for (; *domain != '\0'; domain++)
		hash = (hash ^ (unsigned char)*domain) * 16777619u;
	return hash * 16777619u;
}

/* The number of the part with this lane, made if it is not there yet. */
static uint16_t finder_part(struct part_finder *finder, uint32_t relay,
                            const char *domain)
{
	struct submission *submission = finder->submission;
	size_t at = hash_lane(relay, domain) & finder->mask;

	for (; finder->slots[at] != 0; at = (at + 1) & finder->mask) {
		const struct lane_key *lane =
		    &submission->parts[finder->slots[at] - 1].lane;

		if (lane->relay == relay && strcmp(lane->domain, domain) == 0)
			return (uint16_t)(finder->slots[at] - 1);
	}
	assert(submission->part_count <= UINT16_MAX);
	submission->parts[submission->part_count] = (struct submission_part){
		.lane.relay = relay,
		.lane.domain =
		    *domain == '\0'
			? ""
			: message_dup_text(submission->message, domain),
	};
	finder->slots[at] = ++submission->part_count;
	return (uint16_t)(submission->part_count - 1);
}
