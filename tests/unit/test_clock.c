/* Times as they are written and read; the seam for tests. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "clock.h"

static int64_t noon(void)
{
	return 12;
}

static void writes_rfc3339(void **state)
{
	char text[CLOCK_RFC3339_SIZE];

	(void)state;
	clock_format_rfc3339(1795459201123, text);
	assert_string_equal(text, "2026-11-23T18:40:01.123Z");
	clock_format_rfc3339(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	clock_format_rfc3339(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
	clock_format_rfc3339(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	clock_format_rfc3339(INT64_MIN, text);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void reads_what_it_writes(void **state)
{
	char text[CLOCK_RFC3339_SIZE];

	(void)state;
	for (int64_t ms = -62167219200000; ms < 253402300800000;
	     ms += 86400000 * INT64_C(97) + 12345678) {
		int64_t again;

		clock_format_rfc3339(ms, text);
		assert_int_equal(clock_parse_rfc3339(text, &again), 0);
		assert_true(again == ms);
	}
}

static void reads_other_zones_and_fractions(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{ "2026-11-23T19:40:01+01:00", 1795459201000 },
		{ "2026-11-23t18:40:01z", 1795459201000 },
		{ "2026-11-23T10:10:01.1-08:30", 1795459201100 },
		{ "2026-11-23T18:40:01.1239999999Z", 1795459201123 },
		{ "2024-02-29T00:00:00Z", 1709164800000 },
		{ "1990-12-31T23:59:60Z", 662688000000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ms;

		assert_int_equal(clock_parse_rfc3339(cases[i].text, &ms), 0);
		assert_true(ms == cases[i].ms);
	}
}

static void refuses_what_is_no_date(void **state)
{
	static const char *const texts[] = { "",
		                             "2026",
		                             "2026-11-23",
		                             "2026-11-23 18:40:01Z",
		                             "2026-11-23T18:40:01",
		                             "2026-11-23T18:40Z",
		                             "2026-13-23T18:40:01Z",
		                             "2026-00-23T18:40:01Z",
		                             "2026-02-29T18:40:01Z",
		                             "2026-11-31T18:40:01Z",
		                             "2026-11-00T18:40:01Z",
		                             "2026-11-23T24:00:00Z",
		                             "2026-11-23T18:60:01Z",
		                             "2026-11-23T18:40:61Z",
		                             "2026-11-23T18:40:01.Z",
		                             "2026-11-23T18:40:01+1:00",
		                             "2026-11-23T18:40:01+24:00",
		                             "2026-11-23T18:40:01Zx",
		                             "26-11-23T18:40:01Z",
		                             "-026-11-23T18:40:01Z" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int64_t ms;

		assert_int_equal(clock_parse_rfc3339(texts[i], &ms), -EINVAL);
	}
}

static void writes_rfc5322_in_any_zone(void **state)
{
	char text[CLOCK_RFC5322_SIZE];

	(void)state;
	clock_format_rfc5322(1795459201123, 0, text);
	assert_string_equal(text, "Mon, 23 Nov 2026 18:40:01 +0000");
	clock_format_rfc5322(1795459201123, 60, text);
	assert_string_equal(text, "Mon, 23 Nov 2026 19:40:01 +0100");
	clock_format_rfc5322(1795459201123, -570, text);
	assert_string_equal(text, "Mon, 23 Nov 2026 09:10:01 -0930");
}

static void knows_the_local_zone(void **state)
{
	(void)state;
	(void)setenv("TZ", "XYZ-05:30", 1);
	tzset();
	assert_int_equal(clock_zone_minutes(1795459201123), 330);
}

static void can_be_replaced(void **state)
{
	static const struct clock_source source = { noon, noon, noon };

	(void)state;
	assert_true(clock_wall_ms() > 1500000000000);
	assert_true(clock_boottime_ms() > 0);
	assert_true(clock_monotonic_us() > 0);
	clock_replace(&source);
	assert_int_equal(clock_wall_ms(), 12);
	assert_int_equal(clock_boottime_ms(), 12);
	assert_int_equal(clock_monotonic_us(), 12);
	clock_replace(NULL);
	assert_true(clock_wall_ms() > 1500000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_rfc3339),
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(reads_other_zones_and_fractions),
		cmocka_unit_test(refuses_what_is_no_date),
		cmocka_unit_test(writes_rfc5322_in_any_zone),
		cmocka_unit_test(knows_the_local_zone),
		cmocka_unit_test(can_be_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
