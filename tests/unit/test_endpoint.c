/* Which row of the control API's table a request finds. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/endpoint.h"

static const struct endpoint table[] = {
	{ METHOD_GET, "/v1/messages", FOR_OWNERS, true, NULL, 1 },
	{ METHOD_GET, "/v1/messages/{id}", FOR_OWNERS, true, NULL, 2 },
	{ METHOD_POST, "/v1/messages/{id}/hold", FOR_ANYONE, true, NULL, 3 },
	{ METHOD_POST, "/v1/messages:hold", FOR_ANYONE, true, NULL, 4 },
	{ METHOD_GET, "/v1/relays/{name}", FOR_ANYONE, true, NULL, 5 },
	{ METHOD_DELETE, "/v1/relays/{name}", FOR_ANYONE, true, NULL, 6 },
};

static char parameter[ENDPOINT_PARAMETER_SIZE];
static unsigned methods;

static int find(enum method method, const char *path)
{
	const struct endpoint *endpoint =
	    endpoint_find(table, sizeof(table) / sizeof(table[0]), method, path,
	                  parameter, &methods);

	return endpoint ? endpoint->detail : 0;
}

static void finds_the_row_and_the_segment(void **state)
{
	(void)state;
	assert_int_equal(find(METHOD_GET, "/v1/messages"), 1);
	assert_string_equal(parameter, "");
	assert_int_equal(find(METHOD_GET, "/v1/messages/01j9x2k7q4mzt"), 2);
	assert_string_equal(parameter, "01j9x2k7q4mzt");
	assert_int_equal(find(METHOD_POST, "/v1/messages/x/hold"), 3);
	assert_string_equal(parameter, "x");
	assert_int_equal(find(METHOD_POST, "/v1/messages:hold"), 4);
}

static void decodes_the_segment(void **state)
{
	(void)state;
	assert_int_equal(find(METHOD_GET, "/v1/relays/a%2Fb%c3%a4"), 5);
	assert_string_equal(parameter, "a/b\xc3\xa4");
}

static void refuses_broken_segments(void **state)
{
	char path[400];

	(void)state;
	assert_int_equal(find(METHOD_GET, "/v1/relays/"), 0);
	assert_int_equal(find(METHOD_GET, "/v1/relays/a%2"), 0);
	assert_int_equal(find(METHOD_GET, "/v1/relays/a%zz"), 0);
	assert_int_equal(find(METHOD_GET, "/v1/relays/a%00b"), 0);
	memset(path, 'a', sizeof(path));
	memcpy(path, "/v1/relays/", 11);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(find(METHOD_GET, path), 0);
	assert_int_equal(methods, 0);
}

static void tells_a_wrong_method_from_a_wrong_path(void **state)
{
	(void)state;
	assert_int_equal(find(METHOD_POST, "/v1/relays/office"), 0);
	assert_int_equal(methods, METHOD_GET | METHOD_DELETE);
	assert_int_equal(find(METHOD_GET, "/v1/relays/office/more"), 0);
	assert_int_equal(methods, 0);
	assert_int_equal(find(METHOD_GET, "/v1/message"), 0);
	assert_int_equal(find(METHOD_GET, "/v1/messagesx"), 0);
	assert_int_equal(find(METHOD_GET, ""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_row_and_the_segment),
		cmocka_unit_test(decodes_the_segment),
		cmocka_unit_test(refuses_broken_segments),
		cmocka_unit_test(tells_a_wrong_method_from_a_wrong_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
