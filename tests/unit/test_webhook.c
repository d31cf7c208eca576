/*
 * test_webhook - settings, signature and position of relais-webhook
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
#include <unistd.h>

#include <cmocka.h>

#include "webhook_position.h"
#include "webhook_settings.h"
#include "webhook_signature.h"

struct folder {
	char path[32];
	char file[64];
};

static int set_up(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	assert_non_null(folder);
	(void)snprintf(folder->path, sizeof(folder->path),
	               "/tmp/relais-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	(void)snprintf(folder->file, sizeof(folder->file), "%s/file",
	               folder->path);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	struct folder *folder = *state;
	char lock[80];

	(void)snprintf(lock, sizeof(lock), "%s.lock", folder->file);
	(void)unlink(lock);
	(void)unlink(folder->file);
	assert_int_equal(rmdir(folder->path), 0);
	free(folder);
	return 0;
}

static void write_file(const struct folder *folder, const char *text)
{
	FILE *file = fopen(folder->file, "we");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) < 0, 0);
	assert_int_equal(fclose(file), 0);
}

/* -------------------------------------------------------------- signature */

static void signs_as_others_verify(void **state)
{
	char signature[WEBHOOK_SIGNATURE_SIZE];
	struct webhook_keys *keys;

	/* The same octets both times; the digest is another program's. */
	write_file(*state, "whsec_MDEyMzQ1Njc4OWFiY2RlZg==\r\n\n"
	                   "0123456789abcdef\n");
	assert_int_equal(
	    webhook_keys_read(&keys, ((struct folder *)*state)->file), 0);
	assert_int_equal(
	    webhook_sign(keys, "web1-7", 1700000000, "{\"a\":1}", 7, signature),
	    0);
	assert_string_equal(signature,
	                    "v1,o3KG7hr803IIY+qTbo28tLbf7xCIJ/w9SrvzoGFGmUI= "
	                    "v1,o3KG7hr803IIY+qTbo28tLbf7xCIJ/w9SrvzoGFGmUI=");
	webhook_keys_free(keys);
}

static void refuses_secrets_that_are_none(void **state)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{ "", -ENODATA },
		{ "\n\n", -ENODATA },
		{ "short\n", -ERANGE },
		{ "whsec_c2hvcnQ=\n", -ERANGE },
		{ "whsec_not base64, but long enough!\n", -EINVAL },
		{ "whsec_MDEyMzQ1Njc4OWFiY2RlZg=\n", -EINVAL },
		{ "0123456789abcdef1\n0123456789abcdef2\n0123456789abcdef3\n"
		  "0123456789abcdef4\n0123456789abcdef5\n",
		  -E2BIG },
	};
	struct folder *folder = *state;
	struct webhook_keys *keys;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file(folder, cases[i].text);
		assert_int_equal(webhook_keys_read(&keys, folder->file),
		                 cases[i].result);
	}
	assert_int_equal(webhook_keys_read(&keys, "/nonexistent"), -ENOENT);
}

/* --------------------------------------------------------------- position */

static void remembers_a_position(void **state)
{
	const char *path = ((struct folder *)*state)->file;
	uint64_t position = 7;

	assert_int_equal(webhook_position_load(path, &position), -ENOENT);
	assert_int_equal(webhook_position_save(path, UINT64_MAX - 1), 0);
	assert_int_equal(webhook_position_load(path, &position), 0);
	assert_true(position == UINT64_MAX - 1);
	assert_int_equal(webhook_position_save(path, 0), 0);
	assert_int_equal(webhook_position_load(path, &position), 0);
	assert_true(position == 0);
	write_file(*state, "garbage\n");
	assert_int_equal(webhook_position_load(path, &position), -EBADMSG);
	assert_int_equal(webhook_position_save("/nonexistent/x", 1), -ENOENT);
}

/* --------------------------------------------------------------- settings */

static int load(struct folder *folder, const char *text,
                struct webhook_settings *settings,
                char error[WEBHOOK_ERROR_SIZE])
{
	int r;

	memset(settings, 0, sizeof(*settings));
	write_file(folder, text);
	r = webhook_settings_read(settings, folder->file, false, error);
	return r == 0 ? webhook_settings_complete(settings, error) : r;
}

static void reads_a_file_and_options(void **state)
{
	static char word[] = "--retry-first=500ms", key[] = "--batch";
	static char number[] = "20", program[] = "relais-webhook";
	char *argv[] = { program, word, key, number, NULL };
	struct webhook_settings settings = { .batch = 0 };
	char error[WEBHOOK_ERROR_SIZE] = "";
	const char *file = NULL;
	int at;

	for (at = 1; at < 4; at++)
		assert_int_equal(webhook_settings_read_option(
				     &settings, 4, argv, &at, &file, error),
		                 0);
	write_file(*state, "# a comment\n\nurl: \"https://example.com/a:b\"\r\n"
	                   "secret_file:/etc/secret\n  batch: 30\n");
	assert_int_equal(webhook_settings_read(&settings,
	                                       ((struct folder *)*state)->file,
	                                       false, error),
	                 0);
	assert_int_equal(webhook_settings_complete(&settings, error), 0);
	assert_string_equal(settings.text[WEBHOOK_URL],
	                    "https://example.com/a:b");
	assert_string_equal(settings.text[WEBHOOK_SECRET_FILE], "/etc/secret");
	/* What was said on the command line holds. */
	assert_int_equal(settings.batch, 20);
	assert_int_equal(settings.retry_first_ms, 500);
	assert_int_equal(settings.retry_maximum_ms, 300000);
	assert_int_equal(settings.timeout_ms, 10000);
	webhook_settings_done(&settings);
}

static void names_mistakes(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "url = x\n", "expected KEY: VALUE" },
		{ "url https://x\n", "url https: there is no such" },
		{ "url: ftp://x\n", "url: expected https" },
		{ "url:\n", "url: is empty" },
		{ "uri: https://x\n", "there is no such setting" },
		{ "url: http://x\nbatch: 1001\n", "batch: expected 1 to" },
		{ "url: http://x\nbatch: 5x\n", "batch: expected 1 to" },
		{ "url: http://x\ntimeout: 0\n", "timeout: expected a time" },
		{ "url: http://x\ntimeout: 10\n", "timeout: expected a time" },
		{ "url: http://x\ntimeout: 2d\n", "timeout: expected a time" },
		{ "url: http://x\nlinger: 99999h\n", "linger: expected a" },
		{ "url: http://x\nfrom: yesterday\n", "from: expected now" },
		{ "url: http://x\n", "secret_file: is needed" },
	};
	struct webhook_settings settings;
	char error[WEBHOOK_ERROR_SIZE];

	(void)unsetenv("CREDENTIALS_DIRECTORY");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		error[0] = '\0';
		assert_int_equal(load(*state, cases[i].text, &settings, error),
		                 -EINVAL);
		if (!strstr(error, cases[i].error))
			fail_msg("%s", error);
		webhook_settings_done(&settings);
	}
}

static void wants_what_the_filter_names(void **state)
{
	struct webhook_settings settings;
	char error[WEBHOOK_ERROR_SIZE];

	assert_int_equal(
	    load(*state, "url: http://x\nsecret_file: x\n", &settings, error),
	    0);
	assert_true(webhook_settings_want(&settings, "accepted", NULL));
	webhook_settings_done(&settings);
	assert_int_equal(load(*state,
	                      "url: http://x\nsecret_file: x\n"
	                      "events: [delivered, failed]\ntag: shop-*\n",
	                      &settings, error),
	                 0);
	assert_true(webhook_settings_want(&settings, "failed", "shop-1"));
	assert_true(webhook_settings_want(&settings, "delivered", "SHOP-"));
	assert_false(webhook_settings_want(&settings, "fail", "shop-1"));
	assert_false(webhook_settings_want(&settings, "failed", "news"));
	assert_false(webhook_settings_want(&settings, "failed", NULL));
	webhook_settings_done(&settings);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(signs_as_others_verify),
		TEST(refuses_secrets_that_are_none),
		TEST(remembers_a_position),
		TEST(reads_a_file_and_options),
		TEST(names_mistakes),
		TEST(wants_what_the_filter_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
