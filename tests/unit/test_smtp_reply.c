/* Replies as servers write them, cut anywhere. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/capabilities.h"
#include "smtp/reply.h"

static struct smtp_reply parse(const char *text)
{
	struct smtp_reply_parser parser = { .code = 0 };
	struct smtp_reply reply;

	assert_int_equal(smtp_reply_parse(&parser, text, strlen(text), &reply),
	                 0);
	return reply;
}

static void expect_refused(const char *text)
{
	struct smtp_reply_parser parser = { .code = 0 };
	struct smtp_reply reply;

	assert_int_equal(smtp_reply_parse(&parser, text, strlen(text), &reply),
	                 -EPROTO);
}

static void expect_text(const char *text, const char *expected)
{
	struct smtp_reply reply = parse(text);
	char clean[400];

	smtp_reply_text(&reply, clean, sizeof clean);
	assert_string_equal(clean, expected);
}

static void reads_one_reply_of_many(void **state)
{
	const char *text = "250-a\r\n250 b\r\n354 c\r\n";
	struct smtp_reply reply = parse(text);

	(void)state;
	assert_int_equal(reply.code, 250);
	assert_int_equal(reply.size, strlen("250-a\r\n250 b\r\n"));
	assert_true(smtp_reply_is_positive(&reply));
	reply = parse(text + reply.size);
	assert_int_equal(reply.code, 354);
	assert_true(smtp_reply_is_intermediate(&reply));
}

static void waits_for_the_last_line(void **state)
{
	const char *text = "250-first\r\n250 last\r\n";
	struct smtp_reply_parser parser = { .code = 0 };
	struct smtp_reply reply;

	(void)state;
	for (size_t len = 0; len < strlen(text); len++)
		assert_int_equal(smtp_reply_parse(&parser, text, len, &reply),
		                 -EAGAIN);
	assert_int_equal(smtp_reply_parse(&parser, text, strlen(text), &reply),
	                 0);
	assert_int_equal(reply.size, strlen(text));
}

static void tolerates_bare_lf_and_no_text(void **state)
{
	(void)state;
	assert_int_equal(parse("250\r\n").code, 250);
	assert_int_equal(parse("250\n").code, 250);
	assert_int_equal(parse("250-x\n250 y\n").size, 12);
}

static void refuses_what_is_not_smtp(void **state)
{
	(void)state;
	expect_refused("HTTP/1.1 400 Bad Request\r\n");
	expect_refused("150 ok\r\n");
	expect_refused("650 ok\r\n");
	expect_refused("25\r\n");
	expect_refused("2500 ok\r\n");
	expect_refused("\r\n");
	expect_refused("250-a\r\nx\r\n");
}

static void refuses_endless_lines_and_replies(void **state)
{
	size_t size = (SMTP_REPLY_LINES_MAX + 1) * 8;
	char *text = malloc(size + 8192);
	struct smtp_reply_parser parser = { .code = 0 };
	struct smtp_reply reply;

	(void)state;
	memset(text, 'x', 8192);
	memcpy(text, "220 ", 4);
	assert_int_equal(
	    smtp_reply_parse(&parser, text, SMTP_REPLY_LINE_MAX, &reply),
	    -EAGAIN);
	assert_int_equal(smtp_reply_parse(&parser, text, 8192, &reply),
	                 -EPROTO);

	parser = (struct smtp_reply_parser){ .code = 0 };
	for (size_t i = 0; i < size; i += 8)
		memcpy(text + i, "220-go\r\n", 8);
	assert_int_equal(
	    smtp_reply_parse(&parser, text, SMTP_REPLY_LINES_MAX * 8, &reply),
	    -EAGAIN);
	assert_int_equal(smtp_reply_parse(&parser, text, size, &reply),
	                 -EPROTO);
	free(text);
}

static void takes_the_last_code_of_several(void **state)
{
	struct smtp_reply reply = parse("250-a\r\n550 b\r\n");

	(void)state;
	assert_int_equal(reply.code, 550);
	assert_true(reply.is_inconsistent);
	assert_false(parse("250-a\r\n250 b\r\n").is_inconsistent);
}

static void finds_the_enhanced_code(void **state)
{
	struct smtp_reply reply = parse("550 5.1.1 no such user\r\n");

	(void)state;
	assert_int_equal(reply.enhanced[0], 5);
	assert_int_equal(reply.enhanced[1], 1);
	assert_int_equal(reply.enhanced[2], 1);
	assert_int_equal(parse("451 5.7.139 no\r\n").enhanced[2], 139);
	assert_int_equal(parse("550 5.7.1\r\n").enhanced[1], 7);
	/* these have none */
	assert_int_equal(parse("550 5.1.1234 no\r\n").enhanced[0], 0);
	assert_int_equal(parse("550 2.1.1 no\r\n").enhanced[0], 0);
	assert_int_equal(parse("250 5.1.1 yes\r\n").enhanced[0], 0);
	assert_int_equal(parse("550 5.1 no\r\n").enhanced[0], 0);
	assert_int_equal(parse("550 10.0.0.1 no\r\n").enhanced[0], 0);
}

static void joins_lines_without_their_codes(void **state)
{
	(void)state;
	expect_text("550-5.7.1 not\r\n550-5.7.1\r\n550 5.7.1 you\r\n",
	            "not you");
	expect_text("250 2.0.0 Ok: queued as 1\r\n", "Ok: queued as 1");
	expect_text("250\r\n", "");
}

static void cleans_hostile_text(void **state)
{
	(void)state;
	expect_text("550 a\x1b[31mb\tc\x7f\r\n", "a?[31mb c?");
	expect_text("550 caf\xc3\xa9 \xe9 \xc0\xaf \xed\xa0\x80\r\n",
	            "caf\xc3\xa9 ? ?? ???");
	/* a C1 control, a line separator, a change of direction */
	expect_text("550 \xc2\x85|\xe2\x80\xa8|\xe2\x80\xae|\r\n",
	            "\?\?|\?\?\?|\?\?\?|");
}

static void cuts_text_between_characters(void **state)
{
	char text[6];

	(void)state;
	smtp_text_clean(text, sizeof text, "abcd\xc3\xa9", 6);
	assert_string_equal(text, "abcd");
	smtp_text_clean(text, sizeof text, "abc\xc3\xa9", 5);
	assert_string_equal(text, "abc\xc3\xa9");
}

static struct smtp_capabilities offered(const char *text)
{
	struct smtp_reply reply = parse(text);
	struct smtp_capabilities capabilities;

	smtp_capabilities_parse(&capabilities, &reply);
	return capabilities;
}

static void reads_what_ehlo_offers(void **state)
{
	struct smtp_capabilities c = offered(
	    "250-mx.test PIPELINING\r\n250-size 35882577\r\n250-8BITMIME\r\n"
	    "250-AUTH PLAIN login XOAUTH2 NTLM\r\n250-StartTLS\r\n"
	    "250-LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1\r\n"
	    "250-DELIVERBY 240\r\n250 DSN\r\n");

	(void)state;
	/* the first line is a greeting, not an offer */
	assert_false(smtp_capabilities_have(&c, SMTP_EXT_PIPELINING));
	assert_true(smtp_capabilities_have(&c, SMTP_EXT_SIZE));
	assert_true(smtp_capabilities_have(&c, SMTP_EXT_8BITMIME));
	assert_true(smtp_capabilities_have(&c, SMTP_EXT_STARTTLS));
	assert_true(smtp_capabilities_have(&c, SMTP_EXT_DSN));
	assert_int_equal(c.size_max_bytes, 35882577);
	assert_int_equal(c.mechanisms, SMTP_MECHANISM_PLAIN |
	                                   SMTP_MECHANISM_LOGIN |
	                                   SMTP_MECHANISM_XOAUTH2);
	assert_int_equal(c.rcpt_max, 20);
	assert_int_equal(c.mail_max, 5);
	assert_int_equal(c.by_min_s, 240);
}

static void copes_with_odd_offers(void **state)
{
	struct smtp_capabilities c = offered(
	    "250-mx.test\r\n250-8 BITMIME\r\n250-AUTH=PLAIN LOGIN\r\n"
	    "250-AUTH SCRAM-SHA-256\r\n250-SIZE abc\r\n250-\r\n"
	    "250-LIMITS RCPTMAX MAILMAX=x RCPTMAX=99999999999\r\n250 =\r\n");

	(void)state;
	assert_false(smtp_capabilities_have(&c, SMTP_EXT_8BITMIME));
	assert_int_equal(c.mechanisms, SMTP_MECHANISM_PLAIN |
	                                   SMTP_MECHANISM_LOGIN |
	                                   SMTP_MECHANISM_SCRAM_SHA_256);
	assert_int_equal(c.size_max_bytes, 0);
	assert_int_equal(c.rcpt_max, 0);
	assert_int_equal(c.mail_max, 0);
}

static void names_mechanisms(void **state)
{
	(void)state;
	for (unsigned m = 1; smtp_mechanism_name(m); m <<= 1)
		assert_int_equal(
		    smtp_mechanism_parse(smtp_mechanism_name(m),
		                         strlen(smtp_mechanism_name(m))),
		    m);
	assert_int_equal(smtp_mechanism_parse("scram-sha-1", 11),
	                 SMTP_MECHANISM_SCRAM_SHA_1);
	assert_int_equal(smtp_mechanism_parse("NTLM", 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_one_reply_of_many),
		cmocka_unit_test(waits_for_the_last_line),
		cmocka_unit_test(tolerates_bare_lf_and_no_text),
		cmocka_unit_test(refuses_what_is_not_smtp),
		cmocka_unit_test(refuses_endless_lines_and_replies),
		cmocka_unit_test(takes_the_last_code_of_several),
		cmocka_unit_test(finds_the_enhanced_code),
		cmocka_unit_test(joins_lines_without_their_codes),
		cmocka_unit_test(cleans_hostile_text),
		cmocka_unit_test(cuts_text_between_characters),
		cmocka_unit_test(reads_what_ehlo_offers),
		cmocka_unit_test(copes_with_odd_offers),
		cmocka_unit_test(names_mechanisms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
