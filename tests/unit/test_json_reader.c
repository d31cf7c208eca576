/*
 * Walks over JSON.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "json_reader.h"

static void reads_what_it_looks_for_and_skips_the_rest(void **state)
{
	static const char text[] =
	    " { \"skip\" : [ 1, {\"a\": \"]}\"}, [[]], -1.5e3, true ],\n"
	    "\"n\": 42, \"none\": null, \"list\": [\"x\", \"y\"], "
	    "\"t\": \"text\" } ";
	struct json_reader reader;
	char name[JSON_NAME_SIZE], out[16], all[64] = "";

	(void)state;
	json_reader_init(&reader, text);
	assert_true(json_reader_enter_object(&reader));
	while (json_reader_next_member(&reader, name)) {
		strcat(all, name);
		strcat(all, " ");
		if (strcmp(name, "n") == 0) {
			assert_int_equal(json_reader_number(&reader), 42);
		} else if (strcmp(name, "none") == 0) {
			assert_false(json_reader_enter_object(&reader));
		} else if (strcmp(name, "list") == 0) {
			assert_true(json_reader_enter_array(&reader));
			while (json_reader_next_item(&reader)) {
				json_reader_text(&reader, out, sizeof(out));
				strcat(all, out);
			}
		} else if (strcmp(name, "t") == 0) {
			json_reader_text(&reader, out, sizeof(out));
			assert_string_equal(out, "text");
		} else {
			json_reader_skip(&reader);
		}
	}
	assert_false(reader.is_bad);
	assert_string_equal(all, "skip n none list xyt ");
}

static void decodes_texts(void **state)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{ "\"\"", "" },
		{ "\"a\\\"b\\\\c\\/d\"", "a\"b\\c/d" },
		{ "\"\\n\\t\\b\\f\\r\"", "\n\t\b\f\r" },
		{ "\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac" },
		{ "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
		{ "null", "" },
		{ "17", "" },
		{ "{\"a\": 1}", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_reader reader;
		char out[32];

		json_reader_init(&reader, cases[i].json);
		json_reader_text(&reader, out, sizeof(out));
		assert_string_equal(out, cases[i].text);
		assert_false(reader.is_bad);
		assert_string_equal(reader.at, "");
	}
}

static void cuts_at_a_characters_end(void **state)
{
	struct json_reader reader;
	char out[4];

	(void)state;
	json_reader_init(&reader, "\"abcdef\"");
	json_reader_text(&reader, out, sizeof(out));
	assert_string_equal(out, "abc");
	json_reader_init(&reader, "\"ab\xc3\xa9\"");
	json_reader_text(&reader, out, sizeof(out));
	assert_string_equal(out, "ab");
}

static void ends_at_nonsense(void **state)
{
	static const char *const texts[] = {
		"{",
		"{\"a",
		"{\"a\"",
		"{\"a\":",
		"{\"a\":1",
		"{\"a\":1,",
		"{\"a\" 1}",
		"{a:1}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12\"}",
		"{\"a\":[}",
		"{\"a\":1 \"b\":2}",
		"{,}",
		"{\"a\":\"\\",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct json_reader reader;
		char name[JSON_NAME_SIZE];
		unsigned count = 0;

		json_reader_init(&reader, texts[i]);
		assert_true(json_reader_enter_object(&reader));
		while (json_reader_next_member(&reader, name)) {
			json_reader_skip(&reader);
			assert_true(++count < 10);
		}
		assert_true(reader.is_bad);
	}
}

/* Every prefix of a good text: none may be read beyond its end. */
static void reads_no_further_than_the_text(void **state)
{
	static const char text[] =
	    "{\"m\":[{\"id\":\"x\\u00e9\\n\",\"n\":-12,\"r\":[{},[],null]}]}";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		char copy[sizeof(text)];
		char name[JSON_NAME_SIZE];
		struct json_reader reader;

		memcpy(copy, text, len);
		copy[len] = '\0';
		json_reader_init(&reader, copy);
		if (json_reader_enter_object(&reader)) {
			while (json_reader_next_member(&reader, name))
				json_reader_skip(&reader);
		}
		assert_int_equal(reader.is_bad, len < sizeof(text) - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_looks_for_and_skips_the_rest),
		cmocka_unit_test(decodes_texts),
		cmocka_unit_test(cuts_at_a_characters_end),
		cmocka_unit_test(ends_at_nonsense),
		cmocka_unit_test(reads_no_further_than_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
