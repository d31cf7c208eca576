/* Which relay a recipient's mail takes, and in which lanes. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "queue/route.h"
#include "settings.h"
#include "settings_errors.h"

static const char yaml[] =
    "hostname: host.example.com\n"
    "default_relay: office\n"
    "relays:\n"
    "  office: {url: \"smtp://relay.example.com:25\"}\n"
    "  bulk: {url: \"smtp://bulk.example.com:25\"}\n"
    "  away: {url: \"smtp://away.example.com:25\", enabled: off,"
    " fallback: [bulk]}\n"
    "  world: {url: \"direct:\"}\n"
    "routes:\n"
    "  - {tag: now, priority: urgent}\n"
    "  - {from: \"*@news.example.com\", relay: bulk, priority: bulk}\n"
    "  - {to: \"*@Away.example\", relay: away}\n"
    "  - {to: \"*@*.world.example\", relay: world}\n"
    "  - {from: \"<>\", relay: bulk}\n"
    "submitters:\n"
    "  - {user: 70000, priority: urgent}\n";

static const struct settings *settings;
static struct submission submission;
static struct message *message;

static int set_up_with(const char *text)
{
	char path[] = "/tmp/relais-test-XXXXXX";
	int fd = mkstemp(path);
	struct settings_errors errors;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	settings_errors_init(&errors);
	if (settings_load(path, &settings, &errors) < 0)
		settings_errors_print(&errors, stderr);
	settings_errors_done(&errors);
	unlink(path);
	assert_non_null(settings);
	memset(&submission, 0, sizeof(submission));
	submission.message = message = message_new();
	message->state = MESSAGE_QUEUED;
	message->priority = PRIORITY_NORMAL;
	message->uid = 1000;
	message->sender = "sender@example.com";
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_with(yaml);
}

static int set_up_without_name(void **state)
{
	(void)state;
	return set_up_with("hostname: web1\n"
	                   "relays:\n  world: {url: \"direct:\"}\n");
}

static int tear_down(void **state)
{
	(void)state;
	message_free(message);
	settings_unref(settings);
	settings = NULL;
	return 0;
}

static void add(const char *address)
{
	struct message_recipient *all = message_allocate(
	    message, (message->recipient_count + 1) * sizeof(*all));

	if (message->recipient_count > 0)
		memcpy(all, message->recipients,
		       message->recipient_count * sizeof(*all));
	memset(&all[message->recipient_count], 0, sizeof(*all));
	all[message->recipient_count++].address = address;
	message->recipients = all;
}

static uint32_t relay_of(unsigned recipient)
{
	return submission.parts[message->recipients[recipient].part].lane.relay;
}

static const char *domain_of(unsigned recipient)
{
	return submission.parts[message->recipients[recipient].part]
	    .lane.domain;
}

static void takes_the_default_relay_in_one_part(void **state)
{
	(void)state;
	add("a@one.example");
	add("b@two.example");
	route_submission(&submission, settings, 0);
	assert_int_equal(submission.part_count, 1);
	assert_int_equal(relay_of(0), settings_relay_id("office"));
	assert_int_equal(relay_of(1), settings_relay_id("office"));
	assert_string_equal(domain_of(0), "");
	assert_int_equal(submission.parts[0].lane.priority, PRIORITY_NORMAL);
	assert_int_equal(submission.parts[0].lane.submitter_class, 1000);
	assert_int_equal(message->state, MESSAGE_QUEUED);
}

static void takes_the_first_rule_that_holds(void **state)
{
	(void)state;
	message->sender = "Letter@NEWS.example.com";
	add("a@one.example");
	route_submission(&submission, settings, 0);
	assert_int_equal(relay_of(0), settings_relay_id("bulk"));
	assert_int_equal(message->priority, PRIORITY_BULK);
}

static void knows_the_null_sender_in_a_rule(void **state)
{
	(void)state;
	message->sender = "";
	add("a@one.example");
	route_submission(&submission, settings, 0);
	assert_int_equal(relay_of(0), settings_relay_id("bulk"));
}

static void goes_on_behind_a_rule_that_names_only_a_priority(void **state)
{
	(void)state;
	message->sender = "letter@news.example.com";
	message->tag = "now";
	add("a@one.example");
	route_submission(&submission, settings, 0);
	assert_int_equal(relay_of(0), settings_relay_id("bulk"));
	assert_int_equal(message->priority, PRIORITY_URGENT);
	assert_int_equal(submission.parts[0].lane.priority, PRIORITY_URGENT);
}

static void prefers_the_relay_the_submitter_asked_for(void **state)
{
	(void)state;
	message->sender = "letter@news.example.com";
	add("a@one.example");
	route_submission(&submission, settings, settings_relay_id("office"));
	assert_int_equal(relay_of(0), settings_relay_id("office"));
	assert_int_equal(message->priority, PRIORITY_BULK);
}

static void hands_over_to_the_fallback_of_a_relay_switched_off(void **state)
{
	(void)state;
	add("a@away.example");
	route_submission(&submission, settings, 0);
	assert_int_equal(relay_of(0), settings_relay_id("bulk"));
}

static void makes_a_part_for_each_domain_with_direct(void **state)
{
	(void)state;
	add("a@One.World.example");
	add("b@two.world.example");
	add("c@one.world.EXAMPLE");
	add("d@elsewhere.example");
	route_submission(&submission, settings, 0);
	assert_int_equal(submission.part_count, 3);
	assert_int_equal(message->recipients[0].part,
	                 message->recipients[2].part);
	assert_string_equal(domain_of(0), "one.world.example");
	assert_string_equal(domain_of(1), "two.world.example");
	assert_string_equal(domain_of(3), "");
	assert_int_equal(message->state, MESSAGE_QUEUED);
}

static void finds_the_part_of_each_of_5000_domains(void **state)
{
	(void)state;
	message->recipients =
	    message_allocate(message, 10000 * sizeof(*message->recipients));
	memset(message->recipients, 0, 10000 * sizeof(*message->recipients));
	message->recipient_count = 10000;
	for (unsigned i = 0; i < 10000; i++) {
		char address[40];

		snprintf(address, sizeof(address), "u%u@d%u.world.example", i,
		         i % 5000);
		message->recipients[i].address =
		    message_dup_text(message, address);
	}
	route_submission(&submission, settings, 0);
	assert_int_equal(submission.part_count, 5000);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(message->recipients[i].part,
		                 message->recipients[i + 5000].part);
}

static void holds_direct_mail_of_a_host_without_a_name(void **state)
{
	(void)state;
	add("a@one.example");
	route_submission(&submission, settings, 0);
	assert_int_equal(message->state, MESSAGE_HELD);
	assert_non_null(strstr(message->hold_reason, "hostnamectl"));
	assert_non_null(strstr(message->hold_reason, "relaisctl release"));
}

static void holds_direct_mail_of_a_bare_sender(void **state)
{
	(void)state;
	message->sender = "root@web1";
	add("a@one.world.example");
	route_submission(&submission, settings, 0);
	assert_int_equal(message->state, MESSAGE_HELD);
	assert_non_null(strstr(message->hold_reason, "domain:"));
}

static void lets_bounces_and_mail_to_relays_pass(void **state)
{
	(void)state;
	message->sender = "";
	add("a@one.world.example");
	route_submission(&submission, settings, 0);
	assert_int_equal(message->state, MESSAGE_QUEUED);

	message->sender = "root";
	message->recipients[0].address = "a@elsewhere.example";
	route_submission(&submission, settings, 0);
	assert_int_equal(message->state, MESSAGE_QUEUED);
}

static void routes_one_recipient_again_by_the_same_rules(void **state)
{
	char domain[LANE_DOMAIN_MAX];
	struct lane_key key;

	(void)state;
	add("a@One.world.example");
	route_submission(&submission, settings, 0);
	route_recipient(&key, domain, settings, message, 0);
	assert_int_equal(key.relay, relay_of(0));
	assert_string_equal(key.domain, "one.world.example");
	assert_int_equal(key.priority, message->priority);
	assert_int_equal(key.submitter_class, 1000);
}

static void gives_unstable_users_one_class(void **state)
{
	uint32_t shared = route_submitter_class(settings, 65534);

	(void)state;
	assert_int_equal(route_submitter_class(settings, 0), 0);
	assert_int_equal(route_submitter_class(settings, 33), 33);
	assert_int_equal(route_submitter_class(settings, 61183), 61183);
	assert_int_equal(route_submitter_class(settings, 61184), shared);
	assert_int_equal(route_submitter_class(settings, 65519), shared);
	assert_int_equal(route_submitter_class(settings, 100000), shared);
	assert_int_equal(route_submitter_class(settings, 70000), 70000);
	assert_int_not_equal(shared, 65534);
}

int main(void)
{
#define TEST(name, how) cmocka_unit_test_setup_teardown(name, how, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(takes_the_default_relay_in_one_part, set_up),
		TEST(takes_the_first_rule_that_holds, set_up),
		TEST(knows_the_null_sender_in_a_rule, set_up),
		TEST(goes_on_behind_a_rule_that_names_only_a_priority, set_up),
		TEST(prefers_the_relay_the_submitter_asked_for, set_up),
		TEST(hands_over_to_the_fallback_of_a_relay_switched_off,
		     set_up),
		TEST(makes_a_part_for_each_domain_with_direct, set_up),
		TEST(finds_the_part_of_each_of_5000_domains, set_up),
		TEST(holds_direct_mail_of_a_host_without_a_name,
		     set_up_without_name),
		TEST(holds_direct_mail_of_a_bare_sender, set_up),
		TEST(lets_bounces_and_mail_to_relays_pass, set_up),
		TEST(routes_one_recipient_again_by_the_same_rules, set_up),
		TEST(gives_unstable_users_one_class, set_up),
	};

	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
