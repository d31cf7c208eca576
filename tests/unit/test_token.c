/*
 * test_token - what is asked of token services, what they answer, what is kept
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto.h"
#include "deliver/jwt.h"
#include "deliver/token_answer.h"
#include "deliver/token_request.h"
#include "deliver/token_store.h"
#include "secret.h"
#include "settings.h"
#include "test_keys.h"

static char client_id[] = "a&b=c d";
static char scopes[] = "https://mail.example/ offline_access";
static char authorize[] = "https://login.example/auth";
static char authorize_more[] = "https://login.example/auth?x=1";

static void escapes_what_forms_cannot_hold(void **state)
{
	struct relay_oauth oauth = { .client_id = client_id,
		                     .client_secret =
		                         secret_new_text("\xc3\xa4+"),
		                     .scopes = scopes };
	char *form = token_request_refresh(&oauth, "r/1");

	(void)state;
	assert_string_equal(
	    form, "grant_type=refresh_token&refresh_token=r%2F1&"
		  "scope=https%3A%2F%2Fmail.example%2F%20offline_access&"
		  "client_id=a%26b%3Dc%20d&client_secret=%C3%A4%2B");
	free(form);
	secret_free(oauth.client_secret);
}

static void proves_who_asked(void **state)
{
	struct relay_oauth oauth = { .client_id = client_id,
		                     .authorization_url = authorize };
	struct token_proof one, other;
	unsigned char digest[CRYPTO_SHA256_SIZE];
	char *challenge, *url, *value;

	(void)state;
	token_proof_make(&one);
	token_proof_make(&other);
	assert_int_equal(strlen(one.verifier), 43); /* RFC 7636 4.1 */
	assert_string_not_equal(one.verifier, other.verifier);
	assert_string_not_equal(one.state, other.state);
	crypto_sha256(one.verifier, strlen(one.verifier), digest);
	challenge = crypto_base64url(digest, sizeof(digest));
	assert_string_equal(challenge, one.challenge);
	free(challenge);
	url = token_request_authorization(&oauth, "http://127.0.0.1:7",
	                                  "me@a.example", &one);
	assert_null(strstr(url, one.verifier));
	value = token_request_parameter(url, "code_challenge");
	assert_string_equal(value, one.challenge);
	free(value);
	value = token_request_parameter(url, "login_hint");
	assert_string_equal(value, "me@a.example");
	free(value);
	free(url);
	oauth.authorization_url = authorize_more;
	url = token_request_authorization(&oauth, "http://127.0.0.1:7", NULL,
	                                  &one);
	assert_ptr_equal(strstr(url, "https://login.example/auth?x=1&"
	                             "response_type=code&"),
	                 url);
	free(url);
}

static void finds_parameters_of_urls(void **state)
{
	static const struct {
		const char *url, *value; /* of code */
	} cases[] = {
		{ "http://127.0.0.1:7?code=4%2F0Ab&state=s", "4/0Ab" },
		{ "http://127.0.0.1:7/?state=s&code=a+b", "a b" },
		{ "http://127.0.0.1:7/?state=s&code=x#code=y", "x" },
		{ "http://127.0.0.1:7/?code=%4", "%4" },
		{ "http://127.0.0.1:7/?code=%zz%", "%zz%" },
		{ "http://127.0.0.1:7/?code=\n", "" },
		{ "?code=", "" },
		{ "http://127.0.0.1:7/?barcode=1&codes=2", NULL },
		{ "http://127.0.0.1:7/#?code=1", "1" },
		{ "code=1", NULL },
		{ "?", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *value = token_request_parameter(cases[i].url, "code");

		if (cases[i].value)
			assert_string_equal(value, cases[i].value);
		else
			assert_null(value);
		free(value);
	}
}

/* The claims of an assertion, taken out of its base64url. */
static void decode_part(const char *part, char *text, size_t size)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0, count = 0;
	size_t used = 0;

	for (; *part && *part != '.' && used < size - 1; part++) {
		bits = bits << 6 | (unsigned)(strchr(letters, *part) - letters);
		count += 6;
		if (count >= 8) {
			count -= 8;
			text[used++] = (char)(bits >> count & 0xff);
		}
	}
	text[used] = '\0';
}

static void signs_claims_that_json_can_hold(void **state)
{
	static char issuer[] = "app\"x\\", subject[] = "m\x01@a.example",
		    audience[] = "https://a.example/t", scope[] = "mail";
	struct relay_oauth oauth = { .grant = OAUTH_JWT_BEARER,
		                     .key = secret_new_text(test_key_p256),
		                     .issuer = issuer,
		                     .subject = subject,
		                     .audience = audience,
		                     .scopes = scope };
	char *assertion = jwt_assertion(&oauth, 1000000000);
	char text[1024];

	(void)state;
	assert_non_null(assertion);
	decode_part(assertion, text, sizeof(text));
	assert_string_equal(text, "{\"alg\":\"ES256\",\"typ\":\"JWT\"}");
	decode_part(strchr(assertion, '.') + 1, text, sizeof(text));
	assert_ptr_equal(strstr(text, "{\"iss\":\"app\\u0022x\\u005c\",\"sub\":"
	                              "\"m\\u0001@a.example\","
	                              "\"aud\":\"https://a.example/"
	                              "t\",\"scope\":\"mail\",\"jti\":\""),
	                 text);
	assert_non_null(strstr(text, "\"iat\":999999970,\"exp\":1000000570}"));
	free(assertion);
	secret_free(oauth.key);
	oauth.key = secret_new_text("no key");
	assert_null(jwt_assertion(&oauth, 0));
	secret_free(oauth.key);
}

static int read_answer(struct token_answer *answer, const char *text)
{
	return token_answer_read(answer, text, strlen(text));
}

static void reads_answers_and_passes_over_the_rest(void **state)
{
	struct token_answer answer;

	(void)state;
	assert_int_equal(
	    read_answer(
		&answer,
		"{\"access_token\": \"a.b-c\", \"refresh_token\": \"r\","
		" \"token_type\": \"Bearer\", \"expires_in\": \"3599\","
		" \"error_codes\": [70008], \"x\": {\"y\": 1.5}, \"z\": null}"),
	    0);
	assert_string_equal(answer.access_token, "a.b-c");
	assert_string_equal(answer.refresh_token, "r");
	assert_int_equal(answer.expires_in_s, 3599);
	assert_null(answer.error);
	token_answer_done(&answer);
	assert_int_equal(
	    read_answer(&answer,
	                "{\"device_code\": \"d\", \"user_code\": \"U V\","
	                " \"verification_url\": \"https://a.example/d\","
	                " \"interval\": 5.0}"),
	    0);
	assert_string_equal(answer.verification_uri, "https://a.example/d");
	assert_string_equal(answer.user_code, "U V");
	assert_int_equal(answer.interval_s, 5);
	token_answer_done(&answer);
}

static void takes_no_token_that_would_not_fit_into_a_login(void **state)
{
	static const char *const texts[] = {
		"{\"access_token\": \"a b\"}",
		"{\"access_token\": \"a\\u0001b\"}",
		"{\"access_token\": \"\\u00e4\"}",
		"{\"access_token\": \"\"}",
		"{\"access_token\": 1}",
		"{\"access_token\": null, \"expires_in\": -1}",
		"{\"access_token\": [\"a\"], \"expires_in\": 1e300}",
	};
	static const char *const broken[] = {
		"",       "[]",
		"null",   "\"a\"",
		"{",      "{\"access_token\": \"a\\u0000\"}",
		"<html>", "{\"access_token\": \"a\"} {}"
	};
	struct token_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(read_answer(&answer, texts[i]), 0);
		assert_null(answer.access_token);
		assert_int_equal(answer.expires_in_s, 0);
		token_answer_done(&answer);
	}
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		assert_int_equal(read_answer(&answer, broken[i]), -EINVAL);
		assert_null(answer.access_token);
		token_answer_done(&answer);
	}
}

static void keeps_a_login_for_its_purpose(void **state)
{
	char folder[] = "test_token-XXXXXX", path[64];
	char *token = NULL;
	struct stat status;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(token_store_read(folder, "r", "p 1", &token), -ENOENT);
	assert_int_equal(token_store_remove(folder, "r"), 0);
	assert_int_equal(token_store_write(folder, "r", "p 1", "one"), 0);
	assert_int_equal(token_store_write(folder, "r", "p 1", "two"), 0);
	assert_int_equal(token_store_read(folder, "r", "p 1", &token), 0);
	assert_string_equal(token, "two");
	free(token);
	assert_int_equal(token_store_read(folder, "r", "p 12", &token),
	                 -ESTALE);
	assert_int_equal(token_store_read(folder, "r", "p", &token), -ESTALE);
	snprintf(path, sizeof(path), "%s/logins/r", folder);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(token_store_remove(folder, "r"), 0);
	assert_int_equal(token_store_read(folder, "r", "p 1", &token), -ENOENT);
	snprintf(path, sizeof(path), "%s/logins", folder);
	assert_int_equal(rmdir(path), 0); /* nothing else is left in it */
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_what_forms_cannot_hold),
		cmocka_unit_test(proves_who_asked),
		cmocka_unit_test(finds_parameters_of_urls),
		cmocka_unit_test(signs_claims_that_json_can_hold),
		cmocka_unit_test(reads_answers_and_passes_over_the_rest),
		cmocka_unit_test(
		    takes_no_token_that_would_not_fit_into_a_login),
		cmocka_unit_test(keeps_a_login_for_its_purpose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
