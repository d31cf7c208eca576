/*
 * smtp/verdict_rules - the table that gives a reply its meaning
 *
 * The first rule that fits decides, so what is particular comes before what
 * is general: words that name one recipient, then words that speak of the
 * account or the relay however final their code looks, then the codes alone.
 * Real servers' replies wrote this table; test_verdict.c has them.
 *
 * Promise: nothing said before MAIL is ever permanent, and neither is what
 * speaks of login, relaying, quota, rate, connections or the account.
 */
#include "config.h"

#include "smtp/verdict_rules.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define AT(phase)   (1u << PHASE_##phase)
#define TRANSACTION (AT(MAIL) | AT(RCPT) | AT(DATA) | AT(BODY) | AT(DOT))
#define CONTENT     (AT(DATA) | AT(BODY) | AT(DOT))
#define SENDER      (AT(MAIL) | AT(RCPT) | AT(BODY) | AT(DOT))
#define BEFORE_MAIL (AT(GREETING) | AT(EHLO) | AT(STARTTLS) | AT(AUTH))
#define ANYWHERE    (~0u)

#define TEMPORARY  VERDICT_TEMPORARY
#define PERMANENT  VERDICT_PERMANENT
#define CONNECTION SCOPE_CONNECTION
#define RELAY      SCOPE_RELAY
#define MESSAGE    SCOPE_MESSAGE
#define RECIPIENT  SCOPE_RECIPIENT

#define MINUTES(n) ((n)*60u)
#define HOURS(n)   ((n)*3600u)

/* clang-format off */
static const struct verdict_rule rules[] = {

/* --- Success that is none ------------------------------------------------ */

{ ANYWHERE, "254", NULL, "suppress",
	PERMANENT, RECIPIENT, FAULT_NONE, 0 },

/* --- Login: the mail is innocent ----------------------------------------- */

{ AT(AUTH), "xxx", NULL, "too many * connections|too many connections|"
	"thread limit",
	TEMPORARY, RELAY, FAULT_CONCURRENCY, 0 },
{ AT(AUTH), "xxx", NULL, "too many|try again later",
	TEMPORARY, RELAY, FAULT_AUTH, MINUTES(30) },
{ AT(AUTH), "xxx", NULL, "limit|quota|maximum credits",
	TEMPORARY, RELAY, FAULT_QUOTA, HOURS(1) },
{ AT(AUTH), "4xx", NULL, "temporary|temporarily|system problem|"
	"try again|unavailable",
	TEMPORARY, RELAY, FAULT_OTHER, MINUTES(5) },
{ AT(AUTH), "4xx", NULL, "authentication failed|credentials|password|"
	"unauthori|transition",
	TEMPORARY, RELAY, FAULT_AUTH, 0 },
{ AT(AUTH), "432", NULL, NULL,
	TEMPORARY, RELAY, FAULT_AUTH, 0 },
{ AT(AUTH), "4xx", NULL, NULL,
	TEMPORARY, RELAY, FAULT_OTHER, MINUTES(5) },
{ AT(AUTH), "50x|530|538|521", NULL, NULL,
	TEMPORARY, RELAY, FAULT_CONFIG, 0 },
{ AT(AUTH), "5xx", NULL, NULL,
	TEMPORARY, RELAY, FAULT_AUTH, 0 },

/* --- Everything else before MAIL: "not now" or "not you" ----------------- */

{ BEFORE_MAIL, "xxx", NULL, "too many * connections|too many connections|"
	"trop de connexions|maximum number of * connections|"
	"connections per|concurrent connections",
	TEMPORARY, RELAY, FAULT_CONCURRENCY, 0 },
{ BEFORE_MAIL, "xxx", NULL, "rate limit|ratelimit|throttl|too fast",
	TEMPORARY, RELAY, FAULT_RATE, MINUTES(15) },
{ BEFORE_MAIL, "4xx|5xx", NULL, "blocked using|block list|blocklist|"
	"blacklist|reverse dns|reverse hostname|ptr record|cannot find your|"
	"tls 1.0|tls 1.1",
	TEMPORARY, RELAY, FAULT_CONFIG, HOURS(1) },
{ AT(STARTTLS), "421", NULL, NULL,
	TEMPORARY, RELAY, FAULT_OTHER, 0 },
{ AT(STARTTLS), "4xx", NULL, NULL,
	TEMPORARY, RELAY, FAULT_TLS, MINUTES(5) },
{ AT(STARTTLS), "5xx", NULL, NULL,
	TEMPORARY, RELAY, FAULT_CONFIG, 0 },
{ AT(EHLO), "5xx", NULL, NULL,
	TEMPORARY, RELAY, FAULT_CONFIG, 0 },
{ AT(GREETING), "521|556", NULL, NULL,
	TEMPORARY, RELAY, FAULT_CONFIG, HOURS(1) },
{ BEFORE_MAIL, "xxx", NULL, NULL,
	TEMPORARY, RELAY, FAULT_OTHER, 0 },

/* --- One recipient, in words that look like the relay's ------------------ */

{ TRANSACTION, "4xx", NULL, "user you are trying to contact is receiving",
	TEMPORARY, RECIPIENT, FAULT_NONE, 0 },
{ TRANSACTION, "5xx", NULL, "account that you tried to reach",
	PERMANENT, RECIPIENT, FAULT_NONE, 0 },
{ AT(RCPT), "4xx", NULL, "greylist|graylist|grey list|gray list|"
	"verification in progress|unverified",
	TEMPORARY, RECIPIENT, FAULT_NONE, 0 },
{ TRANSACTION, "4xx", NULL, "greylist|graylist|grey list|gray list",
	TEMPORARY, MESSAGE, FAULT_NONE, 0 },
{ AT(RCPT), "452", "x.5.3", NULL,
	TEMPORARY, RECIPIENT, FAULT_TOO_MANY_RECIPIENTS, 0 },
{ AT(RCPT), "45x|55x", NULL, "too many recipients",
	TEMPORARY, RECIPIENT, FAULT_TOO_MANY_RECIPIENTS, 0 },

/* --- The account's allowance: never the message's fault ------------------ */

{ TRANSACTION, "4xx", NULL, "per second|per minute",
	TEMPORARY, RELAY, FAULT_RATE, 0 },
{ TRANSACTION, "4xx|5xx", "x.4.5|5.1.90", NULL,
	TEMPORARY, RELAY, FAULT_QUOTA, HOURS(1) },
{ TRANSACTION, "4xx|5xx", NULL, "submissionquota|organization queue quota|"
	"sending limit|sending quota|send limit|daily limit|daily message|"
	"daily smtp|daily user|daily quota|daily sending|hourly limit|"
	"per hour|per day|messages limit reached|messaging limits|"
	"mail limit|relay limit|maximum credits|frequency limited|"
	"not allowed to send: * limit|not allowed to send: * quota|"
	"failure sending mail*try again|quota exceeded for|rp:orq|hl:itc",
	TEMPORARY, RELAY, FAULT_QUOTA, HOURS(1) },
{ TRANSACTION, "4xx|5xx", NULL, "too many * connections|"
	"too many connections|thread limit|concurrent connections|"
	"trop de connexions|maximum number of * connections",
	TEMPORARY, RELAY, FAULT_CONCURRENCY, 0 },
{ TRANSACTION, "4xx", NULL, "messages per connection|"
	"message per connection|messages per session|for this session|"
	"for this connection|transactions per|too many messages sent",
	TEMPORARY, CONNECTION, FAULT_NONE, 0 },
{ TRANSACTION, "4xx|5xx", NULL, "throttl|rate limit|ratelimit|"
	"rate-limit|too fast|slow down|too much mail|too many e-mails|"
	"too many emails|too many messages|per second|per minute|"
	"sending rate|recipient rate|unusual rate|server busy",
	TEMPORARY, RELAY, FAULT_RATE, 0 },

/* --- The content or its sender's domain ---------------------------------- */

{ TRANSACTION, "4xx", NULL, "dmarc|dkim| spf|sender policy framework",
	TEMPORARY, MESSAGE, FAULT_NONE, 0 },
{ TRANSACTION, "5xx", NULL, "dmarc|dkim| spf|sender policy framework",
	PERMANENT, MESSAGE, FAULT_NONE, 0 },
{ TRANSACTION, "4xx|5xx", NULL, "sandbox subdomains|"
	"given data was invalid",
	PERMANENT, MESSAGE, FAULT_NONE, 0 },

/* --- Login or encryption wanted, relaying refused, account closed -------- */

{ TRANSACTION, "4xx|5xx", NULL, "starttls|encryption required",
	TEMPORARY, RELAY, FAULT_CONFIG, 0 },
{ TRANSACTION, "530", NULL, "from/sender name",
	PERMANENT, SCOPE_SENDER, FAULT_NONE, 0 },
{ TRANSACTION, "530|534|535|538", NULL, NULL,
	TEMPORARY, RELAY, FAULT_AUTH, 0 },
{ TRANSACTION, "4xx|5xx", "5.7.57|5.7.30|5.7.139", NULL,
	TEMPORARY, RELAY, FAULT_AUTH, 0 },
{ TRANSACTION, "4xx|5xx", NULL, "authentication required|"
	"authentication is required|authentication needed|not authenticated|"
	"please authenticate|must issue an auth|must authenticate|"
	"unauthenticated senders|smtp authentication|login required|"
	"log in first|authentification requise|code d?authentification|"
	"basic authentication|invalid credentials",
	TEMPORARY, RELAY, FAULT_AUTH, 0 },
{ SENDER, "4xx", NULL, "relaying disallowed as",
	TEMPORARY, SCOPE_SENDER, FAULT_NONE, 0 },
{ SENDER, "5xx", NULL, "relaying disallowed as",
	PERMANENT, SCOPE_SENDER, FAULT_NONE, 0 },
{ TRANSACTION, "4xx|5xx", NULL, "relay access denied|relay denied|"
	"relaying denied|relay not permitted|relaying not permitted|"
	"not permitted to relay|unable to relay|relaying disallowed|"
	"relaying prohibited|relay prohibited|relaying is not allowed|"
	"relay is not allowed|required for relay|not relay",
	TEMPORARY, RELAY, FAULT_CONFIG, 0 },
/* Postfix to a client without a login; Microsoft says 5.4.1 for nobody. */
{ AT(RCPT), "4xx|5xx", "5.7.1", "rejected: access denied",
	TEMPORARY, RELAY, FAULT_CONFIG, 0 },
{ TRANSACTION, "4xx|5xx", "5.7.705|5.7.708|5.7.68", NULL,
	TEMPORARY, RELAY, FAULT_CONFIG, 0 },
{ TRANSACTION, "4xx|5xx", NULL, "please activate|"
	"not authorized to perform|sending paused|sending suspended|"
	"unusual sending|unauthorized ip|ip address is not allowed|"
	"sending for this account|outgoing blocked|bad outbound sender|"
	"sender address blocked|tenant has exceeded",
	TEMPORARY, RELAY, FAULT_CONFIG, 0 },
/* At RCPT it may be the recipient's account. */
{ AT(MAIL) | CONTENT, "4xx|5xx", NULL, "is not allowed to send|"
	"not subscribed|account * disabled|account * suspended|"
	"account * locked|account * blocked|account * expired|"
	"mailbox full*storedrv|shutoffquota",
	TEMPORARY, RELAY, FAULT_CONFIG, 0 },
{ TRANSACTION, "4xx|5xx", NULL, "blocked using|client host * blocked|"
	"client host blocked|connections will not be accepted|"
	"our block list|banned sending ip|ip source bloquee|reverse dns|"
	"reverse hostname|ptr record|cannot find your|ip reputation|"
	"tls 1.0|tls 1.1",
	TEMPORARY, RELAY, FAULT_CONFIG, HOURS(1) },
/* Of what was said long before, as many servers do it. */
{ TRANSACTION, "4xx|5xx", NULL, "helo command rejected|"
	"ehlo command rejected",
	TEMPORARY, RELAY, FAULT_CONFIG, HOURS(1) },

/* --- A sender this login may not use ------------------------------------- */

{ SENDER, "4xx", NULL, "sendas|not owned by|sender address rejected|"
	"sender * rejected|not a verified|not verified",
	TEMPORARY, SCOPE_SENDER, FAULT_NONE, 0 },
{ SENDER, "5xx", NULL, "sendas|send as this sender|not owned|"
	"sender address rejected|sender * rejected|sender * not allowed|"
	"sender identity|not a verified|address is not verified|"
	"sending from domain|unconfigured sending domain|"
	"unknown sender|emetteur invalide|sender verify failed|"
	"domain of sender",
	PERMANENT, SCOPE_SENDER, FAULT_NONE, 0 },
{ AT(MAIL) | CONTENT, "5xx", "5.1.7|5.1.8", NULL,
	PERMANENT, SCOPE_SENDER, FAULT_NONE, 0 },
{ AT(MAIL), "553", NULL, NULL,
	PERMANENT, SCOPE_SENDER, FAULT_NONE, 0 },

/* --- Room ---------------------------------------------------------------- */

{ AT(MAIL) | CONTENT, "55x|523", "5.3.4|5.2.3", NULL,
	PERMANENT, MESSAGE, FAULT_NONE, 0 },
{ AT(MAIL) | CONTENT, "4xx", "4.3.1", NULL,
	TEMPORARY, RELAY, FAULT_OTHER, MINUTES(15) },
{ AT(MAIL) | CONTENT, "4xx", NULL, "insufficient|storage|disk|resources|"
	"load average|overload",
	TEMPORARY, RELAY, FAULT_OTHER, MINUTES(15) },
{ AT(RCPT) | AT(DOT), "452|552|550|554", "x.2.2", NULL,
	TEMPORARY, RECIPIENT, FAULT_NONE, HOURS(4) },
{ AT(RCPT), "452|552|550", NULL, "mailbox * full|mailbox full|over quota|"
	"overquota|quota exceeded|inbox is full|boite * pleine",
	TEMPORARY, RECIPIENT, FAULT_NONE, HOURS(4) },
/* RFC 5321 4.5.3.1.10: a client takes 552 here for 452. */
{ AT(RCPT), "452|552", NULL, NULL,
	TEMPORARY, RECIPIENT, FAULT_TOO_MANY_RECIPIENTS, 0 },

/* --- Codes alone --------------------------------------------------------- */

{ TRANSACTION, "421", NULL, NULL,
	TEMPORARY, CONNECTION, FAULT_OTHER, 0 },
/* Both sides disagree about where they are. */
{ AT(MAIL) | AT(RCPT) | AT(DATA), "500|502|503", NULL, NULL,
	TEMPORARY, CONNECTION, FAULT_PROTOCOL, 0 },
{ AT(RCPT), "4xx", NULL, NULL,
	TEMPORARY, RECIPIENT, FAULT_NONE, 0 },
{ AT(RCPT), "5xx", NULL, NULL,
	PERMANENT, RECIPIENT, FAULT_NONE, 0 },
{ TRANSACTION, "4xx", NULL, NULL,
	TEMPORARY, MESSAGE, FAULT_NONE, 0 },
{ TRANSACTION, "5xx", NULL, NULL,
	PERMANENT, MESSAGE, FAULT_NONE, 0 },
{ ANYWHERE, "4xx|5xx", NULL, NULL,
	TEMPORARY, CONNECTION, FAULT_OTHER, 0 },
};
/* clang-format on */

static bool code_fits(const char *codes, uint16_t code);
static bool enhanced_fits(const char *statuses, const uint16_t enhanced[3]);
static bool text_fits(const char *phrases, const char *text);
static bool phrase_fits(const char *phrase, size_t len, const char *text);

static const struct verdict_rule *
find_in(const struct verdict_rule *rule, size_t count, enum smtp_phase phase,
        uint16_t code, const uint16_t enhanced[3], const char *text)
{
	for (; count > 0; count--, rule++) {
		if ((rule->phases & 1u << phase) &&
		    verdict_pattern_fits(rule->codes, rule->enhanced,
		                         rule->text, code, enhanced, text))
			return rule;
	}
	return NULL;
}

const struct verdict_rule *verdict_rule_find(enum smtp_phase phase,
                                             uint16_t code,
                                             const uint16_t enhanced[3],
                                             const char *text,
                                             const struct verdict_ruleset *own)
{
	const struct verdict_rule *rule = NULL;

	if (own)
		rule = find_in(own->rules, own->count, phase, code, enhanced,
		               text);
	return rule ? rule
	            : find_in(rules, sizeof rules / sizeof rules[0], phase,
	                      code, enhanced, text);
}

bool verdict_pattern_fits(const char *codes, const char *enhanced,
                          const char *text, uint16_t code,
                          const uint16_t reply_enhanced[3],
                          const char *reply_text)
{
	return (!codes || code_fits(codes, code)) &&
	       (!enhanced || enhanced_fits(enhanced, reply_enhanced)) &&
	       (!text || text_fits(text, reply_text));
}

bool verdict_codes_are_valid(const char *codes)
{
	for (;; codes += 4) {
		if (!(codes[0] == '4' || codes[0] == '5' || codes[0] == 'x'))
			return false;
		for (int i = 1; i < 3; i++)
			if (!isdigit((unsigned char)codes[i]) &&
			    codes[i] != 'x')
				return false;
		if (codes[3] == '\0')
			return true;
		if (codes[3] != '|')
			return false;
	}
}

/* "x.7.1|5.4.x" */
bool verdict_enhanced_are_valid(const char *enhanced)
{
	unsigned numbers = 0;

	for (;;) {
		size_t len =
		    *enhanced == 'x' ? 1 : strspn(enhanced, "0123456789");

		if (len == 0 || len > 3)
			return false;
		enhanced += len;
		numbers++;
		if (*enhanced == '.' && numbers < 3) {
			enhanced++;
		} else if (numbers == 3 && *enhanced == '|') {
			enhanced++;
			numbers = 0;
		} else {
			return numbers == 3 && *enhanced == '\0';
		}
	}
}

static bool code_fits(const char *codes, uint16_t code)
{
	const char digits[3] = {
		(char)('0' + code / 100),
		(char)('0' + code / 10 % 10),
		(char)('0' + code % 10),
	};

	/* "xxx|xxx": every fourth character is a bar or the end */
	for (const char *at = codes;; at += 4) {
		bool is_equal = true;

		for (int i = 0; i < 3; i++)
			is_equal &= at[i] == 'x' || at[i] == digits[i];
		if (is_equal)
			return true;
		if (!at[3])
			return false;
	}
}

static bool enhanced_fits(const char *statuses, const uint16_t enhanced[3])
{
	const char *at = statuses;

	if (enhanced[0] == 0)
		return false;
	while (*at) {
		bool is_equal = true;

		for (int i = 0; i < 3; i++) {
			char *end;

			if (*at == 'x') {
				at++;
			} else {
				unsigned long number = strtoul(at, &end, 10);

				is_equal &= number == enhanced[i];
				at = end;
			}
			if (*at)
				at++; /* a dot, or the bar */
		}
		if (is_equal)
			return true;
	}
	return false;
}

static bool text_fits(const char *phrases, const char *text)
{
	while (*phrases) {
		size_t len = strcspn(phrases, "|");

		if (phrase_fits(phrases, len, text))
			return true;
		phrases += len;
		phrases += *phrases == '|';
	}
	return false;
}

/*
 * Does the phrase fit anywhere? `*` is any text, `?` any one octet. Only the
 * last `*` is ever tried again, so that no text of a relay takes long: what an
 * earlier one took more than it had to, the later one could have taken as well.
 */
static bool phrase_fits(const char *phrase, size_t len, const char *text)
{
	const char *end = phrase + len;
	/* As if a star stood in front. */
	const char *star = phrase, *resume = text;

	while (phrase < end) {
		if (*phrase == '*') {
			star = ++phrase;
			resume = text;
		} else if (*text == '\0') {
			return false;
		} else if (*phrase == '?' ||
		           *phrase == tolower((unsigned char)*text)) {
			phrase++;
			text++;
		} else {
			phrase = star;
			text = ++resume;
		}
	}
	return true;
}
