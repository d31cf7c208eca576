/*
 * test_reporter - an outage makes a summary, a refusal a bounce
 *
 * The reporter over the real store; what it adds to the queue is read there.
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include "deliver/reporter.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "settings_errors.h"

static const char text[] = "hostname: relais.example.com\n"
			   "queue: {directory: %s}\n"
			   "relays: {capture: {url: \"maildir:%s/mail\"}}\n"
			   "bounces: {summary: 1s, gather: 1s}\n";

static const struct settings *load(const struct fixture *f)
{
	const struct settings *settings = NULL;
	struct settings_errors errors;
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/relais.yaml", f->directory);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, text, f->directory, f->directory);
	assert_int_equal(fclose(file), 0);
	settings_errors_init(&errors);
	if (settings_load(path, &settings, &errors) < 0)
		fail_msg("%s", errors.entries[0].text);
	settings_errors_done(&errors);
	return settings;
}

/* Ends the only recipient of a message of this sender. */
static uint64_t end_one(struct fixture *f, const char *sender,
                        enum recipient_state state, bool is_relay_fault)
{
	static const char *const to[] = { "a@example.org", NULL };
	struct submission *mail = fixture_mail(to, "body\r\n");
	struct settlement *s;
	uint64_t id;

	mail->message->sender = message_dup_text(mail->message, sender);
	id = fixture_submit(f, mail);
	s = fixture_attempt(f, id, 0, 1);
	fixture_say(&s->recipients[0], 0, state, 0);
	s->recipients[0].is_report_owed = true;
	s->recipients[0].is_relay_fault = is_relay_fault;
	assert_int_equal(fixture_settle(f, s), 0);
	return id;
}

/* Runs a reporter until nothing is owed. */
static void report_all(struct fixture *f)
{
	const struct settings *settings = load(f);
	struct reporter *reporter;
	struct queue_reader *reader;
	static const struct report_row from;
	struct report_row row;
	uint64_t next;

	assert_int_equal(reporter_new(&reporter, f->queue, settings, NULL), 0);
	assert_int_equal(queue_start(f->queue), 0);
	assert_int_equal(reporter_start(reporter), 0);
	assert_int_equal(queue_reader_new(&reader, f->queue), 0);
	while (queue_read_reports(reader, &from, UINT64_MAX, &row, 1, &next) >
	       0)
		usleep(1000);
	reporter_stop(reporter);
	f->reader = reader;
	reporter_free(reporter);
	settings_unref(settings);
}

/* The reports in the queue; the caller frees them. */
static int list_reports(struct fixture *f, struct message **reports, int max)
{
	struct message *all[64];
	struct queue_filter filter = { 0 };
	uint64_t next;
	int found = 0,
	    count = queue_list(f->reader, &filter, 0, all, 64, &next);

	for (int i = 0; i < count; i++) {
		if ((all[i]->flags & MESSAGE_IS_BOUNCE) != 0 && found < max)
			reports[found++] = all[i];
		else
			message_free(all[i]);
	}
	return found;
}

static void tells_an_outage_in_one_mail_a_sender(void **state)
{
	struct fixture *f = *state;
	struct message *reports[8];
	char *piece = malloc(BODY_PIECE_MAX);
	uint64_t ids[20];
	size_t len;
	int count;

	for (unsigned i = 0; i < 20; i++)
		ids[i] = end_one(
		    f, i % 2 == 0 ? "one@example.com" : "two@example.com",
		    RECIPIENT_EXPIRED, true);
	fixture_stop(f);
	fixture_open(f);
	report_all(f);
	count = list_reports(f, reports, 8);
	assert_int_equal(count, 2);
	assert_string_not_equal(reports[0]->recipients[0].address,
	                        reports[1]->recipients[0].address);
	assert_string_equal(reports[0]->sender, "");
	assert_int_equal(
	    queue_read_piece(f->reader, reports[0]->body_id, 0, piece, &len),
	    0);
	piece[len < BODY_PIECE_MAX ? len : len - 1] = '\0';
	assert_non_null(strstr(piece, "Subject: Undelivered: 10 messages"));
	assert_non_null(strstr(piece, "a@example.org"));
	for (unsigned i = 0; i < 20; i++) {
		struct message *m = fixture_read(f, ids[i]);

		assert_int_equal(m->timeline[m->timeline_count - 1].kind,
		                 TIMELINE_BOUNCED);
		message_free(m);
	}
	message_free(reports[0]);
	message_free(reports[1]);
	free(piece);
}

static void tells_each_refusal_by_itself(void **state)
{
	struct fixture *f = *state;
	struct message *reports[64];
	int count;

	for (unsigned i = 0; i < 5; i++)
		(void)end_one(f, "one@example.com", RECIPIENT_FAILED, false);
	(void)end_one(f, "one@example.com", RECIPIENT_EXPIRED, true);
	fixture_stop(f);
	fixture_open(f);
	report_all(f);
	count = list_reports(f, reports, 64);
	assert_int_equal(count, 6);
	while (count > 0)
		message_free(reports[--count]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(tells_an_outage_in_one_mail_a_sender),
		TEST(tells_each_refusal_by_itself),
	};

	if (loop_prepare_process() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
