/* Logins, with GNU SASL's own server on the other side. */
#include "config.h"

#include <errno.h>
#include <gsasl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buffer.h"
#include "deliver/sasl.h"

static const struct sasl_options with_password = {
	.username = "user@us.test",
	.password = "pässword",
	.host = "mx.test",
	.port = 587,
};
static const struct sasl_options with_token = {
	.username = "user@us.test",
	.token = "ya29.token",
	.host = "mx.test",
	.port = 587,
};

static struct sasl *sasl;
static const struct smtp_client_auth *auth;
static struct buffer out;

static void use(const struct sasl_options *options)
{
	assert_int_equal(sasl_new(&sasl, options), 0);
	auth = sasl_auth(sasl);
}

static int set_up(void **state)
{
	(void)state;
	buffer_init(&out, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sasl_free(sasl);
	sasl = NULL;
	buffer_done(&out);
	return 0;
}

static int start(unsigned mechanisms, bool has_tls)
{
	const struct smtp_capabilities offer = { .mechanisms = mechanisms };

	buffer_clear(&out);
	return auth->start(auth->context, &offer, has_tls, &out);
}

static int step(const char *challenge)
{
	buffer_clear(&out);
	return auth->step(auth->context, challenge, strlen(challenge), &out);
}

static const char *said(void)
{
	assert_int_equal(buffer_append(&out, "", 1), 0);
	buffer_truncate(&out, out.len - 1);
	return out.data;
}

static const char *decoded(void)
{
	static char text[1024];
	char *raw;
	size_t len;

	assert_int_equal(gsasl_base64_from(said(), strlen(said()), &raw, &len),
	                 GSASL_OK);
	snprintf(text, sizeof text, "%.*s", (int)len, raw);
	gsasl_free(raw);
	return text;
}

/* --- Whole exchanges ----------------------------------------------------- */

static const char *server_password;

static int on_server(Gsasl *context, Gsasl_session *session,
                     Gsasl_property property)
{
	(void)context;
	if (property == GSASL_PASSWORD)
		return gsasl_property_set(session, property, server_password);
	if (property == GSASL_VALIDATE_SIMPLE)
		return strcmp(gsasl_property_fast(session, GSASL_AUTHID),
		              "user@us.test") == 0 &&
		               strcmp(
				   gsasl_property_fast(session, GSASL_PASSWORD),
				   server_password) == 0
		           ? GSASL_OK
		           : GSASL_AUTHENTICATION_ERROR;
	return GSASL_NO_CALLBACK;
}

/* Plays the mechanism to its end; returns what the server thinks of it. */
static int play(unsigned mechanism, const char *password)
{
	const char *name = smtp_mechanism_name(mechanism);
	Gsasl_session *session;
	Gsasl *context;
	char *challenge = NULL;
	char input[1024] = "";
	int r;

	server_password = password;
	assert_int_equal(gsasl_init(&context), GSASL_OK);
	gsasl_callback_set(context, on_server);
	assert_int_equal(gsasl_server_start(context, name, &session), GSASL_OK);

	assert_int_equal(start(mechanism, true), 0);
	assert_memory_equal(said(), name, strlen(name));
	if (said()[strlen(name)] == ' ')
		snprintf(input, sizeof input, "%s", said() + strlen(name) + 1);
	for (;;) {
		r = gsasl_step64(session, input, &challenge);
		if (r != GSASL_NEEDS_MORE && (r != GSASL_OK || !*challenge))
			break;
		if (step(challenge) < 0)
			r = -1;
		else
			snprintf(input, sizeof input, "%s", said());
		gsasl_free(challenge);
		challenge = NULL;
		if (r != GSASL_NEEDS_MORE)
			break;
	}
	gsasl_free(challenge);
	gsasl_finish(session);
	gsasl_done(context);
	return r;
}

static void logs_in_by_every_mechanism(void **state)
{
	static const unsigned all[] = {
		SMTP_MECHANISM_PLAIN,         SMTP_MECHANISM_LOGIN,
		SMTP_MECHANISM_CRAM_MD5,      SMTP_MECHANISM_SCRAM_SHA_1,
		SMTP_MECHANISM_SCRAM_SHA_256,
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		use(&with_password);
		assert_int_equal(play(all[i], "pässword"), GSASL_OK);
		assert_int_equal(auth->finish(auth->context), 0);
		assert_string_equal(sasl_mechanism(sasl),
		                    smtp_mechanism_name(all[i]));
		sasl_free(sasl);

		use(&with_password);
		assert_int_not_equal(play(all[i], "other"), GSASL_OK);
		sasl_free(sasl);
		sasl = NULL;
	}
}

static void believes_no_server_that_skips_its_proof(void **state)
{
	(void)state;
	use(&with_password);
	assert_int_equal(start(SMTP_MECHANISM_SCRAM_SHA_256, true), 0);
	/* 235 at once */
	assert_int_equal(auth->finish(auth->context), -EPERM);
}

/* Answers a SCRAM login with "r=<ours>x,s=c2FsdA==,i=<iterations>". */
static int offer_iterations(const char *iterations)
{
	char challenge[512];
	char *encoded;
	const char *nonce;
	int r;

	use(&with_password);
	assert_int_equal(start(SMTP_MECHANISM_SCRAM_SHA_256, true), 0);
	buffer_consume(&out, strlen("SCRAM-SHA-256 "));
	nonce = strstr(decoded(), "r=");
	assert_non_null(nonce);
	snprintf(challenge, sizeof challenge, "%sx,s=c2FsdA==,i=%s", nonce,
	         iterations);
	assert_int_equal(
	    gsasl_base64_to(challenge, strlen(challenge), &encoded, NULL),
	    GSASL_OK);
	r = step(encoded);
	gsasl_free(encoded);
	sasl_free(sasl);
	sasl = NULL;
	return r;
}

static void does_not_work_for_ever_for_a_server(void **state)
{
	(void)state;
	assert_int_equal(offer_iterations("4096"), 0);
	assert_int_equal(offer_iterations("1"), -EPROTO);
	assert_int_equal(offer_iterations("4000000000"), -EPROTO);
	assert_int_equal(offer_iterations("99999999999999999999"), -EPROTO);
}

/* --- What is said -------------------------------------------------------- */

static void prefers_what_shows_least(void **state)
{
	(void)state;
	use(&with_password);
	assert_int_equal(start(SMTP_MECHANISM_PLAIN | SMTP_MECHANISM_LOGIN |
	                           SMTP_MECHANISM_CRAM_MD5 |
	                           SMTP_MECHANISM_SCRAM_SHA_1,
	                       true),
	                 0);
	assert_string_equal(sasl_mechanism(sasl), "SCRAM-SHA-1");
	assert_int_equal(start(SMTP_MECHANISM_PLAIN | SMTP_MECHANISM_LOGIN |
	                           SMTP_MECHANISM_CRAM_MD5,
	                       true),
	                 0);
	assert_string_equal(sasl_mechanism(sasl), "PLAIN");
	/* without TLS */
	assert_int_equal(
	    start(SMTP_MECHANISM_PLAIN | SMTP_MECHANISM_CRAM_MD5, false), 0);
	assert_string_equal(sasl_mechanism(sasl), "CRAM-MD5");
}

static void shows_the_password_to_no_listener(void **state)
{
	struct sasl_options options = with_password;

	(void)state;
	use(&with_password);
	assert_int_equal(
	    start(SMTP_MECHANISM_PLAIN | SMTP_MECHANISM_LOGIN, false), -EACCES);
	assert_int_equal(out.len, 0);
	sasl_free(sasl);
	options.is_loopback = true;
	use(&options);
	assert_int_equal(start(SMTP_MECHANISM_PLAIN, false), 0);
}

static void uses_only_the_mechanism_that_is_configured(void **state)
{
	struct sasl_options options = with_password;

	(void)state;
	options.mechanism = "login";
	use(&options);
	assert_int_equal(
	    start(SMTP_MECHANISM_PLAIN | SMTP_MECHANISM_LOGIN, true), 0);
	assert_string_equal(said(), "LOGIN");
	assert_int_equal(start(SMTP_MECHANISM_PLAIN, true), -EOPNOTSUPP);
	options.mechanism = "NTLM";
	sasl_free(sasl);
	sasl = NULL;
	assert_int_equal(sasl_new(&sasl, &options), -EINVAL);
}

static void answers_prompts_whatever_they_say(void **state)
{
	(void)state;
	use(&with_password);
	assert_int_equal(start(SMTP_MECHANISM_LOGIN, true), 0);
	assert_int_equal(step("Username:"), 0);
	assert_string_equal(decoded(), "user@us.test");
	assert_int_equal(step("!"), 0);
	assert_string_equal(decoded(), "pässword");
}

static void goes_without_initial_response_where_lines_are_short(void **state)
{
	(void)state;
	use(&with_password);
	assert_int_equal(start(SMTP_MECHANISM_PLAIN, true), 0);
	assert_true(out.len > strlen("PLAIN "));
	assert_true(auth->may_retry(auth->context, 500));
	assert_int_equal(start(SMTP_MECHANISM_PLAIN, true), 0);
	assert_string_equal(said(), "PLAIN");
	assert_int_equal(step(""), 0);
	assert_int_equal(out.data[0], 'A'); /* a NUL first */
	assert_false(auth->may_retry(auth->context, 500));
}

static void turns_to_the_next_mechanism_after_504(void **state)
{
	unsigned both = SMTP_MECHANISM_SCRAM_SHA_256 | SMTP_MECHANISM_PLAIN;

	(void)state;
	use(&with_password);
	assert_int_equal(start(both, true), 0);
	assert_false(auth->may_retry(auth->context, 535));
	assert_true(auth->may_retry(auth->context, 504));
	assert_int_equal(start(both, true), 0);
	assert_string_equal(sasl_mechanism(sasl), "PLAIN");
	assert_true(auth->may_retry(auth->context, 504));
	assert_int_equal(start(both, true), -EOPNOTSUPP);
}

static void hands_over_a_token(void **state)
{
	(void)state;
	use(&with_token);
	assert_int_equal(start(SMTP_MECHANISM_XOAUTH2 | SMTP_MECHANISM_PLAIN |
	                           SMTP_MECHANISM_OAUTHBEARER,
	                       true),
	                 0);
	assert_memory_equal(said(), "XOAUTH2 ", 8);
	buffer_consume(&out, 8);
	assert_string_equal(decoded(), "user=user@us.test\1"
	                               "auth=Bearer ya29.token\1\1");
	/* the reason of a refusal wants an empty line */
	assert_int_equal(step("eyJzdGF0dXMiOiI0MDAifQ=="), 0);
	assert_int_equal(out.len, 0);

	assert_int_equal(start(SMTP_MECHANISM_OAUTHBEARER, true), 0);
	assert_memory_equal(said(), "OAUTHBEARER ", 12);
	buffer_consume(&out, 12);
	assert_string_equal(decoded(),
	                    "n,a=user@us.test,\1host=mx.test\1port=587\1"
	                    "auth=Bearer ya29.token\1\1");
	assert_int_equal(step("eyJzdGF0dXMiOiI0MDAifQ=="), 0);
	assert_string_equal(said(), "AQ==");

	assert_int_equal(start(SMTP_MECHANISM_PLAIN, true), -EOPNOTSUPP);
	assert_int_equal(start(SMTP_MECHANISM_XOAUTH2, false), -EACCES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(logs_in_by_every_mechanism),
		TEST(believes_no_server_that_skips_its_proof),
		TEST(does_not_work_for_ever_for_a_server),
		TEST(prefers_what_shows_least),
		TEST(shows_the_password_to_no_listener),
		TEST(uses_only_the_mechanism_that_is_configured),
		TEST(answers_prompts_whatever_they_say),
		TEST(goes_without_initial_response_where_lines_are_short),
		TEST(turns_to_the_next_mechanism_after_504),
		TEST(hands_over_a_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
