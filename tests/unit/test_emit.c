/* JSON as the control API writes it. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "buffer.h"
#include "control/emit.h"

static struct buffer out;
static struct emitter emit;

static int set_up(void **state)
{
	(void)state;
	buffer_init(&out, 0);
	emit_init(&emit, &out);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buffer_done(&out);
	return 0;
}

static void assert_emitted(const char *expected)
{
	assert_int_equal(emit_result(&emit), 0);
	assert_int_equal(buffer_append(&out, "", 1), 0);
	assert_string_equal(out.data, expected);
}

static void puts_commas_between_members_only(void **state)
{
	(void)state;
	emit_object(&emit, NULL);
	emit_array(&emit, "a");
	emit_number(&emit, NULL, -1);
	emit_bool(&emit, NULL, true);
	emit_object(&emit, NULL);
	emit_end(&emit);
	emit_end(&emit);
	emit_null(&emit, "b");
	emit_text(&emit, "c", NULL);
	emit_end(&emit);
	assert_emitted("{\"a\":[-1,true,{}],\"b\":null,\"c\":null}");
}

static void escapes_what_json_wants_escaped(void **state)
{
	(void)state;
	emit_text(&emit, NULL, "a\"b\\c\n\t\x1b\x7f");
	assert_emitted("\"a\\\"b\\\\c\\n\\u0009\\u001b\\u007f\"");
}

static void keeps_valid_utf8(void **state)
{
	(void)state;
	emit_text(&emit, NULL,
	          "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x93\xa7 \xef\xbf\xbf");
	assert_emitted("\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x93\xa7 "
	               "\xef\xbf\xbf\"");
}

#define BAD "\xef\xbf\xbd"

static void replaces_each_octet_that_is_no_utf8(void **state)
{
	(void)state;
	/* a lone Latin-1 letter, an overlong slash, a surrogate, above
	 * U+10FFFF, cut at the end */
	emit_text(&emit, NULL,
	          "\xe4|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|"
	          "\xe2\x82");
	assert_emitted("\"" BAD "|" BAD BAD "|" BAD BAD BAD "|" BAD BAD BAD BAD
	               "|" BAD BAD "\"");
}

static void escapes_keys(void **state)
{
	(void)state;
	emit_object(&emit, NULL);
	emit_number(&emit, "X-\"Odd", 1);
	emit_end(&emit);
	assert_emitted("{\"X-\\\"Odd\":1}");
}

static void writes_times_in_utc_with_milliseconds(void **state)
{
	(void)state;
	emit_array(&emit, NULL);
	emit_time(&emit, NULL, UINT64_C(1795459201123));
	emit_time(&emit, NULL, 0);
	emit_end(&emit);
	assert_emitted("[\"2026-11-23T18:40:01.123Z\",null]");
}

static void says_at_the_end_that_it_did_not_fit(void **state)
{
	(void)state;
	buffer_done(&out);
	buffer_init(&out, 8);
	emit_init(&emit, &out);
	emit_object(&emit, NULL);
	emit_text(&emit, "long", "much too long for eight octets");
	emit_end(&emit);
	assert_true(emit_result(&emit) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    puts_commas_between_members_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(escapes_what_json_wants_escaped,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(keeps_valid_utf8, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(
		    replaces_each_octet_that_is_no_utf8, set_up, tear_down),
		cmocka_unit_test_setup_teardown(escapes_keys, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(
		    writes_times_in_utc_with_milliseconds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    says_at_the_end_that_it_did_not_fit, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
