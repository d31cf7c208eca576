/* Octets out of base64. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"

static void assert_decodes(const char *text, const char *expected)
{
	char out[64];
	size_t len = 99;

	assert_int_equal(base64_decode(text, strlen(text), out, &len), 0);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(out, expected, len);
	assert_true(len <= BASE64_DECODED_MAX(strlen(text)));
}

static void decodes_the_examples_of_rfc_4648(void **state)
{
	(void)state;
	assert_decodes("", "");
	assert_decodes("Zg==", "f");
	assert_decodes("Zm8=", "fo");
	assert_decodes("Zm9v", "foo");
	assert_decodes("Zm9vYg==", "foob");
	assert_decodes("Zm9vYmE=", "fooba");
	assert_decodes("Zm9vYmFy", "foobar");
}

static void skips_white_space_and_needs_no_padding(void **state)
{
	(void)state;
	assert_decodes(" Zm9v\r\nYm Fy\t\n", "foobar");
	assert_decodes("Zg", "f");
	assert_decodes("Zm8", "fo");
	assert_decodes("Zm8 =\n", "fo");
}

static void refuses_what_is_none(void **state)
{
	static const char *const texts[] = {
		"Z", "Zm9vY",    "Z===", "Zg=",  "Zm9v=", "Zm8==", "====",
		"=", "Zg==Zg==", "Zg=v", "Zm9*", "Zm9-",  "Zm9_"
	};
	char out[64];
	size_t len, i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_true(
		    base64_decode(texts[i], strlen(texts[i]), out, &len) < 0);
	assert_true(base64_decode("Zm\0v", 4, out, &len) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_the_examples_of_rfc_4648),
		cmocka_unit_test(skips_white_space_and_needs_no_padding),
		cmocka_unit_test(refuses_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
