/* Messages and relays in JSON, from records made up here. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buffer.h"
#include "control/shape.h"
#include "deliver/scheduler.h"
#include "json.h"
#include "queue/message.h"
#include "settings.h"

#define WALL_NOW  UINT64_C(1795459201123) /* 2026-11-23T18:40:01.123Z */
#define QUEUE_NOW UINT64_C(5000000)
#define LANE      7

static struct relay_settings office = { .enabled = true };
static struct settings settings;
static struct message message;
static struct message_recipient recipients[2];
static struct message_part part;
static struct timeline_entry timeline[2];
static uint16_t first_recipient[] = { 0 };
static struct shape_view view;
static struct relay_status status;
static uint64_t delivering[] = { 1, 99 };
static struct scheduler_query scheduler;
static struct json *parsed;
static struct buffer out;

static uint32_t lane_relay(void *context, uint32_t lane)
{
	(void)context;
	return lane == LANE ? office.id : 0;
}

static const char *user_name(void *context, uid_t uid)
{
	(void)context;
	return uid == 33 ? "www-data" : NULL;
}

static void set_up_message(void)
{
	recipients[0] = (struct message_recipient){
		.address = "a@example.org",
		.part = 1,
		.attempts = 1,
		.reply = { 451,
		           { 4, 7, 1 },
		           "Try later",
		           "office",
		           "smtp.example.com:587" },
	};
	recipients[1] = (struct message_recipient){
		.address = "b@example.org",
		.state = RECIPIENT_DELIVERED,
		.flags = RECIPIENT_MAYBE_DUPLICATE,
		.attempts = 1,
	};
	part = (struct message_part){
		.number = 1,
		.place = PART_SCHED,
		.lane = LANE,
		.due_ms = QUEUE_NOW + 60000,
	};
	timeline[0] = (struct timeline_entry){
		.time_ms = WALL_NOW - 5000,
		.kind = TIMELINE_ACCEPTED,
		.is_for_all = true,
	};
	timeline[1] = (struct timeline_entry){
		.time_ms = WALL_NOW,
		.kind = TIMELINE_DEFERRED,
		.phase = PHASE_RCPT,
		.scope = SCOPE_RECIPIENT,
		.is_charged = true,
		.code = 451,
		.enhanced = { 4, 7, 1 },
		.duration_ms = 812,
		.relay = "office",
		.host = "smtp.example.com:587",
		.tls = "TLSv1.3",
		.text = "Try later",
		.recipients = first_recipient,
		.recipient_count = 1,
	};
	message = (struct message){
		.id = 42,
		.body_id = 1,
		.state = MESSAGE_QUEUED,
		.priority = PRIORITY_NORMAL,
		.uid = 33,
		.submitted_ms = WALL_NOW - 5000,
		.size = 4212,
		.sender = "noreply@example.com",
		.recipients = recipients,
		.recipient_count = 2,
		.parts = &part,
		.part_count = 1,
		.timeline = timeline,
		.timeline_count = 2,
	};
}

static int set_up(void **state)
{
	(void)state;
	office.name = (char *)(uintptr_t) "office";
	office.id = settings_relay_id("office");
	settings.relays = &office;
	settings.relay_count = 1;
	settings.default_relay = &office;
	set_up_message();
	status = (struct relay_status){ .id = office.id };
	scheduler = (struct scheduler_query){
		.relays = &status,
		.relay_count = 1,
		.delivering = delivering,
		.delivering_count = 2,
	};
	view = (struct shape_view){
		.settings = &settings,
		.scheduler = &scheduler,
		.queue_now_ms = QUEUE_NOW,
		.wall_now_ms = WALL_NOW,
		.lane_relay = lane_relay,
		.user_name = user_name,
	};
	buffer_init(&out, 0);
	parsed = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	json_free(parsed);
	buffer_done(&out);
	return 0;
}

static const struct json *shape(bool has_timeline)
{
	struct emitter emit;

	buffer_clear(&out);
	json_free(parsed);
	emit_init(&emit, &out);
	shape_message(&emit, NULL, &message, &view, has_timeline);
	assert_int_equal(emit_result(&emit), 0);
	parsed = json_parse(out.data, out.len);
	assert_non_null(parsed);
	return parsed;
}

static const struct json *recipient(const struct json *json, size_t index)
{
	return json_item(json_member(json, "recipients"), index);
}

static void has_the_facts_of_the_envelope(void **state)
{
	const struct json *json = shape(false);
	const struct json *submitter = json_member(json, "submitter");

	(void)state;
	assert_string_equal(json_text(json, "id"), "000000000001a");
	assert_string_equal(json_text(json, "state"), "queued");
	assert_string_equal(json_text(json, "sender"), "noreply@example.com");
	assert_string_equal(json_text(json, "submitted"),
	                    "2026-11-23T18:39:56.123Z");
	assert_string_equal(json_text(json, "priority"), "normal");
	assert_string_equal(json_text(json, "relay"), "office");
	assert_int_equal(json_number(json, "size"), 4212);
	assert_int_equal(json_number(submitter, "uid"), 33);
	assert_string_equal(json_text(submitter, "user"), "www-data");
	assert_null(json_member(json, "hold"));
	assert_null(json_member(json, "tag"));
	assert_true(json_flag(json, "has_content"));
	assert_null(json_member(json, "timeline"));
}

static void tells_each_recipient_apart(void **state)
{
	const struct json *json = shape(false);
	const struct json *reply = json_member(recipient(json, 0), "reply");

	(void)state;
	assert_string_equal(json_text(recipient(json, 0), "state"), "waiting");
	assert_string_equal(json_text(recipient(json, 0), "next_attempt"),
	                    "2026-11-23T18:41:01.123Z");
	assert_int_equal(json_number(reply, "code"), 451);
	assert_string_equal(json_text(reply, "enhanced"), "4.7.1");
	assert_string_equal(json_text(reply, "host"), "smtp.example.com:587");
	assert_string_equal(json_text(recipient(json, 1), "state"),
	                    "delivered");
	assert_null(json_member(recipient(json, 1), "next_attempt"));
	assert_null(json_member(recipient(json, 1), "reply"));
	assert_true(json_flag(recipient(json, 1), "maybe_duplicate"));
}

static void tells_the_story_in_order(void **state)
{
	const struct json *json = shape(true);
	const struct json *story = json_member(json, "timeline");
	const struct json *accepted = json_item(story, 0);
	const struct json *deferred = json_item(story, 1);

	(void)state;
	assert_int_equal(json_count(story), 2);
	assert_string_equal(json_text(accepted, "event"), "accepted");
	assert_null(json_member(accepted, "phase"));
	assert_null(json_member(accepted, "recipients"));
	assert_string_equal(json_text(deferred, "event"), "deferred");
	assert_string_equal(
	    json_item_text(json_member(deferred, "recipients"), 0),
	    "a@example.org");
	assert_string_equal(json_text(deferred, "phase"), "rcpt");
	assert_string_equal(json_text(deferred, "scope"), "recipient");
	assert_true(json_flag(deferred, "charged"));
	assert_string_equal(json_text(deferred, "tls"), "TLSv1.3");
	assert_int_equal(json_number(deferred, "ms"), 812);
	assert_string_equal(json_text(deferred, "text"), "Try later");
}

static void shows_delivering_while_a_worker_has_it(void **state)
{
	(void)state;
	message.id = 99;
	assert_string_equal(json_text(shape(false), "state"), "delivering");
	message.state = MESSAGE_DELIVERED;
	assert_string_equal(json_text(shape(false), "state"), "delivered");
}

static void puts_the_next_attempt_after_the_breaker(void **state)
{
	(void)state;
	status.state = BREAKER_OPEN;
	status.until_ms = WALL_NOW + 120000;
	assert_string_equal(
	    json_text(recipient(shape(false), 0), "next_attempt"),
	    "2026-11-23T18:42:01.123Z");
	status.state = BREAKER_HELD;
	status.until_ms = 0;
	assert_null(json_member(recipient(shape(false), 0), "next_attempt"));
}

static void says_why_it_is_held(void **state)
{
	const struct json *hold;

	(void)state;
	message.state = MESSAGE_HELD;
	message.hold_reason = "by root";
	message.hold_until_ms = WALL_NOW;
	part.place = PART_HELD;
	hold = json_member(shape(false), "hold");
	assert_string_equal(json_text(hold, "reason"), "by root");
	assert_string_equal(json_text(hold, "until"),
	                    "2026-11-23T18:40:01.123Z");
	assert_null(json_member(recipient(parsed, 0), "next_attempt"));
}

static void never_shows_a_secret_of_a_relay(void **state)
{
	struct emitter emit;
	int secret;

	(void)state;
	/* Only whether there is one may matter. */
	office.password = (struct secret *)(void *)&secret;
	emit_init(&emit, &out);
	shape_relay(&emit, NULL, &office, &view);
	assert_int_equal(emit_result(&emit), 0);
	parsed = json_parse(out.data, out.len);
	office.password = NULL;
	assert_non_null(parsed);
	assert_true(json_flag(json_member(parsed, "password"), "set"));
	assert_false(json_flag(json_member(parsed, "token"), "set"));
	assert_true(json_flag(parsed, "default"));
	assert_string_equal(json_text(parsed, "state"), "closed");
	assert_null(json_member(parsed, "reason"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(has_the_facts_of_the_envelope),
		CASE(tells_each_recipient_apart),
		CASE(tells_the_story_in_order),
		CASE(shows_delivering_while_a_worker_has_it),
		CASE(puts_the_next_attempt_after_the_breaker),
		CASE(says_why_it_is_held),
		CASE(never_shows_a_secret_of_a_relay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
