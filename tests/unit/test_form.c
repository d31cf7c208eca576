/* The parts of a form. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/form.h"

#define TYPE  "multipart/form-data; boundary=b"
#define FIELD "Content-Disposition: form-data; name="

static struct form form;
static char error[FORM_ERROR_SIZE];

static int read_form(const char *type, const char *body)
{
	error[0] = '\0';
	return form_read(&form, type, body, strlen(body), error);
}

static void assert_part(size_t i, const char *name, const char *data)
{
	assert_true(i < form.count);
	assert_string_equal(form.parts[i].name, name);
	assert_int_equal(form.parts[i].len, strlen(data));
	assert_memory_equal(form.parts[i].data, data, strlen(data));
}

static void takes_fields_and_files(void **state)
{
	(void)state;
	assert_int_equal(
	    read_form(TYPE,
	              "--b\r\n" FIELD "\"text\"\r\n\r\none\r\ntwo\r\n\r\n"
	              "--b\r\n" FIELD "\"f\"; filename=\"a b.txt\"\r\n"
	              "Content-Type: text/plain; charset=utf-8\r\n\r\nx--b\r\n"
	              "\r\n--b--\r\nbehind"),
	    0);
	assert_int_equal(form.count, 2);
	assert_part(0, "text", "one\r\ntwo\r\n");
	assert_null(form.parts[0].filename);
	assert_part(1, "f", "x--b\r\n");
	assert_string_equal(form.parts[1].filename, "a b.txt");
	assert_string_equal(form.parts[1].type, "text/plain");
	form_done(&form);
}

static void takes_empty_parts_and_a_preamble(void **state)
{
	(void)state;
	assert_int_equal(read_form("multipart/form-data;boundary=\"b\"",
	                           "preamble\r\n--b \r\n" FIELD
	                           "a\r\n\r\n\r\n--b\r\n" FIELD
	                           "b\r\n\r\n--b--"),
	                 0);
	assert_int_equal(form.count, 2);
	assert_part(0, "a", "");
	assert_part(1, "b", "");
	form_done(&form);
}

static void takes_names_with_quotes_in_them(void **state)
{
	(void)state;
	assert_int_equal(read_form(TYPE,
	                           "--b\r\ncontent-disposition: form-data; "
	                           "filename=\"\\\"x;\\\\ y\"; "
	                           "name=\"f\"\r\n\r\n\r\n--b--"),
	                 0);
	assert_string_equal(form.parts[0].filename, "\"x;\\ y");
	assert_string_equal(form.parts[0].name, "f");
	form_done(&form);
}

static void refuses_what_is_broken(void **state)
{
	static const char *const bodies[] = {
		"",
		"--b",
		"--b\r\n",
		"--c\r\n",
		"--b\r\n\r\n",
		"--b\r\n" FIELD "a\r\n\r\nx",
		"--b\r\n" FIELD "a\r\n\r\nx\r\n--b",
		"--b\r\n" FIELD "a\r\n\r\nx\n--b--",
		"--b\r\nX: y\r\n\r\nx\r\n--b--",
		"--bx\r\n" FIELD "a\r\n\r\nx\r\n--bx--",
		"--b\r\n" FIELD "a\r\nContent-Transfer-Encoding: base64\r\n"
		"\r\nx\r\n--b--"
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_true(read_form(TYPE, bodies[i]) < 0);
		assert_true(error[0] != '\0');
		form_done(&form);
	}
	assert_true(read_form("multipart/form-data", "--b--") < 0);
	form_done(&form);
	assert_true(read_form("multipart/form-data; boundary=", "--b--") < 0);
	form_done(&form);
}

static void has_a_bound_for_parts(void **state)
{
	static char body[FORM_PARTS_MAX * 64];
	size_t used = 0;
	int i;

	(void)state;
	for (i = 0; i <= FORM_PARTS_MAX; i++) {
		memcpy(body + used, "--b\r\n" FIELD "a\r\n\r\n",
		       strlen("--b\r\n" FIELD "a\r\n\r\n"));
		used += strlen("--b\r\n" FIELD "a\r\n\r\n");
	}
	assert_true(form_read(&form, TYPE, body, used, error) < 0);
	assert_non_null(strstr(error, "too many"));
	form_done(&form);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_fields_and_files),
		cmocka_unit_test(takes_empty_parts_and_a_preamble),
		cmocka_unit_test(takes_names_with_quotes_in_them),
		cmocka_unit_test(refuses_what_is_broken),
		cmocka_unit_test(has_a_bound_for_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
