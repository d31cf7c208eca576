/*
 * test_relay_url - relay URLs, good and bad
 */
#include "config.h"

#include "relay_url.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void must_be(const char *given, const char *expected)
{
	if (expected)
		assert_string_equal(given, expected);
	else
		assert_null(given);
}

static void takes_urls_apart(void **state)
{
	static const struct {
		const char *text;
		struct relay_url url;
	} cases[] = {
		{ "smtp://a.example",
		  { .kind = RELAY_SMTP, .host = "a.example" } },
		{ "smtp+starttls://user@a.example:587/",
		  { .kind = RELAY_SMTP,
		    .has_security = true,
		    .security = RELAY_STARTTLS,
		    .host = "a.example",
		    .port = 587,
		    .username = "user" } },
		{ "smtps://me@example.com@a.example",
		  { .kind = RELAY_SMTP,
		    .has_security = true,
		    .security = RELAY_TLS,
		    .host = "a.example",
		    .username = "me@example.com" } },
		{ "smtp://u%3aser:p%40ss%2F@[2001:db8::1]:25",
		  { .kind = RELAY_SMTP,
		    .host = "2001:db8::1",
		    .port = 25,
		    .username = "u:ser",
		    .password = "p@ss/" } },
		{ "smtp://[192.0.2.1]",
		  { .kind = RELAY_SMTP, .host = "192.0.2.1" } },
		{ "lmtp://a.example:24",
		  { .kind = RELAY_LMTP, .host = "a.example", .port = 24 } },
		{ "lmtp:///run/lmtp.sock",
		  { .kind = RELAY_LMTP, .path = "/run/lmtp.sock" } },
		{ "maildir:/tmp/x y",
		  { .kind = RELAY_MAILDIR, .path = "/tmp/x y" } },
		{ "direct:", { .kind = RELAY_DIRECT } },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct relay_url *expected = &cases[i].url;
		const char *problem = NULL;
		struct relay_url url;

		assert_int_equal(relay_url_parse(&url, cases[i].text, &problem),
		                 0);
		assert_int_equal(url.kind, expected->kind);
		assert_int_equal(url.has_security, expected->has_security);
		if (expected->has_security)
			assert_int_equal(url.security, expected->security);
		must_be(url.host, expected->host);
		assert_int_equal(url.port, expected->port);
		must_be(url.path, expected->path);
		must_be(url.username, expected->username);
		must_be(url.password, expected->password);
		relay_url_done(&url);
	}
}

static void refuses_what_is_no_relay_url(void **state)
{
	static const char *const cases[] = {
		"",
		"a.example",
		"http://a.example",
		"smtp:a.example",
		"smtp://",
		"smtp://@a.example",
		"smtp://:p@a.example",
		"smtp://u%4@a.example",
		"smtp://u%00@a.example",
		"smtp://u%zz@a.example",
		"smtp://a.example:",
		"smtp://a.example:0",
		"smtp://a.example:65536",
		"smtp://a.example:99999999999999999",
		"smtp://a.example:25x",
		"smtp://a.example/x",
		"smtp://a.example?x",
		"smtp://a b",
		"smtp://[::1",
		"smtp://[x]",
		"smtp://[]",
		"smtp://::1",
		"smtp://m\xc3\xbcller",
		"maildir:",
		"maildir:x",
		"maildir:/",
		"direct:x",
		"lmtp:///"
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *problem = NULL;
		struct relay_url url;

		assert_int_equal(relay_url_parse(&url, cases[i], &problem),
		                 -EINVAL);
		assert_non_null(problem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_urls_apart),
		cmocka_unit_test(refuses_what_is_no_relay_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
