/*
 * test_authorship - nobody writes in another's name
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "receive/authorship.h"
#include "settings.h"

static char *words[] = { (char[]){ "@example.com" }, NULL };
static const struct submitter_rule bound = { .senders = { words, 1 } };
static const struct submitter_rule free_of_rules = { .any_relay = true };
static const struct settings settings = { .domain = (char[]){ "example.com" } };

static bool is_allowed(const char *header)
{
	struct smtp_answer answer = { 0 };
	bool is_good = authorship_check_header(&bound, &settings, header,
	                                       strlen(header), &answer);

	assert_int_equal(answer.code, is_good ? 0 : 550);
	return is_good;
}

static void lets_own_names_through(void **state)
{
	static const char *const headers[] = {
		"Subject: no author at all\r\n",
		"From: www@example.com\r\n",
		"From: The Shop <www@EXAMPLE.com>\r\n",
		"From: \"Shop, Inc.\" <www@example.com>, b@example.com\r\n",
		"from: team: a@example.com, b@example.com;\r\n",
		"From: www\r\n",
		"From: \"www@example.com\" <www@example.com>\r\n",
		"From: =?utf-8?q?J=C3=B6rg?= <www@example.com>\r\n",
		"From: meet @ noon <www@example.com>\r\n",
		"From: a@example.com, b@example.com\r\nSender: a@example.com"
		"\r\n",
		/* Who gets it is another matter. */
		"From: www@example.com\r\nReply-To: x@example.net\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (!is_allowed(headers[i]))
			fail_msg("refused: %s", headers[i]);
}

static void refuses_other_names(void **state)
{
	static const char *const headers[] = {
		"From: ceo@example.net\r\n",
		"From: www@example.com, ceo@example.net\r\n",
		"From: www@example.com\r\nSender: ceo@example.net\r\n",
		"From: www@example.com\r\nResent-From: ceo@example.net\r\n",
		"FROM : ceo@example.net\r\n",
		"From: \"ceo@example.net\" <www@example.com>\r\n",
		"From: ceo@example.net <www@example.com>\r\n",
		"From: =?utf-8?q?ceo=40example.net?= <www@example.com>\r\n",
		"From: =?us-ascii?B?Y2VvQGV4YW1wbGUubmV0?= <www@example.com>"
		"\r\n",
		"From: =?utf-8?q?ceo=40?= =?utf-8?q?example.net?= "
		"<www@example.com>\r\n",
		"From:\r\n ceo@example.net\r\n",
		"From: team: a@example.com, ceo@example.net;\r\n",
		"From: www@example.com.example.net\r\n",
		/* Not to be read, and so not to be judged. */
		"From: <\r\n",
		"From: \r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (is_allowed(headers[i]))
			fail_msg("let through: %s", headers[i]);
}

static void binds_the_envelope_and_lets_reports_out(void **state)
{
	(void)state;
	assert_true(authorship_is_allowed(&bound, &settings, ""));
	assert_true(authorship_is_allowed(&bound, &settings, "www"));
	assert_true(
	    authorship_is_allowed(&bound, &settings, "www@example.com"));
	assert_false(
	    authorship_is_allowed(&bound, &settings, "www@example.net"));
}

static void leaves_those_without_a_rule_alone(void **state)
{
	static const char header[] = "From: anybody@example.net\r\n";
	struct smtp_answer answer = { 0 };

	(void)state;
	assert_true(authorship_is_allowed(&free_of_rules, &settings,
	                                  "anybody@example.net"));
	assert_true(authorship_check_header(&free_of_rules, &settings, header,
	                                    strlen(header), &answer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_own_names_through),
		cmocka_unit_test(refuses_other_names),
		cmocka_unit_test(binds_the_envelope_and_lets_reports_out),
		cmocka_unit_test(leaves_those_without_a_rule_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
