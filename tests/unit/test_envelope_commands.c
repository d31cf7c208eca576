/*
 * Envelopes as commands, and the answers to them.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "envelope_commands.h"
#include "outcome.h"
#include "person.h"
#include "sendmail_recipients.h"
#include "smtp/reply.h"

static struct smtp_reply reply_of(const char *text)
{
	struct smtp_reply_parser parser = { 0 };
	struct smtp_reply reply;

	assert_int_equal(smtp_reply_parse(&parser, text, strlen(text), &reply),
	                 0);
	return reply;
}

static struct offers offers_of(const char *text)
{
	struct smtp_reply reply = reply_of(text);
	struct offers offers;

	offers_read(&offers, &reply);
	return offers;
}

static const char *const one[] = { "b@example.net" };
static const char *const two[] = { "b@example.net", "root" };

static void check(const struct relais_envelope *envelope,
                  const struct offers *offers, uint64_t size, const char *key,
                  const char *expected)
{
	struct buffer out;

	buffer_init(&out, 0);
	assert_int_equal(envelope_append(&out, envelope, offers, size, key), 0);
	assert_int_equal(buffer_append(&out, "", 1), 0);
	assert_string_equal(out.data, expected);
	buffer_done(&out);
}

static void says_no_more_than_is_understood(void **state)
{
	struct offers offers = offers_of("250-x\r\n250 PIPELINING\r\n");
	struct relais_envelope envelope = {
		.sender = "a@example.com",
		.recipients = one,
		.recipient_count = 1,
		.tag = "t",
		.notify = RELAIS_NOTIFY_NEVER,
		.priority = 5,
		.wait_s = 5,
	};

	(void)state;
	check(&envelope, &offers, 9, "k",
	      "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n");
}

static void says_all_that_was_asked_for(void **state)
{
	struct offers offers = offers_of(
	    "250-x\r\n250-SIZE 0\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
	    "250-MT-PRIORITY\r\n250-FUTURERELEASE 9 x\r\n250-DELIVERBY\r\n"
	    "250 XRELAIS 1 KEY TAG META RELAY WAIT NEWER\r\n");
	struct relais_envelope envelope = {
		.recipients = two,
		.recipient_count = 2,
		.tag = "t t",
		.meta = "a=1",
		.relay = "r",
		.wait_s = 5,
		.hold_s = 60,
		.deadline_s = 120,
		.priority = -5,
		.notify = RELAIS_NOTIFY_SUCCESS | RELAIS_NOTIFY_DELAY,
		.return_what = RELAIS_RETURN_FULL,
		.envelope_id = "e+1",
		.is_smtputf8 = 1,
	};

	(void)state;
	check(&envelope, &offers, 9, "k",
	      "MAIL FROM:<> SIZE=9 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=e+2B1 "
	      "HOLDFOR=60 BY=120;R MT-PRIORITY=-5 XKEY=k XTAG=t+20t "
	      "XMETA=a+3D1 XRELAY=r XWAIT=5\r\n"
	      "RCPT TO:<b@example.net> NOTIFY=SUCCESS,DELAY\r\n"
	      "RCPT TO:<root> NOTIFY=SUCCESS,DELAY\r\n");
}

static void knows_only_its_own_version_of_xrelais(void **state)
{
	(void)state;
	assert_int_equal(
	    offers_of("250-x\r\n250 XRELAIS 2 KEY\r\n").private_words, 0);
	assert_int_equal(offers_of("250-x\r\n250 XRELAIS 1\r\n").private_words,
	                 0);
	assert_int_equal(
	    offers_of("250-x\r\n250 xrelais 1 wait key\r\n").private_words,
	    PRIVATE_WAIT | PRIVATE_KEY);
	assert_int_equal(
	    offers_of("250-x\r\n250 XRELAIS 1 KEYS\r\n").private_words, 0);
}

static void refuses_what_would_break_out(void **state)
{
	static const char *const bad[] = { "b@example.net> SIZE=1" };
	const char *long_text = "0123456789012345678901234567890123456789"
				"0123456789012345678901234567890123456789"
				"0123456789012345678901234567890123456789"
				"0123456789";
	struct relais_envelope cases[] = {
		{ .sender = "a@b\r\nQUIT",
		  .recipients = one,
		  .recipient_count = 1 },
		{ .sender = "a b", .recipients = one, .recipient_count = 1 },
		{ .recipients = bad, .recipient_count = 1 },
		{ .recipients = one, .recipient_count = 0 },
		{ .recipients = one, .recipient_count = 1, .key = "" },
		{ .recipients = one, .recipient_count = 1, .key = "\n" },
		{ .recipients = one, .recipient_count = 1, .tag = long_text },
		{ .recipients = one,
		  .recipient_count = 1,
		  .envelope_id = long_text },
		{ .recipients = one,
		  .recipient_count = 1,
		  .envelope_id = "\xc3\xa9" },
		{ .recipients = one, .recipient_count = 1, .notify = 3 },
		{ .recipients = one, .recipient_count = 1, .notify = 16 },
		{ .recipients = one, .recipient_count = 1, .priority = 10 },
		{ .recipients = one, .recipient_count = 1, .wait_s = 301 },
	};
	struct relais_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(envelope_check(&cases[i], &answer),
		                 RELAIS_INVALID);
		assert_int_equal(answer.result, RELAIS_INVALID);
		assert_true(answer.text[0] != '\0');
	}
}

static void understands_answers(void **state)
{
	static const struct {
		const char *reply;
		bool waits;
		enum relais_result result;
		const char *id, *status;
		int is_duplicate;
	} cases[] = {
		{ "250 2.0.0 Ok: queued as 6h15xjeag0000\r\n", false, RELAIS_OK,
		  "6h15xjeag0000", "2.0.0", 0 },
		{ "250 2.0.0 Ok: queued as 6h15xjeag0000 (duplicate)\r\n",
		  false, RELAIS_OK, "6h15xjeag0000", "2.0.0", 1 },
		{ "250 2.0.0 Ok: queued as 6h15xjeag0000 (pending)\r\n", true,
		  RELAIS_PENDING, "6h15xjeag0000", "2.0.0", 0 },
		{ "250 2.0.0 Ok: queued as 6h15xjeag0000 (partial)\r\n", true,
		  RELAIS_PARTIAL, "6h15xjeag0000", "2.0.0", 0 },
		{ "250 2.0.0 6h15xjeag0000\r\n", false, RELAIS_OK,
		  "6h15xjeag0000", "2.0.0", 0 },
		{ "250 6h15xjeag0000\r\n", false, RELAIS_OK, "6h15xjeag0000",
		  "", 0 },
		{ "550 5.1.1 As queued as x (failed as 6h15xjeag0000)\r\n",
		  true, RELAIS_FAILED, "6h15xjeag0000", "5.1.1", 0 },
		{ "550 5.1.1 Not as 6h15xjeag0000\r\n", false, RELAIS_REJECTED,
		  "", "5.1.1", 0 },
		{ "452 4.3.1 The queue is full\r\n", true, RELAIS_TRY_LATER, "",
		  "4.3.1", 0 },
		{ "250 Ok: queued as 6h15xjeag000u\r\n", false, RELAIS_OK, "",
		  "", 0 },
		{ "250 Ok: queued as 6h15xjeag00001\r\n", false, RELAIS_OK, "",
		  "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp_reply reply = reply_of(cases[i].reply);
		struct relais_answer answer;

		assert_int_equal(
		    outcome_take_reply(&answer, &reply, cases[i].waits),
		    cases[i].result);
		assert_string_equal(answer.id, cases[i].id);
		assert_string_equal(answer.status, cases[i].status);
		assert_int_equal(answer.is_duplicate, cases[i].is_duplicate);
		assert_int_equal(answer.recipient, -1);
	}
}

static void writes_from_fields(void **state)
{
	static const struct {
		const char *name, *field;
	} cases[] = {
		{ "", "From: <a@b>\r\n" },
		{ "Cron Daemon", "From: Cron Daemon <a@b>\r\n" },
		{ "O'Neil, \"X\"", "From: \"O'Neil, \\\"X\\\"\" <a@b>\r\n" },
		{ "a\r\nb", "From: ab <a@b>\r\n" },
		{ "J\xc3\xbcrgen M.",
		  "From: =?UTF-8?Q?J=C3=BCrgen_M=2E?= <a@b>\r\n" },
		{ "\xff", "From: <a@b>\r\n" },
		{ "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
		  "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
		  "From: =?UTF-8?Q?=C3=A9=C3=A9=C3=A9=C3=A9=C3=A9=C3=A9"
		  "=C3=A9=C3=A9=C3=A9=C3=A9?=\r\n "
		  "=?UTF-8?Q?=C3=A9?= <a@b>\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer out;

		buffer_init(&out, 0);
		assert_int_equal(person_append_from(&out, cases[i].name, "a@b"),
		                 0);
		assert_int_equal(buffer_append(&out, "", 1), 0);
		assert_string_equal(out.data, cases[i].field);
		buffer_done(&out);
	}
}

static void takes_recipients_of_a_header(void **state)
{
	static const char header[] =
	    "To: a@example.net,\r\n b@example.net\r\nSubject: x@y\r\n"
	    "CC: Group: c@example.net;\r\nbcc: \r\nResent-From: z@z\r\n";
	static const char resent[] =
	    "To: a@example.net\r\nResent-Cc: r@example.net\r\n";
	struct sendmail_recipients recipients;

	(void)state;
	sendmail_recipients_init(&recipients);
	assert_int_equal(sendmail_recipients_add_header(&recipients, header,
	                                                sizeof(header) - 1),
	                 0);
	assert_int_equal(recipients.count, 3);
	assert_string_equal(recipients.list[2], "c@example.net");
	assert_int_equal(sendmail_recipients_add_header(&recipients, resent,
	                                                sizeof(resent) - 1),
	                 0);
	assert_int_equal(recipients.count, 4);
	assert_string_equal(recipients.list[3], "r@example.net");
	for (int i = 0; i < 100; i++)
		assert_int_equal(sendmail_recipients_add_operand(
				     &recipients, "x@example.net, y"),
		                 0);
	assert_int_equal(recipients.count, 204);
	assert_string_equal(recipients.list[0], "a@example.net");
	assert_true(sendmail_recipients_add_operand(&recipients, "-fx") < 0);
	assert_true(sendmail_recipients_add_operand(&recipients, "a b") < 0);
	assert_true(sendmail_recipients_add_operand(&recipients, "a\r\n") < 0);
	sendmail_recipients_done(&recipients);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_no_more_than_is_understood),
		cmocka_unit_test(says_all_that_was_asked_for),
		cmocka_unit_test(knows_only_its_own_version_of_xrelais),
		cmocka_unit_test(refuses_what_would_break_out),
		cmocka_unit_test(understands_answers),
		cmocka_unit_test(writes_from_fields),
		cmocka_unit_test(takes_recipients_of_a_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
