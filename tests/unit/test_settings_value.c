/*
 * test_settings_value - `4h`, `25MiB`, `on` and what only looks like them
 */
#include "config.h"

#include "settings_value.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "host_name.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void reads_times(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint32_t value_s;
	} cases[] = {
		{ "1s", 0, 1 },
		{ "90s", 0, 90 },
		{ "5m", 0, 300 },
		{ "4h", 0, 14400 },
		{ "5d", 0, 432000 },
		{ "0s", -ERANGE, 0 },
		{ "99999999999d", -ERANGE, 0 },
		{ "99999999999999999999999s", -ERANGE, 0 },
		{ "10", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "m", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1h30m", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "100ms", -EINVAL, 0 },
	};
	uint32_t value_s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		value_s = 0;
		assert_int_equal(settings_value_time(cases[i].text, &value_s),
		                 cases[i].result);
		assert_int_equal(value_s, cases[i].value_s);
	}
}

static void reads_sizes(void **state)
{
	uint64_t bytes = 0;

	(void)state;
	assert_int_equal(settings_value_size("256KiB", &bytes), 0);
	assert_int_equal(bytes, 262144);
	assert_int_equal(settings_value_size("64GiB", &bytes), 0);
	assert_int_equal(bytes, UINT64_C(64) << 30);
	assert_int_equal(settings_value_size("25MB", &bytes), -EINVAL);
	assert_int_equal(settings_value_size("25", &bytes), -EINVAL);
	assert_int_equal(settings_value_size("25mib", &bytes), -EINVAL);
	assert_int_equal(settings_value_size("0MiB", &bytes), -ERANGE);
	assert_int_equal(settings_value_size("17179869184GiB", &bytes),
	                 -ERANGE);
}

static void reads_rates(void **state)
{
	struct settings_rate rate = { 0, 0 };

	(void)state;
	assert_int_equal(settings_value_rate("30/min", &rate), 0);
	assert_int_equal(rate.count, 30);
	assert_int_equal(rate.period_s, 60);
	assert_int_equal(settings_value_rate("1/s", &rate), 0);
	assert_int_equal(settings_value_rate("2000/d", &rate), 0);
	assert_int_equal(rate.period_s, 86400);
	assert_int_equal(settings_value_rate("30", &rate), -EINVAL);
	assert_int_equal(settings_value_rate("30/m", &rate), -EINVAL);
	assert_int_equal(settings_value_rate("/min", &rate), -EINVAL);
	assert_int_equal(settings_value_rate("0/min", &rate), -ERANGE);
}

static void reads_the_small_ones(void **state)
{
	uint32_t value = 0;
	bool is_on = false;
	mode_t mode = 0;

	(void)state;
	assert_int_equal(settings_value_boolean("on", &is_on), 0);
	assert_true(is_on);
	assert_int_equal(settings_value_boolean("false", &is_on), 0);
	assert_false(is_on);
	assert_int_equal(settings_value_boolean("yes", &is_on), -EINVAL);
	assert_int_equal(settings_value_boolean("On", &is_on), -EINVAL);
	assert_int_equal(settings_value_percent("20%", &value), 0);
	assert_int_equal(value, 20);
	assert_int_equal(settings_value_percent("20", &value), -EINVAL);
	assert_int_equal(settings_value_percent("101%", &value), -ERANGE);
	assert_int_equal(settings_value_factor("1.7", &value), 0);
	assert_int_equal(value, 170);
	assert_int_equal(settings_value_factor("2", &value), 0);
	assert_int_equal(value, 200);
	assert_int_equal(settings_value_factor("1.25", &value), 0);
	assert_int_equal(value, 125);
	assert_int_equal(settings_value_factor("1.", &value), -EINVAL);
	assert_int_equal(settings_value_factor("1.125", &value), -EINVAL);
	assert_int_equal(settings_value_factor("1,7", &value), -EINVAL);
	assert_int_equal(settings_value_mode("0660", &mode), 0);
	assert_int_equal(mode, 0660);
	assert_int_equal(settings_value_mode("660", &mode), -EINVAL);
	assert_int_equal(settings_value_mode("0668", &mode), -EINVAL);
	assert_int_equal(settings_value_mode("06666", &mode), -EINVAL);
}

static void knows_host_names(void **state)
{
	(void)state;
	assert_true(settings_value_is_host("a"));
	assert_true(settings_value_is_host("smtp_1.example.com"));
	assert_true(settings_value_is_host("192.0.2.1"));
	assert_false(settings_value_is_host(""));
	assert_false(settings_value_is_host("."));
	assert_false(settings_value_is_host("a..b"));
	assert_false(settings_value_is_host("a."));
	assert_false(settings_value_is_host("-a.b"));
	assert_false(settings_value_is_host("a-.b"));
	assert_false(settings_value_is_host("a b"));
	assert_false(settings_value_is_host("m\xc3\xbcller.example"));
	assert_true(settings_value_is_ehlo_name("web1.example.com"));
	assert_true(settings_value_is_ehlo_name("[192.0.2.1]"));
	assert_true(settings_value_is_ehlo_name("[IPv6:2001:db8::1]"));
	assert_false(settings_value_is_ehlo_name("[2001:db8::1]"));
	assert_false(settings_value_is_ehlo_name("web_1.example.com"));
	assert_false(settings_value_is_ehlo_name("[192.0.2]"));
	assert_true(host_name_is_full("web1.example.com"));
	assert_false(host_name_is_full("web1"));
	assert_false(host_name_is_full("web1.local"));
	assert_false(host_name_is_full("localhost.localdomain"));
}

static void finds_the_full_name_in_hosts(void **state)
{
	char path[] = "hosts-XXXXXX", name[256] = "", *found;
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");

	(void)state;
	assert_non_null(file);
	assert_int_equal(gethostname(name, sizeof(name) - 1), 0);
	fprintf(file,
	        "127.0.0.1 localhost\n"
	        "192.0.2.1 other.example.com other\n"
	        "# 192.0.2.2 commented.example.com %s\n"
	        "192.0.2.2\tweb1.example.com %s # the host\n",
	        name, name);
	fclose(file);
	found = host_name_find(path);
	assert_string_equal(
	    found, host_name_is_full(name) ? name : "web1.example.com");
	free(found);
	found = host_name_find("/nonexistent");
	assert_string_equal(found, name);
	free(found);
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_times),
		cmocka_unit_test(reads_sizes),
		cmocka_unit_test(reads_rates),
		cmocka_unit_test(reads_the_small_ones),
		cmocka_unit_test(knows_host_names),
		cmocka_unit_test(finds_the_full_name_in_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
