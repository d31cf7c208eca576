/* Which servers a domain names for submission, in which order. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/submission_servers.h"

static uint32_t lot;

static uint32_t the_lot(void)
{
	return lot;
}

static void add(struct submission_servers *servers, const char *target,
                uint16_t priority, uint16_t weight, bool is_tls)
{
	struct dns_answer *answer =
	    calloc(1, sizeof(*answer) + sizeof(answer->records[0]));

	assert_non_null(answer);
	answer->count = 1;
	answer->records[0].preference = priority;
	answer->records[0].weight = weight;
	answer->records[0].port = is_tls ? 465 : 587;
	answer->records[0].exchange = (char *)(uintptr_t)target;
	submission_servers_add(servers, answer, is_tls);
	free(answer);
}

static void expect(struct submission_servers *servers, unsigned index,
                   const char *host)
{
	assert_true(index < servers->count);
	assert_string_equal(servers->server[index].host, host);
}

static void goes_by_priority_then_tls_first(void **state)
{
	struct submission_servers servers = { .count = 0 };

	(void)state;
	add(&servers, "late.test", 20, 0, true);
	add(&servers, "starttls.test", 10, 0, false);
	add(&servers, "tls.test.", 10, 0, true);
	add(&servers, "best.test", 5, 0, false);
	submission_servers_order(&servers, the_lot);
	expect(&servers, 0, "best.test");
	expect(&servers, 1, "tls.test");
	assert_int_equal(servers.server[1].port, 465);
	expect(&servers, 2, "starttls.test");
	expect(&servers, 3, "late.test");
	submission_servers_done(&servers);
}

static const char *first_of_three(uint32_t number)
{
	static char name[16];
	struct submission_servers servers = { .count = 0 };

	lot = number;
	add(&servers, "heavy", 1, 90, true);
	add(&servers, "light", 1, 10, true);
	add(&servers, "none", 1, 0, true);
	submission_servers_order(&servers, the_lot);
	assert_int_equal(servers.count, 3);
	strcpy(name, servers.server[0].host);
	submission_servers_done(&servers);
	return name;
}

static void shares_out_by_weight(void **state)
{
	(void)state;
	assert_string_equal(first_of_three(0), "none");
	assert_string_equal(first_of_three(1), "light");
	assert_string_equal(first_of_three(10), "light");
	assert_string_equal(first_of_three(11), "heavy");
	assert_string_equal(first_of_three(100), "heavy");
	assert_string_equal(first_of_three(101), "none");
}

static void takes_the_root_as_no(void **state)
{
	struct submission_servers servers = { .count = 0 };

	(void)state;
	add(&servers, "", 0, 0, true);
	assert_true(servers.is_declined);
	assert_int_equal(servers.count, 0);
	add(&servers, ".", 0, 0, false);
	add(&servers, "one.test", 0, 0, false);
	submission_servers_order(&servers, the_lot);
	assert_int_equal(servers.count, 1);
	submission_servers_done(&servers);
}

static void leaves_out_what_is_too_much(void **state)
{
	struct submission_servers servers = { .count = 0 };
	int i;

	(void)state;
	for (i = 0; i < 2 * SUBMISSION_SERVERS_MAX; i++)
		add(&servers, "x.test", 1, 65535, true);
	lot = UINT32_MAX;
	submission_servers_order(&servers, the_lot);
	assert_int_equal(servers.count, SUBMISSION_SERVERS_MAX);
	submission_servers_done(&servers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_by_priority_then_tls_first),
		cmocka_unit_test(shares_out_by_weight),
		cmocka_unit_test(takes_the_root_as_no),
		cmocka_unit_test(leaves_out_what_is_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
