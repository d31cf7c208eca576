/* Queue ids and the UUIDs of idempotency keys, as texts. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "queue_id.h"
#include "uuid.h"

static void writes_thirteen_characters(void **state)
{
	char text[QUEUE_ID_SIZE];

	(void)state;
	queue_id_format(0, text);
	assert_string_equal(text, "0000000000000");
	queue_id_format(31, text);
	assert_string_equal(text, "000000000000z");
	queue_id_format(UINT64_MAX, text);
	assert_string_equal(text, "fzzzzzzzzzzzz");
}

static void reads_what_it_writes_and_keeps_the_order(void **state)
{
	char last[QUEUE_ID_SIZE] = "";
	char text[QUEUE_ID_SIZE];

	(void)state;
	for (uint64_t id = 0; id < UINT64_MAX - UINT64_MAX / 1000;
	     id += UINT64_MAX / 1000) {
		uint64_t again;

		queue_id_format(id, text);
		assert_true(strcmp(last, text) < 0);
		assert_int_equal(queue_id_parse(text, &again), 0);
		assert_true(again == id);
		memcpy(last, text, sizeof(last));
	}
}

static void refuses_all_other_texts(void **state)
{
	static const char *const texts[] = { "",
		                             "0",
		                             "000000000000",
		                             "00000000000000",
		                             "g000000000000",
		                             "0I00000000000",
		                             "000000000000i",
		                             "000000000000l",
		                             "000000000000o",
		                             "000000000000u",
		                             "000000000000Z",
		                             " 000000000000",
		                             "000000000000 ",
		                             "000000000000-" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		uint64_t id;

		assert_int_equal(queue_id_parse(texts[i], &id), -EINVAL);
	}
}

static void makes_uuids_that_start_with_the_time(void **state)
{
	char one[UUID_SIZE];
	char two[UUID_SIZE];
	uint64_t ms;

	(void)state;
	assert_int_equal(uuid_v7_make(1795459201123, one), 0);
	assert_int_equal(uuid_v7_make(1795459201123, two), 0);
	assert_int_equal(strlen(one), UUID_SIZE - 1);
	assert_memory_equal(one, two, 15);
	assert_string_not_equal(one, two);
	assert_true(uuid_v7_is(one, &ms));
	assert_true(ms == 1795459201123);
}

static void knows_uuids_from_other_texts(void **state)
{
	static const char *const texts[] = {
		"",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
		"017f22e2-79b0-4cc3-98c4-dc0c0c07398f",
		"017f22e2-79b0-7cc3-c8c4-dc0c0c07398f",
		"017f22e279b0--7cc3-98c4-dc0c0c07398f",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398g"
	};
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(uuid_v7_is(texts[i], &ms));
	/* the example of RFC 9562, appendix A.6 */
	assert_true(uuid_v7_is("017F22E2-79B0-7CC3-98C4-DC0C0C07398F", &ms));
	assert_true(ms == 1645557742000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_thirteen_characters),
		cmocka_unit_test(reads_what_it_writes_and_keeps_the_order),
		cmocka_unit_test(refuses_all_other_texts),
		cmocka_unit_test(makes_uuids_that_start_with_the_time),
		cmocka_unit_test(knows_uuids_from_other_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
