/* Replies of real servers, and what they must mean. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "hints.h"
#include "smtp/reply.h"
#include "smtp/verdict.h"
#include "smtp/verdict_rules.h"

#define T VERDICT_TEMPORARY
#define P VERDICT_PERMANENT

struct sample {
	enum smtp_phase phase;
	const char *reply;
	enum verdict_class class;
	enum verdict_scope scope;
	enum verdict_fault fault;
};

/* clang-format off */
static const struct sample samples[] = {
	/* before MAIL nothing is final */
	{ PHASE_GREETING, "554 5.7.1 no", T, SCOPE_RELAY, FAULT_OTHER },
	{ PHASE_GREETING, "421 Too many concurrent SMTP connections",
	  T, SCOPE_RELAY, FAULT_CONCURRENCY },
	{ PHASE_GREETING, "554 Client host blocked using zen.spamhaus.org",
	  T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_EHLO, "504 5.5.2 Helo command rejected: need fully-qualified "
	  "hostname", T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_STARTTLS, "454 4.3.0 TLS currently unavailable",
	  T, SCOPE_RELAY, FAULT_TLS },
	{ PHASE_AUTH, "535 5.7.8 Username and Password not accepted.",
	  T, SCOPE_RELAY, FAULT_AUTH },
	{ PHASE_AUTH, "534 5.7.9 Application-specific password required",
	  T, SCOPE_RELAY, FAULT_AUTH },
	{ PHASE_AUTH, "454 4.7.0 Too many login attempts, please try again "
	  "later.", T, SCOPE_RELAY, FAULT_AUTH },
	{ PHASE_AUTH, "454 4.7.0 Temporary authentication failure",
	  T, SCOPE_RELAY, FAULT_OTHER },
	{ PHASE_AUTH, "535 5.7.0 Too many connections per account",
	  T, SCOPE_RELAY, FAULT_CONCURRENCY },
	{ PHASE_AUTH, "535 5.7.0 Monthly messages limit reached",
	  T, SCOPE_RELAY, FAULT_QUOTA },
	{ PHASE_AUTH, "451 Authentication failed: Maximum credits exceeded",
	  T, SCOPE_RELAY, FAULT_QUOTA },
	{ PHASE_AUTH, "451 Authentication failed", T, SCOPE_RELAY, FAULT_AUTH },
	{ PHASE_AUTH, "432 4.7.12 A password transition is needed",
	  T, SCOPE_RELAY, FAULT_AUTH },
	{ PHASE_AUTH, "503 5.5.1 authentication not enabled",
	  T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_AUTH, "538 5.7.11 Encryption required", T, SCOPE_RELAY,
	  FAULT_CONFIG },

	/* allowances, whatever the digit */
	{ PHASE_DOT, "550 5.4.5 Daily user sending limit exceeded.",
	  T, SCOPE_RELAY, FAULT_QUOTA },
	{ PHASE_DOT, "554 5.2.0 STOREDRV.Submission.Exception:"
	  "SubmissionQuotaExceededException", T, SCOPE_RELAY, FAULT_QUOTA },
	{ PHASE_MAIL, "550 5.1.90 Your message can't be sent because you've "
	  "reached your daily limit", T, SCOPE_RELAY, FAULT_QUOTA },
	{ PHASE_DOT, "454 Throttling failure: Daily message quota exceeded.",
	  T, SCOPE_RELAY, FAULT_QUOTA },
	{ PHASE_DOT, "454 Throttling failure: Maximum sending rate exceeded.",
	  T, SCOPE_RELAY, FAULT_RATE },
	{ PHASE_MAIL, "450 Requested mail action not taken: mailbox "
	  "unavailable Mail send limit exceeded", T, SCOPE_RELAY, FAULT_QUOTA },
	{ PHASE_DOT, "550 5.7.0 Requested action not taken: too many emails "
	  "per second", T, SCOPE_RELAY, FAULT_RATE },
	{ PHASE_MAIL, "450 4.7.1 Error: too much mail from 192.0.2.1",
	  T, SCOPE_RELAY, FAULT_RATE },
	{ PHASE_DOT, "432 4.3.2 Concurrent connections limit exceeded",
	  T, SCOPE_RELAY, FAULT_CONCURRENCY },
	{ PHASE_MAIL, "421 4.7.0 Max message per connection reached",
	  T, SCOPE_CONNECTION, FAULT_NONE },

	/* login and relaying */
	{ PHASE_MAIL, "530 5.7.0 Must issue a STARTTLS command first",
	  T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_MAIL, "451 5.7.3 STARTTLS is required to send mail",
	  T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_MAIL, "530 5.7.57 Client not authenticated to send mail",
	  T, SCOPE_RELAY, FAULT_AUTH },
	{ PHASE_DOT, "550 5.7.30 Basic authentication is not supported for "
	  "Client Submission", T, SCOPE_RELAY, FAULT_AUTH },
	{ PHASE_RCPT, "554 5.7.1 <b@x.test>: Relay access denied",
	  T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_RCPT, "554 5.7.1 <b@x.test>: Recipient address rejected: "
	  "Access denied", T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_RCPT, "550 5.4.1 Recipient address rejected: Access denied",
	  P, SCOPE_RECIPIENT, FAULT_NONE },
	{ PHASE_RCPT, "550 relay not permitted", T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_DOT, "421 Domain x is not allowed to send: Please activate "
	  "your account", T, SCOPE_RELAY, FAULT_CONFIG },

	/* a sender that is not ours to use */
	{ PHASE_DOT, "554 5.2.252 SendAsDenied; a@x not allowed to send as b",
	  P, SCOPE_SENDER, FAULT_NONE },
	{ PHASE_MAIL, "553 5.7.1 Sender address rejected: not owned by user",
	  P, SCOPE_SENDER, FAULT_NONE },
	{ PHASE_MAIL, "450 4.1.8 <a@x>: Sender address rejected: Domain not "
	  "found", T, SCOPE_SENDER, FAULT_NONE },
	{ PHASE_DOT, "554 Message rejected: Email address is not verified.",
	  P, SCOPE_SENDER, FAULT_NONE },
	{ PHASE_DOT, "553 Relaying disallowed as a@x.test",
	  P, SCOPE_SENDER, FAULT_NONE },

	/* the message */
	{ PHASE_MAIL, "552 5.3.4 Message size exceeds fixed limit",
	  P, SCOPE_MESSAGE, FAULT_NONE },
	{ PHASE_DOT, "552 5.2.3 too large", P, SCOPE_MESSAGE, FAULT_NONE },
	{ PHASE_DOT, "550 5.7.26 This mail is unauthenticated, the sender "
	  "must authenticate with SPF or DKIM", P, SCOPE_MESSAGE, FAULT_NONE },
	{ PHASE_DOT, "450 The given data was invalid.",
	  P, SCOPE_MESSAGE, FAULT_NONE },
	{ PHASE_DATA, "554 5.5.1 no", P, SCOPE_MESSAGE, FAULT_NONE },
	{ PHASE_DOT, "451 4.7.1 Greylisted", T, SCOPE_MESSAGE, FAULT_NONE },
	{ PHASE_MAIL, "452 4.3.1 Insufficient system storage",
	  T, SCOPE_RELAY, FAULT_OTHER },

	/* one recipient */
	{ PHASE_RCPT, "550 5.1.1 <b@x.test>: User unknown",
	  P, SCOPE_RECIPIENT, FAULT_NONE },
	{ PHASE_RCPT, "450 4.2.1 The user you are trying to contact is "
	  "receiving mail at a rate that prevents additional messages",
	  T, SCOPE_RECIPIENT, FAULT_NONE },
	{ PHASE_RCPT, "550 5.2.1 The email account that you tried to reach is "
	  "disabled", P, SCOPE_RECIPIENT, FAULT_NONE },
	{ PHASE_RCPT, "552 5.2.2 mailbox is over quota",
	  T, SCOPE_RECIPIENT, FAULT_NONE },
	{ PHASE_RCPT, "452 4.5.3 Error: too many recipients",
	  T, SCOPE_RECIPIENT, FAULT_TOO_MANY_RECIPIENTS },
	{ PHASE_RCPT, "552 no more", T, SCOPE_RECIPIENT,
	  FAULT_TOO_MANY_RECIPIENTS },
	{ PHASE_RCPT, "450 4.7.1 <b>: Recipient address rejected: Greylisted",
	  T, SCOPE_RECIPIENT, FAULT_NONE },
	{ PHASE_RCPT, "254 Suppression for b@x.test",
	  P, SCOPE_RECIPIENT, FAULT_NONE },

	/* the account or the host, in a message's or a recipient's clothes */
	{ PHASE_MAIL, "550 5.7.705 Access denied, tenant has exceeded "
	  "threshold", T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_DOT, "550 5.7.708 Service unavailable. Access denied, traffic "
	  "not accepted from this IP.", T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_RCPT, "550 5.7.68 TenantInboundAttribution; Direct Send not "
	  "allowed for this organization", T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_DOT, "554 5.1.8 Sender Address Blocked", T, SCOPE_RELAY,
	  FAULT_CONFIG },
	{ PHASE_MAIL, "553 5.7.1 [BL21] Connections will not be accepted from "
	  "203.0.113.7", T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_DOT, "550 Requested action not taken: mailbox unavailable "
	  "Failure sending mail. Try again later", T, SCOPE_RELAY,
	  FAULT_QUOTA },
	{ PHASE_RCPT, "550 mwinf5c14 ME Adresse IP source bloquee pour "
	  "incident de spam. Client host blocked for spamming issues.",
	  T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_RCPT, "550 5.1.8 Access denied, bad outbound sender.",
	  T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_RCPT, "525 5.7.1 Unauthorized IP address", T, SCOPE_RELAY,
	  FAULT_CONFIG },
	{ PHASE_RCPT, "554 Message rejected: Sending paused for this account.",
	  T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_RCPT, "550 message sending for this account is disabled",
	  T, SCOPE_RELAY, FAULT_CONFIG },
	/* of the recipient's account */
	{ PHASE_RCPT, "550 5.2.1 The email account is disabled", P,
	  SCOPE_RECIPIENT, FAULT_NONE },
	/* Postfix says it of HELO when it hears RCPT. */
	{ PHASE_RCPT, "504 5.5.2 <localhost>: Helo command rejected: need "
	  "fully-qualified hostname", T, SCOPE_RELAY, FAULT_CONFIG },
	{ PHASE_RCPT, "450 4.7.1 <nas.local>: Helo command rejected: Host not "
	  "found", T, SCOPE_RELAY, FAULT_CONFIG },

	/* codes alone */
	{ PHASE_RCPT, "421 bye", T, SCOPE_CONNECTION, FAULT_OTHER },
	{ PHASE_RCPT, "503 what", T, SCOPE_CONNECTION, FAULT_PROTOCOL },
	{ PHASE_RCPT, "499 x", T, SCOPE_RECIPIENT, FAULT_NONE },
	{ PHASE_RCPT, "571 x", P, SCOPE_RECIPIENT, FAULT_NONE },
	{ PHASE_DOT, "554 x", P, SCOPE_MESSAGE, FAULT_NONE },
};
/* clang-format on */

/* Does this place fit what a hint of the data says of its reply? */
static bool is_relays(const struct hint *hint)
{
	return strncmp(hint->action, "hold_relay", 10) == 0 ||
	       strncmp(hint->action, "pause_relay", 11) == 0 ||
	       strcmp(hint->action, "rate_down") == 0 ||
	       strcmp(hint->action, "reduce_concurrency") == 0;
}

static struct verdict judge(const char *text, enum smtp_phase phase)
{
	struct smtp_reply_parser parser = { .code = 0 };
	struct smtp_reply reply;
	struct verdict verdict;
	char line[512];

	snprintf(line, sizeof line, "%s\r\n", text);
	assert_int_equal(smtp_reply_parse(&parser, line, strlen(line), &reply),
	                 0);
	verdict_from_reply(&verdict, &reply, phase);
	return verdict;
}

static void judges_what_real_servers_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		const struct sample *s = &samples[i];
		struct verdict v = judge(s->reply, s->phase);

		if (v.class != s->class || v.scope != s->scope ||
		    v.fault != s->fault)
			fail_msg("%s: %s %s %s", s->reply,
			         verdict_class_name(v.class),
			         verdict_scope_name(v.scope),
			         verdict_fault_name(v.fault));
	}
}

/*
 * What people are told and what becomes of the mail come from two tables: where
 * the one says that it is the relay's fault, the other bounces nothing.
 */
static void bounces_nothing_that_the_hints_call_the_relays(void **state)
{
	(void)state;
	for (size_t i = 0; i < hints_table_size; i++) {
		const struct hint *hint = &hints_table[i];
		bool is_login = strcmp(hint->class, "auth") == 0 ||
		                strstr(hint->id, "auth") != NULL ||
		                strcmp(hint->id, "m365-mech") == 0 ||
		                strcmp(hint->id, "helo-invalid") == 0;

		if (!is_relays(hint) || hint->sample[0] < '4' ||
		    hint->sample[0] > '5')
			continue;
		for (int phase = PHASE_MAIL; phase <= PHASE_DOT; phase++) {
			struct verdict v;
			char text[512];

			if (is_login || phase == PHASE_DATA ||
			    strncmp(hint->id, "fallback", 8) == 0)
				continue;
			(void)snprintf(text, sizeof(text), "%s", hint->sample);
			text[3] = ' ';
			v = judge(text, (enum smtp_phase)phase);
			if (v.class == P)
				fail_msg("%s at %s: %s", hint->id,
				         smtp_phase_name(v.phase),
				         hint->sample);
		}
	}
}

/* Each code at each place, whatever its text, has a meaning. */
static void lets_nothing_before_mail_be_final(void **state)
{
	(void)state;
	for (int phase = PHASE_GREETING; phase <= PHASE_QUIT; phase++) {
		for (int code = 400; code < 600; code++) {
			char text[64];
			struct verdict v;

			snprintf(text, sizeof text, "%d x", code);
			v = judge(text, (enum smtp_phase)phase);
			assert_true(v.class == VERDICT_TEMPORARY ||
			            v.class == VERDICT_PERMANENT);
			if (phase < PHASE_MAIL) {
				assert_int_equal(v.class, VERDICT_TEMPORARY);
				assert_int_equal(v.scope, SCOPE_RELAY);
			}
			if (code < 500)
				assert_int_equal(v.class, VERDICT_TEMPORARY);
		}
	}
}

static void delivers_only_by_the_reply_to_the_dot(void **state)
{
	(void)state;
	for (int phase = PHASE_NAME; phase <= PHASE_QUIT; phase++)
		assert_int_equal(judge("250 ok", (enum smtp_phase)phase).class,
		                 phase == PHASE_DOT ? VERDICT_DELIVERED
		                                    : VERDICT_NONE);
}

static void hears_when_to_come_back(void **state)
{
	(void)state;
	assert_int_equal(judge("451 4.7.1 try again in 300 seconds", PHASE_RCPT)
	                     .retry_after_s,
	                 300);
	assert_int_equal(
	    judge("450 Please retry after 5 minutes", PHASE_RCPT).retry_after_s,
	    300);
	assert_int_equal(
	    judge("450 try again in 2 hours", PHASE_RCPT).retry_after_s, 7200);
	assert_int_equal(judge("450 wait 99999999999999999999 days", PHASE_RCPT)
	                     .retry_after_s,
	                 86400);
	assert_int_equal(judge("450 wait a bit", PHASE_RCPT).retry_after_s, 0);
	assert_int_equal(judge("454 4.7.0 busy", PHASE_AUTH).retry_after_s,
	                 300);
}

static void keeps_the_relays_own_words(void **state)
{
	struct verdict v = judge("250 2.0.0 Ok: queued as AB12", PHASE_DOT);

	(void)state;
	assert_string_equal(v.text, "Ok: queued as AB12");
	assert_int_equal(v.code, 250);
	assert_int_equal(v.enhanced[0], 2);
	verdict_local(&v, VERDICT_TEMPORARY, SCOPE_RELAY, PHASE_CONNECT,
	              FAULT_NETWORK, "no\nroute");
	assert_string_equal(v.text, "no?route");
	assert_false(verdict_is_final(&v));
}

static bool fits(const char *pattern, const char *text)
{
	static const uint16_t none[3];

	return verdict_pattern_fits(NULL, NULL, pattern, 550, none, text);
}

static void compares_with_stars_and_alternatives(void **state)
{
	(void)state;
	assert_true(fits("quota*exceeded", "Mail quota was EXCEEDED today"));
	assert_false(fits("quota*exceeded", "exceeded quota"));
	assert_true(fits("no|quota", "the quota"));
	assert_true(fits("a*bc*d", "a bb bc c cd"));
	assert_false(fits("a*bc*d", "a bb b c cd"));
	assert_true(fits("code ?5", "code x5"));
	assert_false(fits("code ?5", "code 5"));
	assert_true(fits("end*", "the end"));
	assert_true(fits("aab", "aaab"));
	assert_true(fits("a*aab", "aaaaab"));
	assert_false(fits("*x*", "abc"));
}

/* A relay chooses the text, and an administrator's stars are no trap. */
static void compares_no_text_for_long(void **state)
{
	char text[VERDICT_TEXT_SIZE];
	struct timespec before, after;
	double seconds;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	for (unsigned i = 0; i < 100; i++)
		assert_false(fits("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b|"
		                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
		                  text));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	seconds = (double)(after.tv_sec - before.tv_sec) +
	          (double)(after.tv_nsec - before.tv_nsec) / 1e9;
	assert_true(seconds < 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_what_real_servers_say),
		cmocka_unit_test(
		    bounces_nothing_that_the_hints_call_the_relays),
		cmocka_unit_test(lets_nothing_before_mail_be_final),
		cmocka_unit_test(delivers_only_by_the_reply_to_the_dot),
		cmocka_unit_test(hears_when_to_come_back),
		cmocka_unit_test(compares_with_stars_and_alternatives),
		cmocka_unit_test(compares_no_text_for_long),
		cmocka_unit_test(keeps_the_relays_own_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
