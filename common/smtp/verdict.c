/*
 * smtp/verdict - what the far side said of a recipient, as data
 */
#include "config.h"

#include "smtp/verdict.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "smtp/reply.h"
#include "smtp/verdict_rules.h"

/* "try again in a year" is not believed. */
#define RETRY_AFTER_MAX_S (24u * 3600u)

static uint32_t retry_after(const char *text);

void verdict_from_reply(struct verdict *ret_verdict,
                        const struct smtp_reply *reply, enum smtp_phase phase)
{
	verdict_from_reply_by(ret_verdict, reply, phase, NULL);
}

void verdict_from_reply_by(struct verdict *ret_verdict,
                           const struct smtp_reply *reply,
                           enum smtp_phase phase,
                           const struct verdict_ruleset *own)
{
	struct verdict *v = ret_verdict;
	const struct verdict_rule *rule;

	*v = (struct verdict){ .class = VERDICT_NONE,
		               .scope = SCOPE_RECIPIENT,
		               .phase = phase,
		               .code = reply->code };
	memcpy(v->enhanced, reply->enhanced, sizeof v->enhanced);
	smtp_reply_text(reply, v->text, sizeof v->text);

	rule = verdict_rule_find(phase, v->code, v->enhanced, v->text, own);
	if (reply->code >= 400 || (rule && rule->class == VERDICT_PERMANENT)) {
		assert(rule);
		v->class = rule->class;
		v->scope = rule->scope;
		v->fault = rule->fault;
		v->retry_after_s = retry_after(v->text);
		if (v->retry_after_s == 0)
			v->retry_after_s = rule->retry_after_s;
	} else if (phase == PHASE_DOT && reply->code < 300) {
		v->class = VERDICT_DELIVERED;
	}
}

/* "try again in 300 seconds", "retry after 5 min": the wish in seconds. */
static uint32_t retry_after(const char *text)
{
	static const char *const openings[] = { "again in ", "again after ",
		                                "retry in ", "retry after ",
		                                "wait " };
	const char *at = NULL;
	uint32_t number = 0;
	uint32_t unit = 1;

	for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
		at = strcasestr(text, openings[i]);
		if (at) {
			at += strlen(openings[i]);
			break;
		}
	}
	if (!at)
		return 0;

	while (*at >= '0' && *at <= '9' && number < RETRY_AFTER_MAX_S)
		number = number * 10 + (uint32_t)(*at++ - '0');
	while (*at == ' ')
		at++;
	if (strncasecmp(at, "min", 3) == 0)
		unit = 60;
	else if (strncasecmp(at, "hour", 4) == 0)
		unit = 3600;
	else if (strncasecmp(at, "day", 3) == 0)
		unit = 24 * 3600;
	if (number > RETRY_AFTER_MAX_S / unit)
		return RETRY_AFTER_MAX_S;
	return number * unit;
}

void verdict_local(struct verdict *ret_verdict, enum verdict_class class,
                   enum verdict_scope scope, enum smtp_phase phase,
                   enum verdict_fault fault, const char *text)
{
	*ret_verdict = (struct verdict){
		.class = class,
		.scope = scope,
		.phase = phase,
		.fault = fault,
	};
	verdict_set_text(ret_verdict, text);
}

void verdict_set_text(struct verdict *verdict, const char *text)
{
	smtp_text_clean(verdict->text, sizeof verdict->text, text,
	                strlen(text));
}

bool verdict_is_final(const struct verdict *verdict)
{
	return verdict->class == VERDICT_DELIVERED ||
	       verdict->class == VERDICT_PERMANENT;
}

const char *verdict_class_name(enum verdict_class class)
{
	switch (class) {
	case VERDICT_NONE:
		return "none";
	case VERDICT_DELIVERED:
		return "delivered";
	case VERDICT_TEMPORARY:
		return "temporary";
	case VERDICT_PERMANENT:
		return "permanent";
	case VERDICT_UNKNOWN:
		return "unknown";
	}
	return "none";
}

const char *verdict_scope_name(enum verdict_scope scope)
{
	switch (scope) {
	case SCOPE_CONNECTION:
		return "connection";
	case SCOPE_RELAY:
		return "relay";
	case SCOPE_SENDER:
		return "sender";
	case SCOPE_MESSAGE:
		return "message";
	case SCOPE_RECIPIENT:
		return "recipient";
	case SCOPE_STAGING:
		return "staging";
	}
	return "connection";
}

const char *verdict_fault_name(enum verdict_fault fault)
{
	switch (fault) {
	case FAULT_NONE:
		return "none";
	case FAULT_AUTH:
		return "auth";
	case FAULT_QUOTA:
		return "quota";
	case FAULT_RATE:
		return "rate";
	case FAULT_CONCURRENCY:
		return "concurrency";
	case FAULT_CONFIG:
		return "config";
	case FAULT_NETWORK:
		return "network";
	case FAULT_TLS:
		return "tls";
	case FAULT_PROTOCOL:
		return "protocol";
	case FAULT_OTHER:
		return "other";
	case FAULT_TOO_MANY_RECIPIENTS:
		return "recipients";
	}
	return "none";
}

const char *smtp_phase_name(enum smtp_phase phase)
{
	static const char *const names[] = {
		[PHASE_NAME] = "name", [PHASE_CONNECT] = "connect",
		[PHASE_TLS] = "tls",   [PHASE_GREETING] = "greeting",
		[PHASE_EHLO] = "ehlo", [PHASE_STARTTLS] = "starttls",
		[PHASE_AUTH] = "auth", [PHASE_MAIL] = "mail",
		[PHASE_RCPT] = "rcpt", [PHASE_DATA] = "data",
		[PHASE_BODY] = "body", [PHASE_DOT] = "dot",
		[PHASE_RSET] = "rset", [PHASE_QUIT] = "quit",
	};

	assert((size_t)phase < sizeof names / sizeof names[0]);
	return names[phase];
}
