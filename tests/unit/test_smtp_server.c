/* The receiving side. What is only a dialogue is in tests/dialogues/server. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../support/recording_session.h"
#include "smtp/extensions.h"

#define ENVELOPE "EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"

static struct recording_session s;

static void start(void)
{
	recording_session_init(&s, NULL);
	s.answer = smtp_answer(250, "2.0.0", "Ok: queued as 1");
}

static void stop(void)
{
	recording_session_done(&s);
}

static void say(const char *text)
{
	(void)recording_session_feed(&s, text, strlen(text), 0);
}

static void log_is(const char *expected)
{
	assert_string_equal(recording_session_log(&s), expected);
}

static void content_is(const char *expected)
{
	assert_string_equal(recording_session_message(&s), expected);
}

static bool replied(const char *part)
{
	return strstr(recording_session_replies(&s), part) != NULL;
}

static void waits_for_the_commit_and_leaves_pipelined_input_unread(void **state)
{
	static const char text[] =
	    ENVELOPE "DATA\r\nA: 1\r\n\r\nx\r\n.\r\nNOOP\r\nQUIT\r\n";
	size_t used;

	(void)state;
	start();
	s.answer.code = 0;
	used = recording_session_feed(&s, text, strlen(text), 0);
	assert_string_equal(text + used, "NOOP\r\nQUIT\r\n");
	assert_true(smtp_server_is_suspended(s.server));
	assert_false(replied("queued"));
	log_is("mail a@b\nrcpt c@d\ndata\nend 1\n");

	assert_int_equal(smtp_server_feed(s.server, "NOOP\r\n", 6), 0);
	smtp_server_answer_message(s.server,
	                           smtp_answer(250, "2.0.0", "queued as 7"));
	assert_false(smtp_server_is_suspended(s.server));
	say(text + used);
	assert_string_equal(recording_session_replies(&s),
	                    "250 2.0.0 queued as 7\r\n250 2.0.0 Ok\r\n"
	                    "221 2.0.0 Bye\r\n");
	assert_true(smtp_server_is_finished(s.server));
	log_is("mail a@b\nrcpt c@d\ndata\nend 1\n");
	stop();
}

static void gathers_the_replies_of_a_group(void **state)
{
	(void)state;
	start();
	say("EHLO me\r\n");
	(void)recording_session_replies(&s);
	say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<refused@d>\r\n"
	    "DATA\r\n");
	assert_string_equal(recording_session_replies(&s),
	                    "250 2.0.0 Ok\r\n250 2.1.5 Ok\r\n"
	                    "550 5.1.1 Nobody here\r\n"
	                    "354 Go ahead, and end with <CRLF>.<CRLF>\r\n");
	assert_true(smtp_server_is_in_content(s.server));
	stop();
}

static void takes_the_same_in_pieces_of_any_size(void **state)
{
	static const char text[] =
	    ENVELOPE "DATA\r\nSubject: x\r\n\r\n..dot\nbare\r\n.\r\n"
		     "MAIL FROM:<>\r\nRCPT TO:<e@f>\r\nBDAT 6\r\nB: 2\r\n"
		     "BDAT 5 LAST\r\n\r\n.y\nQUIT\r\n";

	(void)state;
	for (size_t piece = 1; piece <= strlen(text); piece++) {
		start();
		assert_int_equal(
		    recording_session_feed(&s, text, strlen(text), piece),
		    strlen(text));
		log_is("mail a@b\nrcpt c@d\ndata\nend 1\n"
		       "mail \nrcpt e@f\ndata\nend 1\n");
		content_is("B: 2\r\n\r\n.y\r\n");
		assert_true(smtp_server_is_finished(s.server));
		stop();
	}
}

/* Content with this inside, then a command that must not be one. */
static void smuggles(const char *sequence, size_t len)
{
	static const char evil[] = "MAIL FROM:<evil@x>\r\nRCPT TO:<v@x>\r\n"
				   "DATA\r\nevil\r\n.\r\n";
	char text[512];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text),
	                     ENVELOPE "DATA\r\nA: 1\r\n\r\nx");
	memcpy(text + n, sequence, len);
	n += len;
	memcpy(text + n, evil, strlen(evil));
	n += strlen(evil);
	for (size_t cut = 0; cut <= n; cut++) {
		start();
		(void)recording_session_feed(&s, text, cut, 0);
		assert_int_equal(
		    recording_session_feed(&s, text + cut, n - cut, 0),
		    n - cut);
		assert_null(strstr(recording_session_log(&s), "evil"));
		assert_false(smtp_server_is_in_content(s.server));
		assert_in_range(s.messages, 0, 1);
		if (s.messages == 0)
			assert_true(replied("550 5.6.0 "));
		else
			assert_non_null(strstr(recording_session_message(&s),
			                       "DATA\r\nevil\r\n"));
		stop();
	}
}

static void lets_nobody_smuggle_a_second_message(void **state)
{
	static const char bytes[] = "\r\n.\0";

	(void)state;
	/* Every sequence of up to five such bytes, but CRLF.CRLF itself. */
	for (unsigned len = 1; len <= 5; len++) {
		for (unsigned n = 0; n < 1u << (2 * len); n++) {
			char sequence[5];

			for (unsigned i = 0; i < len; i++)
				sequence[i] = bytes[n >> (2 * i) & 3];
			if (len == 5 && memcmp(sequence, "\r\n.\r\n", 5) == 0)
				continue;
			smuggles(sequence, len);
		}
	}
}

static void content_with_a_nul_or_a_bare_cr_is_refused(void **state)
{
	(void)state;
	start();
	say(ENVELOPE "DATA\r\nA: 1\r\n\r\na\rb\r\n.\r\n");
	assert_true(replied("550 5.6.0 "));
	log_is("mail a@b\nrcpt c@d\ndata\nreset\n");
	say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3 LAST\r\na\r\r");
	assert_true(replied("550 5.6.0 "));
	say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nok\r\n.\r\n");
	assert_true(replied("250 2.0.0 Ok: queued"));
	stop();
}

static void commands_must_end_in_crlf(void **state)
{
	static const char *const lines[] = { "NOOP\n",       "\n",
		                             "NOOP\r\r\n",   "NOOP\rQUIT\r\n",
		                             "NO\001OP\r\n", "NOOP \x7f\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		for (size_t piece = 0; piece < 3; piece++) {
			start();
			(void)recording_session_feed(&s, lines[i],
			                             strlen(lines[i]), piece);
			assert_true(replied("500 5.5.2 "));
			assert_true(smtp_server_is_finished(s.server));
			assert_int_equal(smtp_server_feed(s.server, "x", 1), 0);
			stop();
		}
	}
}

static void refuses_lines_without_end(void **state)
{
	char line[1000];

	(void)state;
	memset(line, 'a', sizeof(line));
	start();
	for (unsigned i = 0; i < 20; i++)
		(void)smtp_server_feed(s.server, line, sizeof(line));
	assert_true(replied("500 5.5.2 The line is too long"));
	assert_true(smtp_server_is_finished(s.server));
	stop();

	start();
	memcpy(line, "NOOP ", 5);
	memcpy(line + 998, "\r\n", 2);
	(void)smtp_server_feed(s.server, line, sizeof(line));
	assert_true(replied("500 5.5.2 The line is too long"));
	assert_false(smtp_server_is_finished(s.server));
	stop();
}

static void drains_content_over_the_limit_and_goes_on(void **state)
{
	static const struct smtp_server_settings settings = {
		.hostname = "h",
		.extensions = SMTP_EXT_BASIC,
		.message_size_bytes = 20,
	};

	(void)state;
	recording_session_init(&s, &settings);
	s.answer = smtp_answer(250, "2.0.0", "Ok: queued as 1");
	say(ENVELOPE "DATA\r\n12345678\r\n12345678\r\n.\r\n");
	assert_true(replied("queued"));
	say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
	    "DATA\r\n12345678\r\n12345678\r\n\r\n.\r\n");
	assert_true(replied("552 5.3.4 "));
	say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
	    "BDAT 15\r\n12345678\r\n12345BDAT 15\r\n12345678\r\n12345"
	    "BDAT 0 LAST\r\nNOOP\r\n");
	assert_string_equal(recording_session_replies(&s),
	                    "250 2.0.0 Ok\r\n250 2.1.5 Ok\r\n"
	                    "250 2.0.0 15 octets received\r\n"
	                    "552 5.3.4 The message is too large\r\n"
	                    "552 5.3.4 The message is too large\r\n"
	                    "250 2.0.0 Ok\r\n");
	assert_int_equal(s.messages, 1);
	stop();
}

static void the_session_may_fail_a_message(void **state)
{
	(void)state;
	start();
	s.content_failure = smtp_answer(452, "4.3.1", "Disk full");
	say(ENVELOPE "DATA\r\nA: 1\r\n\r\nx\r\ny\r\n.\r\n");
	assert_true(replied("452 4.3.1 Disk full\r\n"));
	log_is("mail a@b\nrcpt c@d\ndata\nreset\n");
	s.content_failure = smtp_answer(421, "4.3.2", "Going down");
	say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
	    "DATA\r\nA: 1\r\n\r\nx\r\n.\r\nNOOP\r\n");
	assert_true(replied("421 4.3.2 Going down\r\n"));
	assert_true(smtp_server_is_finished(s.server));
	stop();
}

static void the_session_may_refuse_at_every_step(void **state)
{
	(void)state;
	start();
	s.mail_answer = smtp_answer(550, "5.7.1", "Not you");
	say("EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
	assert_true(replied("550 5.7.1 Not you\r\n503 5.5.1 Say MAIL first"));
	s.mail_answer.code = 0;
	say("MAIL FROM:<a@b>\r\nRCPT TO:<refused@d>\r\nDATA\r\n");
	assert_true(replied("503 5.5.1 There is no valid recipient"));
	s.data_answer = smtp_answer(452, "4.3.1", "Full");
	say("RCPT TO:<c@d>\r\nDATA\r\nRSET\r\n");
	assert_true(replied("452 4.3.1 Full\r\n250 2.0.0 Ok"));
	say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\nabcBDAT 0 LAST\r\n");
	assert_true(replied("452 4.3.1 Full\r\n452 4.3.1 Full\r\n"));
	assert_int_equal(s.messages, 0);
	stop();
}

static void lmtp_answers_every_recipient(void **state)
{
	(void)state;
	start();
	s.answer.code = 0;
	say("LHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
	    "RCPT TO:<refused@d>\r\nRCPT TO:<e@f>\r\nRCPT TO:<g@h>\r\n"
	    "DATA\r\nx\r\n.\r\n");
	assert_true(smtp_server_is_lmtp(s.server));
	(void)recording_session_replies(&s);
	smtp_server_answer_recipient(s.server, 1,
	                             smtp_answer(550, "5.1.1", "two"));
	smtp_server_answer_message(s.server, smtp_answer(250, "2.0.0", "ok"));
	assert_string_equal(recording_session_replies(&s),
	                    "250 2.0.0 ok\r\n550 5.1.1 two\r\n"
	                    "250 2.0.0 ok\r\n");
	/* The next message starts afresh. */
	say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n"
	    "DATA\r\nx\r\n.\r\n");
	(void)recording_session_replies(&s);
	smtp_server_answer_message(s.server, smtp_answer(451, "4.3.0", "no"));
	assert_string_equal(recording_session_replies(&s),
	                    "451 4.3.0 no\r\n451 4.3.0 no\r\n");
	say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n"
	    "DATA\r\nx\ry\r\n.\r\n");
	assert_true(replied("550 5.6.0 A bare CR or a NUL is in it\r\n"
	                    "550 5.6.0 A bare CR or a NUL is in it\r\n"));
	stop();
}

static void stops_reading_while_nobody_takes_the_replies(void **state)
{
	size_t used = 0;

	(void)state;
	start();
	for (unsigned i = 0; i < 10000; i++)
		used += smtp_server_feed(s.server, "NOOP\r\n", 6);
	assert_in_range(used, 1, 10000 * 6 - 1);
	assert_in_range(smtp_server_output(s.server)->len, 1,
	                SMTP_SERVER_OUTPUT_HIGH + 512);
	buffer_clear(smtp_server_output(s.server));
	assert_int_equal(smtp_server_feed(s.server, "NOOP\r\n", 6), 6);
	stop();
}

static void values_in_answers_cannot_forge_lines(void **state)
{
	char text[2000];

	(void)state;
	start();
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "a\r\n250 b\t\xc3", 10);
	s.mail_answer = smtp_answer(550, "5.7.1", text);
	say("EHLO me\r\n");
	(void)recording_session_replies(&s);
	say("MAIL FROM:<a@b>\r\n");
	{
		const char *reply = recording_session_replies(&s);

		assert_memory_equal(reply, "550 5.7.1 a??250 b??xxx", 23);
		assert_int_equal(strlen(reply), 512);
		assert_string_equal(reply + 510, "\r\n");
	}
	stop();
}

static void resets_are_told_when_a_transaction_is_lost(void **state)
{
	(void)state;
	start();
	say(ENVELOPE "RSET\r\nRSET\r\n");
	log_is("mail a@b\nrcpt c@d\nreset\n");
	say("MAIL FROM:<e@f>\r\nEHLO me\r\n");
	log_is("mail a@b\nrcpt c@d\nreset\nmail e@f\nreset\n");
	say("MAIL FROM:<g@h>\r\nQUIT\r\n");
	log_is("mail a@b\nrcpt c@d\nreset\nmail e@f\nreset\n"
	       "mail g@h\nreset\n");
	stop();
}

static void keeps_parameters_for_the_end_of_the_message(void **state)
{
	(void)state;
	start();
	say("EHLO me\r\nMAIL FROM:<a@b> SIZE=3 BODY=8BITMIME RET=FULL\r\n"
	    "RCPT TO:<c@d> NOTIFY=DELAY ORCPT=rfc822;x@y\r\n"
	    "DATA\r\nx\r\n.\r\n");
	assert_int_equal(s.params.body, SMTP_BODY_8BITMIME);
	assert_int_equal(s.params.ret, SMTP_RET_FULL);
	assert_int_equal(s.params.size_bytes, 3);
	assert_int_equal(s.notify, SMTP_NOTIFY_DELAY);
	assert_string_equal(s.orcpt, "rfc822;x@y");
	stop();
}

static void knows_what_was_said_in_the_last_greeting(void **state)
{
	(void)state;
	start();
	say("LHLO me\r\n");
	assert_true(smtp_server_is_lmtp(s.server));
	say("EHLO you\r\n");
	assert_false(smtp_server_is_lmtp(s.server));
	assert_string_equal(smtp_server_helo(s.server), "you");
	stop();
}

static void gives_up_when_closed_from_outside(void **state)
{
	(void)state;
	start();
	say(ENVELOPE "DATA\r\nx\r\n");
	(void)recording_session_replies(&s);
	smtp_server_close(s.server, smtp_answer(421, "4.4.2", "Too slow"));
	assert_string_equal(recording_session_replies(&s),
	                    "421 4.4.2 Too slow\r\n");
	assert_true(smtp_server_is_finished(s.server));
	assert_int_equal(smtp_server_feed(s.server, ".\r\n", 3), 0);
	assert_int_equal(s.messages, 0);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    waits_for_the_commit_and_leaves_pipelined_input_unread),
		cmocka_unit_test(gathers_the_replies_of_a_group),
		cmocka_unit_test(takes_the_same_in_pieces_of_any_size),
		cmocka_unit_test(lets_nobody_smuggle_a_second_message),
		cmocka_unit_test(content_with_a_nul_or_a_bare_cr_is_refused),
		cmocka_unit_test(commands_must_end_in_crlf),
		cmocka_unit_test(refuses_lines_without_end),
		cmocka_unit_test(drains_content_over_the_limit_and_goes_on),
		cmocka_unit_test(the_session_may_fail_a_message),
		cmocka_unit_test(the_session_may_refuse_at_every_step),
		cmocka_unit_test(lmtp_answers_every_recipient),
		cmocka_unit_test(stops_reading_while_nobody_takes_the_replies),
		cmocka_unit_test(values_in_answers_cannot_forge_lines),
		cmocka_unit_test(resets_are_told_when_a_transaction_is_lost),
		cmocka_unit_test(keeps_parameters_for_the_end_of_the_message),
		cmocka_unit_test(knows_what_was_said_in_the_last_greeting),
		cmocka_unit_test(gives_up_when_closed_from_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
