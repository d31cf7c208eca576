/*
 * test_upgrade - a queue that an older relaisd wrote opens, whole
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include "../support/consistency.h"
#include "queue/accounts.h"
#include "queue/bigendian.h"
#include "queue/feed.h"

#define UID 33

static const char *const to[] = { "user@example.org", NULL };

static uint64_t submit(struct fixture *f)
{
	struct submission *s = fixture_mail(to, "body\r\n");
	uint64_t id;

	s->message->uid = UID;
	assert_int_equal(fixture_do(f, &s->job), 0);
	id = s->id;
	submission_free(s);
	return id;
}

/* What format 2 has in lane 0 back to the tables it had in format 1. */
static void write_account(struct store_txn *txn)
{
	static const unsigned char new_key[8] = { [7] = UID };
	unsigned char row[16];
	struct store_bytes found;

	assert_int_equal(store_get(txn, TABLE_LANE, new_key, 8, &found), 0);
	assert_int_equal(found.len, sizeof(row));
	memcpy(row, found.data, sizeof(row));
	assert_int_equal(store_delete(txn, TABLE_LANE, new_key, 8), 0);
	assert_int_equal(
	    store_put(txn, TABLE_ACCOUNT, new_key + 4, 4, row, sizeof(row)), 0);
}

static void write_feed(struct store_txn *txn, const struct feed_row *events,
                       int count)
{
	static const unsigned char open_key[5] = { [4] = 0xff };

	assert_int_equal(store_delete(txn, TABLE_LANE, open_key, 5), 0);
	for (int i = 0; i < count; i++) {
		unsigned char key[8], row[17];

		be64_put(key, events[i].sequence);
		be64_put(row, events[i].id);
		be64_put(row + 8, events[i].time_ms);
		row[16] = (unsigned char)events[i].kind;
		assert_int_equal(
		    store_put(txn, TABLE_FEED, key, 8, row, sizeof(row)), 0);
	}
}

static void back_to_format_1(struct fixture *f, const struct feed_row *events,
                             int count)
{
	static const unsigned char version[4] = { [3] = 1 };
	struct store_txn *txn;
	struct store *store;
	char *error = NULL;

	assert_int_equal(store_open(&store, f->directory, 1 << 30, &error), 0);
	assert_int_equal(store_begin(store, &txn), 0);
	write_account(txn);
	write_feed(txn, events, count);
	assert_int_equal(store_put(txn, TABLE_META, "format", 6, version, 4),
	                 0);
	assert_int_equal(store_commit(txn), 0);
	store_close(store);
}

static void assert_same_event(const struct feed_row *a,
                              const struct feed_row *b)
{
	assert_int_equal(a->sequence, b->sequence);
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->time_ms, b->time_ms);
	assert_int_equal(a->kind, b->kind);
}

static void opens_a_queue_of_format_1(void **state)
{
	struct feed_row before[4], after[5];
	struct fixture *f = *state;
	uint64_t oldest, id;

	(void)submit(f);
	id = submit(f);
	assert_int_equal(fixture_end(f, id, RECIPIENT_FAILED), 0);
	assert_int_equal(queue_read_feed(f->reader, 0, before, 4, &oldest), 3);
	fixture_stop(f);
	back_to_format_1(f, before, 3);

	for (int starts = 0; starts < 2; starts++) {
		fixture_start(f);
		assert_true(consistency_is_kept(f->queue));
		assert_int_equal(
		    queue_read_feed(f->reader, 0, after, 5, &oldest), 3);
		for (int i = 0; i < 3; i++)
			assert_same_event(&after[i], &before[i]);
		fixture_stop(f);
	}
	fixture_start(f);
	id = submit(f);
	assert_int_equal(queue_read_feed(f->reader, 2, after, 5, &oldest), 2);
	assert_int_equal(after[1].sequence, 4);
	assert_int_equal(after[1].id, id);
	assert_true(consistency_is_kept(f->queue));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    opens_a_queue_of_format_1, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
