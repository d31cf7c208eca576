/* Command lines and their parameters. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "smtp/command.h"
#include "smtp/extensions.h"
#include "smtp/xtext.h"

#define ALL          (~0u)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct arena arena;
static struct smtp_mail_params mail;
static struct smtp_recipient rcpt;
static struct smtp_answer answer;
static const char *sender;

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}

static bool parse_mail(const char *argument, unsigned extensions)
{
	return smtp_command_parse_mail(argument, strlen(argument), extensions,
	                               &arena, &sender, &mail, &answer);
}

static bool parse_rcpt(const char *argument, unsigned extensions, bool is_utf8)
{
	return smtp_command_parse_rcpt(argument, strlen(argument), extensions,
	                               is_utf8, &arena, &rcpt, &answer);
}

static void mail_is_refused(const char *argument, unsigned extensions, int code,
                            const char *enhanced)
{
	assert_false(parse_mail(argument, extensions));
	assert_int_equal(answer.code, code);
	assert_string_equal(answer.enhanced, enhanced);
}

static void rcpt_is_refused(const char *argument, unsigned extensions, int code,
                            const char *enhanced)
{
	assert_false(parse_rcpt(argument, extensions, false));
	assert_int_equal(answer.code, code);
	assert_string_equal(answer.enhanced, enhanced);
}

static void verb_is(const char *line, enum smtp_verb verb, const char *argument)
{
	const char *found;
	size_t len;

	assert_int_equal(smtp_command_verb(line, strlen(line), &found, &len),
	                 verb);
	assert_int_equal(len, strlen(argument));
	assert_memory_equal(found, argument, len);
}

static void knows_verbs_in_any_case(void **state)
{
	(void)state;
	verb_is("EHLO me", SMTP_VERB_EHLO, "me");
	verb_is("mAiL FROM:<> ", SMTP_VERB_MAIL, "FROM:<>");
	verb_is("quit", SMTP_VERB_QUIT, "");
	verb_is("NOOP   a b  ", SMTP_VERB_NOOP, "a b");
	verb_is("XKEY abc", SMTP_VERB_XKEY, "abc");
	verb_is("", SMTP_VERB_UNKNOWN, "");
	verb_is("QUITS", SMTP_VERB_UNKNOWN, "");
	verb_is(" QUIT", SMTP_VERB_UNKNOWN, "QUIT");
	verb_is("QUIT\t", SMTP_VERB_UNKNOWN, "");
	verb_is("MAIL", SMTP_VERB_MAIL, "");
	verb_is("GET / HTTP/1.1", SMTP_VERB_FOREIGN, "/ HTTP/1.1");
	verb_is("CONNECT x:25 HTTP/1.1", SMTP_VERB_FOREIGN, "x:25 HTTP/1.1");
	verb_is("post /", SMTP_VERB_FOREIGN, "/");
}

static void takes_all_parameters_of_mail(void **state)
{
	(void)state;
	assert_true(
	    parse_mail("FROM:<a@b> SIZE=12345 BODY=8BITMIME SMTPUTF8 RET=HDRS "
	               "ENVID=QQ+2B314 HOLDFOR=60 BY=-120;NT MT-PRIORITY=-4 "
	               "XKEY=k+20ey XTAG=t XMETA=a+3D1 XRELAY=office XWAIT=300",
	               ALL));
	assert_string_equal(sender, "a@b");
	assert_int_equal(mail.size_bytes, 12345);
	assert_int_equal(mail.body, SMTP_BODY_8BITMIME);
	assert_true(mail.is_smtputf8);
	assert_int_equal(mail.ret, SMTP_RET_HDRS);
	assert_string_equal(mail.envid, "QQ+2B314");
	assert_int_equal(mail.hold_for_s, 60);
	assert_int_equal(mail.by.mode, SMTP_BY_NOTIFY);
	assert_true(mail.by.is_traced);
	assert_int_equal(mail.by.seconds, -120);
	assert_true(mail.priority.is_stated);
	assert_int_equal(mail.priority.level, -4);
	assert_string_equal(mail.key, "k ey");
	assert_string_equal(mail.tag, "t");
	assert_string_equal(mail.meta, "a=1");
	assert_string_equal(mail.relay, "office");
	assert_int_equal(mail.wait_s, 300);
}

static void takes_all_parameters_of_rcpt(void **state)
{
	(void)state;
	assert_true(parse_rcpt("TO:<c@d> NOTIFY=SUCCESS,failure,DELAY "
	                       "ORCPT=rfc822;c+2Bx@d BY=100;R MT-PRIORITY=9",
	                       ALL, false));
	assert_string_equal(rcpt.address, "c@d");
	assert_int_equal(rcpt.params.notify, SMTP_NOTIFY_SUCCESS |
	                                         SMTP_NOTIFY_FAILURE |
	                                         SMTP_NOTIFY_DELAY);
	assert_string_equal(rcpt.params.orcpt, "rfc822;c+2Bx@d");
	assert_int_equal(rcpt.params.by.seconds, 100);
	assert_int_equal(rcpt.params.priority.level, 9);
	assert_true(parse_rcpt("TO:<c@d> NOTIFY=NEVER", ALL, false));
	assert_int_equal(rcpt.params.notify, SMTP_NOTIFY_NEVER);
	assert_null(rcpt.params.orcpt);
	assert_true(parse_rcpt("TO:<c@d> ORCPT=utf-8;\xc3\xbc@d", ALL, false));
}

static void takes_the_paths_that_are_about(void **state)
{
	(void)state;
	assert_true(parse_mail("FROM:<>", ALL));
	assert_string_equal(sender, "");
	assert_true(parse_mail("from: <a@b>  SIZE=1 ", ALL));
	assert_true(parse_mail("FROM:<@x,@y:a@b>", ALL));
	assert_string_equal(sender, "a@b");
	assert_true(parse_mail("FROM:<root>", ALL));
	assert_true(parse_mail("FROM:<\"a> b\"@c>", ALL));
	assert_true(parse_rcpt("TO:<Postmaster>", ALL, false));
}

static void refuses_broken_mail(void **state)
{
	static const char *const bad_values[] = {
		"SIZE=",
		"SIZE",
		"SIZE=x",
		"SIZE=-1",
		"SIZE=123456789012345678901",
		"SIZE=1 SIZE=1",
		"BODY=BINARYMIME",
		"BODY",
		"SMTPUTF8=1",
		"SMTPUTF8=",
		"RET=ALL",
		"RET=",
		"ENVID=",
		"ENVID=a+0Ab",
		"ENVID=a+2b",
		"ENVID=+",
		"ENVID=a=b",
		"HOLDFOR=0",
		"HOLDFOR=1234567890",
		"HOLDUNTIL=soon",
		"HOLDUNTIL=2026-02-30T00:00:00Z",
		"HOLDUNTIL=0",
		"BY=1",
		"BY=;R",
		"BY=1;",
		"BY=1;X",
		"BY=0;R",
		"BY=-1;R",
		"BY=1;RTT",
		"BY=1;T",
		"BY=1234567890;N",
		"MT-PRIORITY=10",
		"MT-PRIORITY=-",
		"MT-PRIORITY=-0",
		"MT-PRIORITY=+1",
		"XKEY=",
		"XKEY=+00",
		"XKEY=a+0Db",
		"XMETA=a=1",
		"XWAIT=0",
		"XWAIT=301",
		"XWAIT=",
		"XTAG=+7F"
	};
	char argument[128];

	(void)state;
	mail_is_refused("", ALL, 501, "5.5.4");
	mail_is_refused("TO:<a@b>", ALL, 501, "5.5.4");
	mail_is_refused("FROM:a@b", ALL, 501, "5.1.7");
	mail_is_refused("FROM:<a@b", ALL, 501, "5.1.7");
	mail_is_refused("FROM:<a b@c>", ALL, 501, "5.1.7");
	mail_is_refused("FROM:<a@b>SIZE=1", ALL, 501, "5.1.7");
	mail_is_refused("FROM:<a@b> AUTH=<>", ALL, 555, "5.5.4");
	mail_is_refused("FROM:<a@b> NOTIFY=NEVER", ALL, 555, "5.5.4");
	mail_is_refused("FROM:<a@b> =x", ALL, 555, "5.5.4");
	for (size_t i = 0; i < COUNT(bad_values); i++) {
		(void)snprintf(argument, sizeof(argument), "FROM:<a@b> %s",
		               bad_values[i]);
		mail_is_refused(argument, ALL, 501, "5.5.4");
	}
	mail_is_refused("FROM:<a@b> HOLDFOR=1 HOLDUNTIL=2026-11-23T18:40:01Z",
	                ALL, 501, "5.5.4");
}

static void refuses_broken_rcpt(void **state)
{
	static const char *const bad_values[] = { "NOTIFY=",
		                                  "NOTIFY",
		                                  "NOTIFY=NEVER,DELAY",
		                                  "NOTIFY=SOMETIMES",
		                                  "NOTIFY=DELAY,",
		                                  "ORCPT=",
		                                  "ORCPT=a@b",
		                                  "ORCPT=;a@b",
		                                  "ORCPT=rfc822;",
		                                  "ORCPT=rfc822;a=b",
		                                  "ORCPT=rfc822;\xc3\xbc@d",
		                                  "ORCPT=utf-8;\xc3@d" };
	char argument[128];

	(void)state;
	rcpt_is_refused("FROM:<a@b>", ALL, 501, "5.5.4");
	rcpt_is_refused("TO:<>", ALL, 501, "5.1.3");
	rcpt_is_refused("TO:<a@b> SIZE=1", ALL, 555, "5.5.4");
	for (size_t i = 0; i < COUNT(bad_values); i++) {
		(void)snprintf(argument, sizeof(argument), "TO:<a@b> %s",
		               bad_values[i]);
		rcpt_is_refused(argument, ALL, 501, "5.5.4");
	}
}

static void knows_only_parameters_that_were_offered(void **state)
{
	static const char *const params[] = { "SIZE=1",        "BODY=7BIT",
		                              "SMTPUTF8",      "RET=FULL",
		                              "HOLDFOR=1",     "BY=1;R",
		                              "MT-PRIORITY=1", "XKEY=k" };
	char argument[64];

	(void)state;
	for (size_t i = 0; i < COUNT(params); i++) {
		(void)snprintf(argument, sizeof(argument), "FROM:<a@b> %s",
		               params[i]);
		assert_true(parse_mail(argument, ALL));
		mail_is_refused(argument, 0, 555, "5.5.4");
	}
	rcpt_is_refused("TO:<a@b> NOTIFY=NEVER", 0, 555, "5.5.4");
}

static void wants_smtputf8_for_utf8(void **state)
{
	(void)state;
	mail_is_refused("FROM:<\xc3\xbc@b>", ALL, 550, "5.6.7");
	rcpt_is_refused("TO:<\xc3\xbc@b>", ALL, 553, "5.6.7");
	mail_is_refused("FROM:<\xc3\xbc@b>", 0, 501, "5.1.7");
	assert_true(parse_mail("FROM:<\xc3\xbc@b> SMTPUTF8", ALL));
	assert_true(parse_rcpt("TO:<\xc3\xbc@b>", ALL, true));
}

static void bounds_every_value(void **state)
{
	char argument[4096];
	int n;

	(void)state;
	n = snprintf(argument, sizeof(argument), "FROM:<a@b> XKEY=");
	memset(argument + n, 'k', SMTP_KEY_MAX);
	argument[n + SMTP_KEY_MAX] = '\0';
	assert_true(parse_mail(argument, ALL));
	strcat(argument, "k");
	mail_is_refused(argument, ALL, 501, "5.5.4");

	n = snprintf(argument, sizeof(argument), "FROM:<a@b> ENVID=");
	memset(argument + n, 'k', 101);
	argument[n + 101] = '\0';
	mail_is_refused(argument, ALL, 501, "5.5.4");

	n = snprintf(argument, sizeof(argument), "TO:<a@b> ORCPT=x;");
	memset(argument + n, 'k', 499);
	argument[n + 499] = '\0';
	rcpt_is_refused(argument, ALL, 501, "5.5.4");

	assert_true(parse_mail("FROM:<a@b> SIZE=99999999999999999999", ALL));
	assert_true(mail.size_bytes == UINT64_MAX);
}

static void bdat_is(const char *argument, bool is_good, uint64_t size,
                    bool is_last)
{
	uint64_t found_size = 0;
	bool found_last = false;

	assert_int_equal(smtp_command_parse_bdat(argument, strlen(argument),
	                                         &found_size, &found_last,
	                                         &answer),
	                 is_good);
	if (!is_good) {
		assert_int_equal(answer.code, 501);
		return;
	}
	assert_true(found_size == size);
	assert_int_equal(found_last, is_last);
}

static void parses_bdat(void **state)
{
	(void)state;
	bdat_is("0", true, 0, false);
	bdat_is("86 LAST", true, 86, true);
	bdat_is("86  last", true, 86, true);
	bdat_is("999999999999999999", true, 999999999999999999, false);
	bdat_is("1000000000000000000", false, 0, false);
	bdat_is("", false, 0, false);
	bdat_is("-1", false, 0, false);
	bdat_is("LAST", false, 0, false);
	bdat_is("1LAST", false, 0, false);
	bdat_is("1 LASTS", false, 0, false);
	bdat_is("1 2", false, 0, false);
	bdat_is("0x10", false, 0, false);
}

static void takes_one_printable_name(void **state)
{
	(void)state;
	assert_true(smtp_command_parse_helo("[127.0.0.1]", 11, &answer));
	assert_false(smtp_command_parse_helo("", 0, &answer));
	assert_false(smtp_command_parse_helo("a b", 3, &answer));
	assert_false(smtp_command_parse_helo("\xc3\xbc", 2, &answer));
}

static void encodes_and_decodes_xtext(void **state)
{
	char encoded[XTEXT_ENCODED_SIZE(255)];
	char decoded[XTEXT_ENCODED_SIZE(255)];
	char all[256];

	(void)state;
	for (int i = 1; i < 256; i++)
		all[i - 1] = (char)i;
	all[255] = '\0';
	xtext_encode(all, 255, encoded);
	assert_true(xtext_is_valid(encoded, strlen(encoded)));
	assert_int_equal(xtext_decode(encoded, strlen(encoded), decoded), 0);
	assert_string_equal(decoded, all);
	assert_false(xtext_is_valid("a b", 3));
	assert_false(xtext_is_valid("a+4", 3));
	assert_false(xtext_is_valid("a+4g", 4));
	assert_false(xtext_is_valid("+2b", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_verbs_in_any_case),
		cmocka_unit_test(takes_all_parameters_of_mail),
		cmocka_unit_test(takes_all_parameters_of_rcpt),
		cmocka_unit_test(takes_the_paths_that_are_about),
		cmocka_unit_test(refuses_broken_mail),
		cmocka_unit_test(refuses_broken_rcpt),
		cmocka_unit_test(knows_only_parameters_that_were_offered),
		cmocka_unit_test(wants_smtputf8_for_utf8),
		cmocka_unit_test(bounds_every_value),
		cmocka_unit_test(parses_bdat),
		cmocka_unit_test(takes_one_printable_name),
		cmocka_unit_test(encodes_and_decodes_xtext),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
