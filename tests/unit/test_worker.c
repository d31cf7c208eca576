/* A worker with a real queue, real transports and peers on loopback. */
#include "config.h"

#include "../support/queue_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "clock.h"
#include "command_helper.h"
#include "deliver/resolver.h"
#include "deliver/worker.h"
#include "dns_server.h"
#include "queue/inflight.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "scratch.h"
#include "smtp_peer.h"

static struct {
	struct fixture *queue;
	struct scratch *scratch;
	const struct settings *settings;
	struct mailbox *home;
	struct loop *loop; /* the resolver's and the command helper's */
	struct resolver *resolver;
	struct worker *worker;
	struct smtp_peer *peer, *other;
	struct dns_server *dns;
} f;

static struct command_helper *helper;

/* The clocks of days, both, are so far ahead. */
static _Atomic int64_t ahead_ms;

static int64_t read_clock_us(clockid_t id)
{
	struct timespec now;

	(void)clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t wall_ms(void)
{
	return read_clock_us(CLOCK_REALTIME) / 1000 + atomic_load(&ahead_ms);
}

static int64_t boottime_ms(void)
{
	return read_clock_us(CLOCK_BOOTTIME) / 1000 + atomic_load(&ahead_ms);
}

static int64_t monotonic_us(void)
{
	return read_clock_us(CLOCK_MONOTONIC);
}

static const struct clock_source clocks = { wall_ms, boottime_ms,
	                                    monotonic_us };

static void let_days_pass(int days)
{
	atomic_fetch_add(&ahead_ms, days * INT64_C(86400000));
}

static void on_home(struct letter *letter)
{
	(void)letter;
}

static void start_worker(void)
{
	assert_int_equal(loop_new(&f.loop, "names"), 0);
	assert_int_equal(resolver_new(&f.resolver, f.loop, f.settings), 0);
	assert_int_equal(command_helper_new(&helper), 0);
	assert_int_equal(command_helper_attach(helper, f.loop), 0);
	assert_int_equal(loop_start(f.loop), 0);
	assert_int_equal(
	    worker_new(&f.worker, 0, f.queue->queue, f.resolver, helper, NULL),
	    0);
	assert_int_equal(worker_start(f.worker), 0);
}

/* Everything from a relay's settings; %u is the peer's port. */
static void use(const char *relay_yaml)
{
	char relay[700], yaml[1000];

	assert_null(f.worker);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(relay, sizeof(relay), relay_yaml,
	               f.peer ? smtp_peer_port(f.peer) : 0);
#pragma GCC diagnostic pop
	(void)snprintf(yaml, sizeof(yaml),
	               "hostname: host.example.net\n"
	               "domain: example.net\n"
	               "%s%u%s"
	               "relays: {office: {%s}}\n",
	               f.dns ? "resolver: {timeout: 1s, tries: 1, "
	                       "servers: ['127.0.0.1:"
	                     : "#",
	               f.dns ? dns_server_port(f.dns) : 0,
	               f.dns ? "']}\n" : "\n", relay);
	f.settings = scratch_settings(f.scratch, yaml);
	start_worker();
}

static void use_peer(const char *more)
{
	char yaml[700];

	f.peer = smtp_peer_new("127.0.0.1", 0);
	(void)snprintf(yaml, sizeof(yaml),
	               "host: 127.0.0.1, port: %%u, security: none%s", more);
	use(yaml);
}

static int set_up(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	f.queue = fixture_make();
	fixture_start(f.queue);
	f.scratch = scratch_new();
	assert_int_equal(mailbox_new_blocking(&f.home), 0);
	return 0;
}

/* As the daemon does it: what answers the worker stops before it is freed. */
static void stop_worker(void)
{
	if (!f.worker)
		return;
	worker_cut(f.worker);
	worker_join(f.worker);
	loop_stop(f.loop);
	loop_join(f.loop);
	queue_reader_free(f.queue->reader);
	f.queue->reader = NULL;
	queue_stop(f.queue->queue);
	worker_free(f.worker);
	queue_free(f.queue->queue);
	f.queue->queue = NULL;
	f.worker = NULL;
	resolver_free(f.resolver);
	command_helper_free(helper);
	loop_free(f.loop);
}

static int tear_down(void **state)
{
	(void)state;
	stop_worker();
	smtp_peer_free(f.peer);
	smtp_peer_free(f.other);
	dns_server_free(f.dns);
	settings_unref(f.settings);
	mailbox_free(f.home);
	if (f.queue->queue)
		fixture_stop(f.queue);
	fixture_free(f.queue);
	scratch_free(f.scratch);
	return 0;
}

/* ------------------------------------------------------------- shorthand */

static struct assignment *assignment_for(const uint64_t *ids, unsigned count)
{
	struct assignment *assignment = assignment_new();

	assignment->home = f.home;
	assignment->on_done = on_home;
	assignment->slot = 7;
	assignment->settings = settings_ref(f.settings);
	assignment->relay = f.settings->default_relay;
	if (assignment->relay->kind == RELAY_DIRECT)
		strcpy(assignment->domain, "example.test");
	assignment->part_count = count;
	for (unsigned i = 0; i < count; i++)
		assignment->parts[i].id = ids[i];
	return assignment;
}

static struct assignment *await_home(void)
{
	struct letter *letter = mailbox_wait(f.home, 60000);

	assert_non_null(letter);
	assert_null(letter->next);
	return LETTER_OF(letter, struct assignment, letter);
}

/* Hands it over and waits until it and its settlements are through. */
static struct assignment *run(struct assignment *assignment)
{
	worker_assign_take(f.worker, assignment);
	assignment = await_home();
	assert_int_equal(fixture_change(f.queue, CHANGE_RETRY, 1), -ENOENT);
	return assignment;
}

static struct assignment *run_one(uint64_t id)
{
	return run(assignment_for(&id, 1));
}

static void deliver_one(uint64_t id)
{
	struct assignment *assignment = run_one(id);

	if (assignment->fault.class != VERDICT_NONE)
		fail_msg("%s", assignment->fault.text);
	assert_int_equal(assignment->parts[0].outcome, PART_SETTLED);
	assert_int_equal(fixture_state(f.queue, id), MESSAGE_DELIVERED);
	assignment_free(assignment);
}

static uint64_t submit(const char *to)
{
	return fixture_submit_one(f.queue, to);
}

static uint64_t submit_to(const char *a, const char *b, const char *c)
{
	const char *to[] = { a, b, c, NULL };

	return fixture_submit(f.queue, fixture_mail(to, "body\r\n"));
}

static enum recipient_state state_of(uint64_t id, unsigned recipient)
{
	struct message *message = fixture_read(f.queue, id);
	enum recipient_state state = message->recipients[recipient].state;

	message_free(message);
	return state;
}

/* "1 4.4.3": charged attempts and the last word's enhanced code. */
static const char *story_of(uint64_t id, unsigned recipient)
{
	static char text[64];
	struct message *message = fixture_read(f.queue, id);
	const struct message_recipient *r = &message->recipients[recipient];

	(void)snprintf(text, sizeof(text), "%u %u.%u.%u", r->attempts,
	               r->reply.enhanced[0], r->reply.enhanced[1],
	               r->reply.enhanced[2]);
	message_free(message);
	return text;
}

/* --------------------------------------------------------------- maildir */

static void use_maildir(void)
{
	char yaml[200];

	(void)snprintf(yaml, sizeof(yaml), "url: 'maildir:%s/mail'",
	               scratch_path(f.scratch));
	use(yaml);
}

static unsigned count_files(const char *folder)
{
	char path[200];
	unsigned count = 0;
	struct dirent *entry;
	DIR *directory;

	(void)snprintf(path, sizeof(path), "%s/mail/%s",
	               scratch_path(f.scratch), folder);
	directory = opendir(path);
	assert_non_null(directory);
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	(void)closedir(directory);
	return count;
}

static void saves_a_message_in_a_maildir(void **state)
{
	uint64_t id;

	(void)state;
	use_maildir();
	id = submit_to("a@example.org", "b@example.org", "c@example.org");
	deliver_one(id);
	assert_int_equal(count_files("new"), 1);
	assert_int_equal(count_files("tmp"), 0);
	assert_string_equal(story_of(id, 2), "1 2.0.0");
}

/* The only file in `folder`; the caller frees it. */
static char *read_file(const char *folder)
{
	char path[600], *text = calloc(1, 4096);
	struct dirent *entry;
	FILE *stream;
	DIR *directory;

	assert_non_null(text);
	(void)snprintf(path, sizeof(path), "%s/mail/%s",
	               scratch_path(f.scratch), folder);
	directory = opendir(path);
	assert_non_null(directory);
	do
		entry = readdir(directory);
	while (entry && entry->d_name[0] == '.');
	assert_non_null(entry);
	(void)snprintf(path, sizeof(path), "%s/mail/%s/%s",
	               scratch_path(f.scratch), folder, entry->d_name);
	(void)closedir(directory);
	stream = fopen(path, "r");
	assert_non_null(stream);
	assert_true(fread(text, 1, 4095, stream) > 0);
	(void)fclose(stream);
	return text;
}

static void
writes_the_envelope_on_top_and_lines_as_files_have_them(void **state)
{
	const char *to[] = { "a@example.org", "b@example.org", NULL };
	char *text, *received;

	(void)state;
	use_maildir();
	deliver_one(fixture_submit(
	    f.queue, fixture_mail(to, "one\r\n.\r\n\r\nlast, no end")));
	text = read_file("new");
	received = strstr(text, "Received: from localhost (uid 1000)\n\tby "
	                        "host.example.net (relais) with ESMTP\n");
	assert_non_null(received);
	*received = '\0';
	assert_string_equal(text, "Return-Path: <sender@example.com>\n"
	                          "X-Envelope-To: a@example.org\n"
	                          "X-Envelope-To: b@example.org\n");
	*received = 'R';
	assert_string_equal(strstr(text, "\nSubject"),
	                    "\nSubject: test\n\none\n.\n\nlast, no end");
	free(text);
}

static int read_nothing(void *context, const char **ret_data, size_t *ret_len)
{
	(void)context;
	*ret_data = "";
	*ret_len = 0;
	return 0;
}

static void on_saved(void *context, const struct transport_result *result)
{
	assert_int_equal(result->count, 1);
	assert_int_equal(result->verdicts[0].class, VERDICT_DELIVERED);
	loop_stop(context);
}

static void saves_a_repeated_delivery_over_the_first(void **state)
{
	struct transport_recipient to[] = { { .address = "a@example.org" },
		                            { .address = "b@example.org" } };
	struct transport_message message = {
		.id = 42,
		.sender = "",
		.recipients = to,
		.recipient_count = 1,
		.header = "Subject: x\r\n\r\n",
		.header_len = 14,
		.read_body = read_nothing,
	};
	struct transport_target target = { .ehlo_name = "a/b:c" };
	struct transport_events events = { .on_done = on_saved };
	struct transport *transport;
	struct loop *loop;

	(void)state;
	use_maildir();
	assert_int_equal(loop_new(&loop, "test"), 0);
	target.relay = f.settings->default_relay;
	events.context = loop;
	assert_int_equal(transport_new(&transport, loop, &target, &events), 0);
	for (unsigned i = 0; i < 3; i++) {
		message.recipients = &to[i / 2];
		transport_send(transport, &message);
		assert_int_equal(loop_run(loop), 0);
		assert_int_equal(count_files("new"), 1 + i / 2);
	}
	transport_free(transport);
	loop_free(loop);
}

static void charges_a_maildir_that_cannot_be_written(void **state)
{
	char yaml[200];
	struct assignment *assignment;

	(void)state;
	(void)snprintf(yaml, sizeof(yaml), "url: 'maildir:%s/no/mail'",
	               scratch_path(f.scratch));
	use(yaml);
	assignment = run_one(submit("a@example.org"));
	assert_int_equal(assignment->parts[0].outcome, PART_RETURNED);
	assert_int_equal(assignment->fault.scope, SCOPE_RELAY);
	assert_int_equal(assignment->fault.fault, FAULT_CONFIG);
	assert_non_null(strstr(assignment->fault.text, "No such file"));
	assignment_free(assignment);
}

static void sends_every_octet_of_bodies_of_any_length(void **state)
{
	static const size_t lengths[] = {
		0, 1, 2000, 2018, 65519, 65520, 65521, 131040, 200000, 900001
	};

	(void)state;
	use_peer("");
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const char *to[] = { "a@example.org", NULL };
		char *body = malloc(lengths[i] + 3), *sent, *start;

		for (size_t j = 0; j < lengths[i]; j++)
			body[j] = (char)('a' + j % 23);
		/* lines, so that it is mail */
		for (size_t j = 76; j + 1 < lengths[i]; j += 78)
			memcpy(body + j, "\r\n", 2);
		strcpy(body + lengths[i], "\r\n");
		deliver_one(fixture_submit(f.queue, fixture_mail(to, body)));
		sent = smtp_peer_last_message(f.peer);
		start = strstr(sent, "\r\n\r\n");
		assert_non_null(start);
		assert_int_equal(strlen(start + 4), strlen(body));
		assert_string_equal(start + 4, body);
		free(sent);
		free(body);
	}
}

/* ---------------------------------------------------------------- faults */

static void returns_what_a_faulty_relay_did_not_take(void **state)
{
	uint64_t ids[2];
	struct assignment *assignment;

	(void)state;
	f.peer = smtp_peer_new("127.0.0.1", 0);
	smtp_peer_answer(f.peer, "", "421 4.3.2 not now", 0);
	use("host: 127.0.0.1, port: %u, security: none");
	ids[0] = submit("a@example.org");
	ids[1] = submit("b@example.org");
	assignment = run(assignment_for(ids, 2));
	assert_int_equal(assignment->parts[0].outcome, PART_RETURNED);
	assert_int_equal(assignment->parts[1].outcome, PART_NOT_TRIED);
	assert_int_equal(assignment->fault.class, VERDICT_TEMPORARY);
	assert_int_equal(assignment->fault.scope, SCOPE_RELAY);
	assert_int_equal(assignment->fault.code, 421);
	assert_false(assignment->had_session);
	assert_non_null(assignment->fault_host);
	assignment_free(assignment);
	assert_string_equal(story_of(ids[0], 0), "0 0.0.0");
	assert_int_equal(fixture_state(f.queue, ids[0]), MESSAGE_QUEUED);
}

static void blames_the_settings_for_a_relay_that_does_not_exist(void **state)
{
	static const struct dns_row zone[] = { { NULL, 0, 0, NULL } };
	struct assignment *assignment;

	(void)state;
	f.dns = dns_server_new(zone);
	use("host: relay.test, security: none");
	assignment = run_one(submit("a@example.org"));
	assert_int_equal(assignment->parts[0].outcome, PART_RETURNED);
	assert_int_equal(assignment->fault.fault, FAULT_CONFIG);
	assert_int_equal(assignment->fault.phase, PHASE_NAME);
	assert_string_equal(assignment->fault_host, "relay.test");
	assignment_free(assignment);
}

static void expires_what_is_too_old_behind_a_faulty_relay(void **state)
{
	const char *to[] = { "a@example.org", NULL };
	struct assignment *assignment;
	uint64_t id;

	(void)state;
	f.peer = smtp_peer_new("127.0.0.1", 0);
	smtp_peer_answer(f.peer, "", "421 4.3.2 not now", 0);
	use("host: 127.0.0.1, port: %u, security: none");
	id = fixture_submit(f.queue, fixture_mail(to, "old\r\n"));
	let_days_pass(6);
	assignment = run_one(id);
	assert_int_equal(assignment->parts[0].outcome, PART_SETTLED);
	assert_int_equal(assignment->fault.class, VERDICT_TEMPORARY);
	assignment_free(assignment);
	assert_int_equal(fixture_state(f.queue, id), MESSAGE_EXPIRED);
	assert_non_null(strstr(story_of(id, 0), "5.4.7"));
}

static void expires_without_a_connection_where_told(void **state)
{
	const char *to[] = { "a@example.org", NULL };
	struct assignment *assignment;
	uint64_t ids[2];

	(void)state;
	use_peer("");
	ids[0] = fixture_submit(f.queue, fixture_mail(to, "old\r\n"));
	let_days_pass(6);
	ids[1] = submit("b@example.org");
	assignment = assignment_for(ids, 2);
	assignment->is_expiring = true;
	verdict_local(&assignment->fault, VERDICT_TEMPORARY, SCOPE_RELAY,
	              PHASE_CONNECT, FAULT_NETWORK, "no route");
	assignment = run(assignment);
	assert_int_equal(assignment->parts[0].outcome, PART_SETTLED);
	assert_int_equal(assignment->parts[1].outcome, PART_RETURNED);
	assignment_free(assignment);
	assert_int_equal(smtp_peer_connections(f.peer), 0);
	assert_int_equal(fixture_state(f.queue, ids[0]), MESSAGE_EXPIRED);
	assert_non_null(strstr(story_of(ids[0], 0), "5.4.7"));
	assert_int_equal(fixture_state(f.queue, ids[1]), MESSAGE_QUEUED);
}

static void sets_aside_what_the_connection_is_lost_over(void **state)
{
	struct assignment *assignment;
	uint64_t ids[2];

	(void)state;
	use_peer("");
	smtp_peer_answer(f.peer, "RCPT TO:<bad@", NULL, 0);
	ids[0] = submit("bad@example.org");
	ids[1] = submit("b@example.org");
	assignment = run(assignment_for(ids, 2));
	/* Written down, uncharged, so that the other is the next probe. */
	assert_int_equal(assignment->parts[0].outcome, PART_SETTLED);
	assert_int_equal(assignment->parts[1].outcome, PART_NOT_TRIED);
	assert_int_equal(assignment->fault.class, VERDICT_TEMPORARY);
	assignment_free(assignment);
	assert_int_equal(state_of(ids[0], 0), RECIPIENT_WAITING);
	assert_int_equal(story_of(ids[0], 0)[0], '0');
}

static void does_not_send_past_the_deadline(void **state)
{
	const char *to[] = { "a@example.org", NULL };
	struct submission *submission = fixture_mail(to, "late\r\n");
	uint64_t id;

	(void)state;
	use_peer("");
	submission->message->deadline_ms = submission->message->submitted_ms;
	id = fixture_submit(f.queue, submission);
	assignment_free(run_one(id));
	assert_int_equal(fixture_state(f.queue, id), MESSAGE_EXPIRED);
	assert_int_equal(smtp_peer_connections(f.peer), 0);
}

static void refuses_what_is_too_large_without_connecting(void **state)
{
	uint64_t id;

	(void)state;
	use_peer(", limits: {size: 1KiB}");
	id = fixture_submit(
	    f.queue, fixture_mail((const char *[]){ "a@example.org", NULL },
	                          (char[1200]){ [0 ... 1198] = 'x' }));
	assignment_free(run_one(id));
	assert_int_equal(fixture_state(f.queue, id), MESSAGE_FAILED);
	assert_string_equal(story_of(id, 0), "1 5.3.4");
	assert_int_equal(smtp_peer_connections(f.peer), 0);
}

/* ------------------------------------------------------------ recipients */

static void gives_each_recipient_its_own_verdict(void **state)
{
	struct assignment *assignment;
	uint64_t id;

	(void)state;
	use_peer("");
	smtp_peer_answer(f.peer, "RCPT TO:<b@", "550 5.1.1 unknown", 0);
	smtp_peer_answer(f.peer, "RCPT TO:<c@", "451 4.2.1 later", 0);
	id = submit_to("a@example.org", "b@example.org", "c@example.org");
	assignment = run_one(id);
	assert_int_equal(assignment->delivered, 1);
	assert_int_equal(assignment->refused, 1);
	assert_true(assignment->had_session);
	assignment_free(assignment);
	assert_int_equal(state_of(id, 0), RECIPIENT_DELIVERED);
	assert_int_equal(state_of(id, 1), RECIPIENT_FAILED);
	assert_int_equal(state_of(id, 2), RECIPIENT_WAITING);
	assert_string_equal(story_of(id, 2), "1 4.2.1");
}

static void sends_many_recipients_in_several_transactions(void **state)
{
	uint64_t id;

	(void)state;
	use_peer(", limits: {recipients: 2}");
	id = submit_to("a@example.org", "b@example.org", "c@example.org");
	deliver_one(id);
	assert_int_equal(smtp_peer_messages(f.peer), 2);
	assert_int_equal(smtp_peer_connections(f.peer), 1);
	assert_int_equal(smtp_peer_count(f.peer, "RCPT"), 3);
}

static void sends_those_one_too_many_in_the_next_transaction(void **state)
{
	uint64_t id;

	(void)state;
	use_peer("");
	smtp_peer_answer(f.peer, "RCPT TO:<c@", "452 4.5.3 too many", 1);
	id = submit_to("a@example.org", "b@example.org", "c@example.org");
	deliver_one(id);
	assert_int_equal(smtp_peer_messages(f.peer), 2);
	assert_string_equal(story_of(id, 2), "1 2.0.0");
}

/* ------------------------------------------------------------ connection */

static void keeps_its_connection_for_the_next_message(void **state)
{
	uint64_t ids[3];
	struct assignment *assignment;

	(void)state;
	use_peer("");
	for (unsigned i = 0; i < 3; i++)
		ids[i] = submit("a@example.org");
	assignment = run(assignment_for(ids, 3));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(assignment->parts[i].outcome, PART_SETTLED);
	assignment_free(assignment);
	deliver_one(submit("b@example.org"));
	assert_int_equal(smtp_peer_connections(f.peer), 1);
	assert_int_equal(smtp_peer_messages(f.peer), 4);
}

static void opens_a_new_one_after_so_many_messages(void **state)
{
	(void)state;
	use_peer(", limits: {messages_per_connection: 2}");
	for (unsigned i = 0; i < 5; i++)
		deliver_one(submit("a@example.org"));
	assert_int_equal(smtp_peer_connections(f.peer), 3);
}

static void closes_it_when_its_slot_is_drained(void **state)
{
	struct assignment *assignment;
	uint64_t id;

	(void)state;
	use_peer("");
	id = submit("a@example.org");
	assignment = assignment_for(&id, 1);
	assignment->is_draining = true;
	assignment_free(run(assignment));
	smtp_peer_await(f.peer, "QUIT");
	deliver_one(submit("a@example.org"));
	assert_int_equal(smtp_peer_connections(f.peer), 2);
}

static void charges_nobody_for_a_connection_found_dead(void **state)
{
	uint64_t id;

	(void)state;
	use_peer("");
	deliver_one(submit("a@example.org"));
	smtp_peer_answer(f.peer, "MAIL", NULL, 1);
	id = submit("b@example.org");
	deliver_one(id);
	assert_int_equal(smtp_peer_connections(f.peer), 2);
	smtp_peer_answer(f.peer, "MAIL", "421 4.4.2 idle too long", 1);
	deliver_one(submit("c@example.org"));
	assert_int_equal(smtp_peer_connections(f.peer), 3);
}

static void takes_a_new_connection_with_new_settings(void **state)
{
	const struct settings *old;
	char yaml[300];

	(void)state;
	use_peer("");
	deliver_one(submit("a@example.org"));
	old = f.settings;
	(void)snprintf(yaml, sizeof(yaml),
	               "hostname: other.example.net\nrelays: {office: {host: "
	               "127.0.0.1, port: %u, security: none}}\n",
	               smtp_peer_port(f.peer));
	f.settings = scratch_settings(f.scratch, yaml);
	settings_unref(old);
	deliver_one(submit("a@example.org"));
	assert_int_equal(smtp_peer_count(f.peer, "EHLO host."), 1);
	assert_int_equal(smtp_peer_count(f.peer, "EHLO other."), 1);
}

/* ------------------------------------------------- cancelled, unreadable */

static void skips_what_was_cancelled_before_its_turn(void **state)
{
	uint64_t ids[2];
	struct assignment *assignment;

	(void)state;
	use_peer("");
	smtp_peer_keep_silent(f.peer, "MAIL FROM:<sender");
	ids[0] = submit("a@example.org");
	ids[1] = submit("b@example.org");
	worker_assign_take(f.worker, assignment_for(ids, 2));
	smtp_peer_await(f.peer, "MAIL");
	worker_forget(f.worker, ids[1]);
	worker_forget(f.worker, ids[0]);
	smtp_peer_speak(f.peer);
	assignment = await_home();
	assert_int_equal(assignment->parts[0].outcome, PART_GONE);
	assert_int_equal(assignment->parts[1].outcome, PART_GONE);
	assignment_free(assignment);
	assert_int_equal(smtp_peer_messages(f.peer), 0);
	assert_string_equal(story_of(ids[0], 0), "0 0.0.0");
}

static void drops_what_waits_for_nobody(void **state)
{
	uint64_t id;
	struct assignment *assignment;

	(void)state;
	use_peer("");
	id = submit("a@example.org");
	assert_int_equal(fixture_change(f.queue, CHANGE_CANCEL, id), 0);
	assignment = run_one(id);
	assert_int_equal(assignment->parts[0].outcome, PART_GONE);
	assignment_free(assignment);
	assignment = run_one(12345);
	assert_int_equal(assignment->parts[0].outcome, PART_GONE);
	assignment_free(assignment);
	assert_int_equal(smtp_peer_connections(f.peer), 0);
}

static void parks_a_message_that_lacks_a_part_of_its_body(void **state)
{
	const char *to[] = { "a@example.org", NULL };
	struct submission *submission = fixture_mail(to, "short\r\n");
	struct assignment *assignment;
	struct message *message;
	uint64_t id;

	(void)state;
	use_peer("");
	submission->message->header_len = 0;
	submission->message->size = 0;
	id = fixture_submit(f.queue, submission);
	message = fixture_read(f.queue, id);
	if (message->size != 0) {
		/* The committer knows better: nothing to be tried here. */
		message_free(message);
		skip();
	}
	message_free(message);
	assignment = run_one(id);
	assert_int_equal(assignment->parts[0].outcome, PART_GONE);
	assignment_free(assignment);
	assert_int_equal(fixture_state(f.queue, id), MESSAGE_PARKED);
	assert_int_equal(smtp_peer_connections(f.peer), 0);
}

static void never_ends_a_body_that_the_store_cannot_give(void **state)
{
	static char body[150000];
	const char *to[] = { "a@example.org", NULL };
	struct submission *submission;
	struct assignment *assignment;
	uint64_t ids[2];

	(void)state;
	use_peer("");
	for (size_t i = 0; i < sizeof(body) - 1; i++)
		body[i] = i % 70 == 68 ? '\r' : i % 70 == 69 ? '\n' : 'x';
	submission = fixture_mail(to, body);
	submission->message->size += 10;
	ids[0] = fixture_submit(f.queue, submission);
	ids[1] = submit("b@example.org");
	assignment = run(assignment_for(ids, 2));
	assert_int_equal(assignment->parts[0].outcome, PART_GONE);
	assert_int_equal(assignment->parts[1].outcome, PART_SETTLED);
	assignment_free(assignment);
	assert_int_equal(fixture_state(f.queue, ids[0]), MESSAGE_PARKED);
	assert_int_equal(fixture_state(f.queue, ids[1]), MESSAGE_DELIVERED);
	assert_int_equal(smtp_peer_messages(f.peer), 1);
}

/* ------------------------------------------------------- unknown outcome */

static bool is_marked(uint64_t id)
{
	struct message *message = fixture_read(f.queue, id);
	bool is_it = message->recipients[0].flags & RECIPIENT_MAYBE_DUPLICATE;

	message_free(message);
	return is_it;
}

/* As a process that is started after a kill would find them. */
static unsigned list_marks(struct inflight_mark *marks)
{
	struct inflight *inflight;
	unsigned count;

	assert_int_equal(inflight_open(&inflight, f.queue->directory), 0);
	count = inflight_list(inflight, marks);
	inflight_close(inflight);
	return count;
}

static void marks_what_is_behind_the_dot_until_its_verdict_is_kept(void **state)
{
	static struct inflight_mark marks[INFLIGHT_SLOTS];
	uint64_t id;

	(void)state;
	use_peer("");
	deliver_one(submit("a@example.org"));
	assert_int_equal(list_marks(marks), 0);
	id = submit("b@example.org");
	smtp_peer_keep_silent(f.peer, "MAIL");
	smtp_peer_keep_silent(f.peer, ".");
	worker_assign_take(f.worker, assignment_for(&id, 1));
	while (smtp_peer_count(f.peer, "MAIL") < 2)
		smtp_peer_await(f.peer, "MAIL");
	assert_int_equal(list_marks(marks), 0);
	smtp_peer_speak(f.peer);
	assignment_free(await_home());
	assert_int_equal(fixture_change(f.queue, CHANGE_RETRY, 1), -ENOENT);
	assert_int_equal(list_marks(marks), 0);
	assert_int_equal(fixture_state(f.queue, id), MESSAGE_DELIVERED);
}

static void leaves_a_mark_while_the_final_reply_is_awaited(void **state)
{
	static struct inflight_mark marks[INFLIGHT_SLOTS];
	struct assignment *assignment;
	uint64_t id;

	(void)state;
	use_peer("");
	id = submit("a@example.org");
	smtp_peer_keep_silent(f.peer, ".");
	worker_assign_take(f.worker, assignment_for(&id, 1));
	smtp_peer_await(f.peer, ".");
	assert_int_equal(list_marks(marks), 1);
	assert_int_equal(marks[0].id, id);

	/* Cut by us, its outcome is unknown and written down as such. */
	worker_cut(f.worker);
	assignment = await_home();
	assert_int_equal(assignment->parts[0].outcome, PART_SETTLED);
	assignment_free(assignment);
	worker_join(f.worker);
	assert_true(is_marked(id));
	assert_int_equal(state_of(id, 0), RECIPIENT_WAITING);
	assert_int_equal(list_marks(marks), 0);
}

static void returns_what_is_cut_before_the_dot(void **state)
{
	struct assignment *assignment;
	uint64_t ids[2];

	(void)state;
	use_peer("");
	ids[0] = submit("a@example.org");
	ids[1] = submit("b@example.org");
	smtp_peer_keep_silent(f.peer, "RCPT");
	worker_assign_take(f.worker, assignment_for(ids, 2));
	smtp_peer_await(f.peer, "RCPT");
	worker_cut(f.worker);
	assignment = await_home();
	assert_int_equal(assignment->parts[0].outcome, PART_RETURNED);
	assert_int_equal(assignment->parts[1].outcome, PART_NOT_TRIED);
	assignment_free(assignment);
	worker_join(f.worker);
	assert_false(is_marked(ids[0]));
	assert_string_equal(story_of(ids[0], 0), "0 0.0.0");
}

static void marks_a_lost_final_reply(void **state)
{
	uint64_t id;

	(void)state;
	use_peer("");
	smtp_peer_answer(f.peer, ".", NULL, 0);
	id = submit("a@example.org");
	assignment_free(run_one(id));
	assert_true(is_marked(id));
	assert_int_equal(state_of(id, 0), RECIPIENT_WAITING);
	assert_int_equal(smtp_peer_messages(f.peer), 1);
}

/* ---------------------------------------------------------------- direct */

static const struct dns_row direct_zone[] = {
	{ "example.test", ROW_MX, 300, "10 mx1.test" },
	{ "example.test", ROW_MX, 300, "15 nowhere.test" },
	{ "example.test", ROW_MX, 300, "20 mx2.test" },
	{ "mx1.test", ROW_A, 300, "127.83.41.1" },
	{ "mx2.test", ROW_A, 300, "127.83.41.2" },
	{ NULL, 0, 0, NULL },
};

static void use_direct(bool has_first, bool has_second)
{
	f.dns = dns_server_new(direct_zone);
	f.peer = smtp_peer_new("127.83.41.2", 0);
	assert_non_null(f.peer);
	if (has_first) {
		f.other = smtp_peer_new("127.83.41.1", smtp_peer_port(f.peer));
		assert_non_null(f.other);
	}
	use("url: 'direct:', port: %u");
	if (!has_second)
		smtp_peer_answer(f.peer, "", "554 5.7.1 go away", 0);
}

static void delivers_to_the_best_exchanger(void **state)
{
	(void)state;
	use_direct(true, true);
	deliver_one(submit("a@example.test"));
	deliver_one(submit("b@example.test"));
	assert_int_equal(smtp_peer_messages(f.other), 2);
	assert_int_equal(smtp_peer_connections(f.other), 1);
	assert_int_equal(smtp_peer_connections(f.peer), 0);
}

static void goes_on_to_the_next_exchanger(void **state)
{
	struct message *message;
	uint64_t id;

	(void)state;
	use_direct(false, true);
	id = submit("a@example.test");
	deliver_one(id);
	assert_int_equal(smtp_peer_messages(f.peer), 1);
	message = fixture_read(f.queue, id);
	assert_non_null(strstr(message->recipients[0].reply.host, "mx2.test"));
	assert_int_equal(message->timeline_count, 2);
	message_free(message);
}

static void offers_those_put_off_to_the_next_exchanger(void **state)
{
	uint64_t id;

	(void)state;
	use_direct(true, true);
	smtp_peer_answer(f.other, "RCPT TO:<a@", "450 4.2.0 greylisted", 0);
	smtp_peer_answer(f.other, "RCPT TO:<b@", "550 5.1.1 unknown", 0);
	id = submit_to("a@example.test", "b@example.test", "c@example.test");
	assignment_free(run_one(id));
	assert_int_equal(state_of(id, 0), RECIPIENT_DELIVERED);
	assert_int_equal(state_of(id, 1), RECIPIENT_FAILED);
	assert_int_equal(state_of(id, 2), RECIPIENT_DELIVERED);
	assert_int_equal(smtp_peer_messages(f.other), 1);
	assert_int_equal(smtp_peer_count(f.peer, "RCPT"), 1);
}

static void asks_no_other_exchanger_after_a_refusal(void **state)
{
	uint64_t id;

	(void)state;
	use_direct(true, true);
	smtp_peer_answer(f.other, "RCPT", "550 5.1.1 unknown", 0);
	id = submit("a@example.test");
	assignment_free(run_one(id));
	assert_int_equal(fixture_state(f.queue, id), MESSAGE_FAILED);
	assert_int_equal(smtp_peer_connections(f.peer), 0);
}

static void waits_uncharged_when_all_exchangers_fail(void **state)
{
	struct assignment *assignment;
	uint64_t id;

	(void)state;
	use_direct(false, false);
	id = submit("a@example.test");
	assignment = run_one(id);
	assert_int_equal(assignment->parts[0].outcome, PART_SETTLED);
	/* for the scheduler, that keeps back this domain's mail alone */
	assert_int_equal(assignment->fault.class, VERDICT_TEMPORARY);
	assignment_free(assignment);
	assert_int_equal(state_of(id, 0), RECIPIENT_WAITING);
	assert_string_equal(story_of(id, 0), "0 5.7.1");
}

static void fails_what_no_exchanger_can_ever_take(void **state)
{
	static const struct {
		struct dns_row rows[2];
		const char *story;
	} cases[] = {
		{ { { NULL, 0, 0, NULL } }, "1 5.1.2" },
		{ { { "example.test", ROW_MX, 60, "0 ." } }, "1 5.1.10" },
		{ { { "example.test", ROW_MX, 60, "5 gone.test" } },
		  "1 5.4.4" },
		{ { { "example.test", ROW_MX, 60, "5 host.example.net" } },
		  "1 5.4.6" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t id;

		f.dns = dns_server_new(cases[i].rows);
		use("url: 'direct:'");
		id = submit("a@example.test");
		assignment_free(run_one(id));
		assert_int_equal(fixture_state(f.queue, id), MESSAGE_FAILED);
		assert_string_equal(story_of(id, 0), cases[i].story);
		stop_worker();
		dns_server_free(f.dns);
		settings_unref(f.settings);
		f.dns = NULL;
		f.settings = NULL;
		fixture_start(f.queue);
	}
}

/* --------------------------------------------------------------- secrets */

static void runs_a_token_command_again_after_a_refusal(void **state)
{
	char command[200], yaml[500];
	FILE *stream;

	(void)state;
	(void)snprintf(command, sizeof(command), "%s/token",
	               scratch_path(f.scratch));
	stream = fopen(command, "w");
	assert_non_null(stream);
	/* one more letter at each run */
	assert_true(fprintf(stream,
	                    "#!/bin/sh\nprintf x >>%s.runs\n"
	                    "while read -r line || [ \"$line\" ]; do "
	                    "echo \"$line\"; done <%s.runs\n",
	                    command, command) > 0);
	assert_int_equal(fchmod(fileno(stream), 0700), 0);
	assert_int_equal(fclose(stream), 0);
	f.peer = smtp_peer_new("127.0.0.1", 0);
	smtp_peer_answer(f.peer, "EHLO",
	                 "250-peer.test\r\n250 AUTH XOAUTH2 PLAIN", 0);
	smtp_peer_answer(f.peer, "AUTH", "535 5.7.8 expired", 1);
	(void)snprintf(yaml, sizeof(yaml),
	               "host: 127.0.0.1, port: %%u, security: none, "
	               "username: u, authentication: XOAUTH2, "
	               "token_command: ['%s']",
	               command);
	smtp_peer_answer(f.peer, "AUTH XOAUTH2", "235 2.7.0 welcome", 0);
	smtp_peer_answer(f.peer, "AUTH XOAUTH2", "535 5.7.8 expired", 1);
	use(yaml);
	deliver_one(submit("a@example.org"));
	assert_int_equal(smtp_peer_count(f.peer, "AUTH"), 2);
	/* user=u^Aauth=Bearer x^A^A, then xx */
	assert_int_equal(smtp_peer_count(f.peer, "AUTH XOAUTH2 dXNlcj11AWF1dGg"
	                                         "9QmVhcmVyIHgBAQ=="),
	                 1);
	assert_int_equal(smtp_peer_count(f.peer, "AUTH XOAUTH2 dXNlcj11AWF1dGg"
	                                         "9QmVhcmVyIHh4AQE="),
	                 1);
}

static void holds_the_relay_when_a_command_fails(void **state)
{
	struct assignment *assignment;

	(void)state;
	use_peer(", username: u, password_command: [/bin/false]");
	assignment = run_one(submit("a@example.org"));
	assert_int_equal(assignment->parts[0].outcome, PART_RETURNED);
	assert_int_equal(assignment->fault.fault, FAULT_AUTH);
	assert_non_null(strstr(assignment->fault.text, "/bin/false"));
	assignment_free(assignment);
	assert_int_equal(smtp_peer_connections(f.peer), 0);
}

/* ----------------------------------------------------------------- drain */

static void ends_what_runs_and_begins_nothing_when_drained(void **state)
{
	struct assignment *assignment;
	uint64_t ids[2];

	(void)state;
	use_peer("");
	ids[0] = submit("a@example.org");
	ids[1] = submit("b@example.org");
	smtp_peer_keep_silent(f.peer, "MAIL");
	worker_assign_take(f.worker, assignment_for(ids, 2));
	smtp_peer_await(f.peer, "MAIL");
	worker_drain(f.worker);
	smtp_peer_speak(f.peer);
	assignment = await_home();
	assert_int_equal(assignment->parts[0].outcome, PART_SETTLED);
	assert_int_equal(assignment->parts[1].outcome, PART_NOT_TRIED);
	assignment_free(assignment);
	assert_int_equal(smtp_peer_messages(f.peer), 1);
	smtp_peer_await(f.peer, "QUIT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(saves_a_message_in_a_maildir),
		TEST(writes_the_envelope_on_top_and_lines_as_files_have_them),
		TEST(saves_a_repeated_delivery_over_the_first),
		TEST(charges_a_maildir_that_cannot_be_written),
		TEST(sends_every_octet_of_bodies_of_any_length),
		TEST(returns_what_a_faulty_relay_did_not_take),
		TEST(blames_the_settings_for_a_relay_that_does_not_exist),
		TEST(expires_what_is_too_old_behind_a_faulty_relay),
		TEST(expires_without_a_connection_where_told),
		TEST(sets_aside_what_the_connection_is_lost_over),
		TEST(does_not_send_past_the_deadline),
		TEST(refuses_what_is_too_large_without_connecting),
		TEST(gives_each_recipient_its_own_verdict),
		TEST(sends_many_recipients_in_several_transactions),
		TEST(sends_those_one_too_many_in_the_next_transaction),
		TEST(keeps_its_connection_for_the_next_message),
		TEST(opens_a_new_one_after_so_many_messages),
		TEST(closes_it_when_its_slot_is_drained),
		TEST(charges_nobody_for_a_connection_found_dead),
		TEST(takes_a_new_connection_with_new_settings),
		TEST(skips_what_was_cancelled_before_its_turn),
		TEST(drops_what_waits_for_nobody),
		TEST(parks_a_message_that_lacks_a_part_of_its_body),
		TEST(never_ends_a_body_that_the_store_cannot_give),
		TEST(marks_what_is_behind_the_dot_until_its_verdict_is_kept),
		TEST(leaves_a_mark_while_the_final_reply_is_awaited),
		TEST(returns_what_is_cut_before_the_dot),
		TEST(marks_a_lost_final_reply),
		TEST(delivers_to_the_best_exchanger),
		TEST(goes_on_to_the_next_exchanger),
		TEST(offers_those_put_off_to_the_next_exchanger),
		TEST(asks_no_other_exchanger_after_a_refusal),
		TEST(waits_uncharged_when_all_exchangers_fail),
		TEST(fails_what_no_exchanger_can_ever_take),
		TEST(runs_a_token_command_again_after_a_refusal),
		TEST(holds_the_relay_when_a_command_fails),
		TEST(ends_what_runs_and_begins_nothing_when_drained),
	};

	if (loop_prepare_process() < 0)
		return 99;
	log_set_level(LOG_LEVEL_ERR);
	clock_replace(&clocks);
	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
