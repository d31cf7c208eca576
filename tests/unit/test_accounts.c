/*
 * test_accounts - nobody has more in the queue than the rule for them allows
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include <errno.h>

#include "../support/consistency.h"
#include "queue/accounts.h"
#include "queue/report.h"

#define UID 33

static const char *const to[] = { "user@example.org", NULL };

static struct submission *mail_of(uint32_t uid, uint64_t messages,
                                  uint64_t bytes)
{
	struct submission *s = fixture_mail(to, "body\r\n");

	s->message->uid = uid;
	s->quota = (struct queue_quota){ messages, bytes };
	return s;
}

/* Posts, frees; the result, and the id where one is wanted. */
static int submit(struct fixture *f, struct submission *s, uint64_t *ret_id)
{
	int r = fixture_do(f, &s->job);

	if (ret_id != NULL)
		*ret_id = s->id;
	submission_free(s);
	return r;
}

static struct account account_now(struct fixture *f, uint32_t uid)
{
	struct account account = { 0 };
	struct store_txn *txn;

	assert_int_equal(store_reader_new(&txn, f->queue->store), 0);
	assert_int_equal(store_reader_begin(txn), 0);
	assert_int_equal(account_read(&account, txn, uid), 0);
	store_reader_end(txn);
	store_reader_free(txn);
	return account;
}

static uint64_t cost_of_one(void)
{
	struct submission *s = mail_of(UID, 0, 0);
	uint64_t cost = account_cost(s->message);

	submission_free(s);
	return cost;
}

static void refuses_one_message_more_than_may_wait(void **state)
{
	struct fixture *f = *state;
	uint64_t first, held;

	assert_int_equal(submit(f, mail_of(UID, 2, 0), &first), 0);
	assert_int_equal(submit(f, mail_of(UID, 2, 0), &held), 0);
	assert_int_equal(fixture_change(f, CHANGE_HOLD, held), 0);
	assert_int_equal(submit(f, mail_of(UID, 2, 0), NULL), -EUSERS);
	fixture_restart(f);
	assert_int_equal(submit(f, mail_of(UID, 2, 0), NULL), -EUSERS);
	/* Others, and those without a limit, are not held to it. */
	assert_int_equal(submit(f, mail_of(UID + 1, 2, 0), NULL), 0);
	assert_int_equal(submit(f, mail_of(0, 0, 0), NULL), 0);
	/* What has ended makes room. */
	assert_int_equal(fixture_end(f, first, RECIPIENT_DELIVERED), 0);
	assert_int_equal(submit(f, mail_of(UID, 2, 0), NULL), 0);
	assert_int_equal(submit(f, mail_of(UID, 2, 0), NULL), -EUSERS);
	assert_int_equal(fixture_change(f, CHANGE_CANCEL, held), 0);
	assert_int_equal(submit(f, mail_of(UID, 2, 0), NULL), 0);
	assert_true(consistency_is_kept(f->queue));
}

static void refuses_one_byte_more_than_the_share(void **state)
{
	struct fixture *f = *state;
	uint64_t share = 2 * cost_of_one(), id;

	assert_int_equal(submit(f, mail_of(UID, 0, share), NULL), 0);
	assert_int_equal(submit(f, mail_of(UID, 0, share - 1), NULL), -EDQUOT);
	assert_int_equal(submit(f, mail_of(UID, 0, share), &id), 0);
	assert_int_equal(account_now(f, UID).bytes, share);
	assert_int_equal(submit(f, mail_of(UID, 0, share), NULL), -EDQUOT);
	fixture_restart(f);
	assert_int_equal(submit(f, mail_of(UID, 0, share), NULL), -EDQUOT);
	/* A body that is kept after a failure takes room all the same. */
	assert_int_equal(fixture_end(f, id, RECIPIENT_FAILED), 0);
	assert_int_equal(account_now(f, UID).messages, 1);
	assert_int_equal(submit(f, mail_of(UID, 0, share), NULL), -EDQUOT);
	assert_true(consistency_is_kept(f->queue));
}

static int upload(struct fixture *f, struct upload *u, size_t len)
{
	char *bytes = calloc(1, len);

	u->job.kind = QUEUE_UPLOAD;
	if (u->body_id == 0) {
		u->header = strdup("Subject: test\r\n");
		u->header_len = strlen(u->header);
	} else {
		u->first_piece = u->next_piece;
	}
	u->chunks = fixture_chunks(bytes, len, BODY_PIECE_MAX);
	free(bytes);
	return fixture_do(f, &u->job);
}

static void counts_what_is_still_coming_in(void **state)
{
	const size_t slice = 2 * BODY_PIECE_MAX;
	struct fixture *f = *state;
	struct upload *u = upload_new(QUEUE_UPLOAD, 0);
	struct upload *other = upload_new(QUEUE_UPLOAD, 0);
	struct queue_counts counts;

	u->uid = other->uid = UID;
	u->quota.bytes = other->quota.bytes = 3 * slice;
	assert_int_equal(upload(f, u, slice), 0);
	assert_int_equal(upload(f, u, slice), 0);
	assert_int_equal(account_now(f, UID).bytes, 2 * slice + 15);
	assert_int_equal(upload(f, other, slice), -EDQUOT);
	assert_int_equal(submit(f, mail_of(UID, 0, 2 * slice + 100), NULL),
	                 -EDQUOT);
	assert_int_equal(upload(f, u, slice), -EDQUOT);
	u->job.kind = QUEUE_DISCARD;
	assert_int_equal(fixture_do(f, &u->job), 0);
	assert_int_equal(account_now(f, UID).bytes, 0);
	assert_int_equal(upload(f, other, slice), 0);
	/* A session that a crash ended has taken nothing. */
	fixture_restart(f);
	assert_int_equal(account_now(f, UID).bytes, 0);
	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	assert_int_equal(counts.messages[MESSAGE_RECEIVING], 0);
	upload_free(u);
	upload_free(other);
}

static struct submission *mail_of_upload(const struct upload *u, size_t len)
{
	struct submission *s = mail_of(UID, 0, 0);

	body_chunk_free_list(s->body);
	s->body = NULL;
	free(s->header);
	s->header = NULL;
	s->message->header_len = u->header_len;
	s->message->size = u->header_len + 2 + len;
	s->upload_id = u->body_id;
	return s;
}

static void counts_an_upload_once_when_it_becomes_a_message(void **state)
{
	const size_t slice = 2 * BODY_PIECE_MAX;
	struct fixture *f = *state;
	struct upload *u = upload_new(QUEUE_UPLOAD, 0);
	struct submission *s;
	uint64_t cost;

	u->uid = UID;
	assert_int_equal(upload(f, u, slice), 0);
	s = mail_of_upload(u, slice);
	cost = account_cost(s->message);
	s->quota.bytes = cost - 1;
	assert_int_equal(fixture_do(f, &s->job), -EDQUOT);
	/* It is the caller's to discard, or to try again. */
	s->quota.bytes = cost;
	assert_int_equal(fixture_do(f, &s->job), 0);
	assert_int_equal(account_now(f, UID).bytes, cost);
	submission_free(s);
	upload_free(u);
	assert_true(consistency_is_kept(f->queue));
}

/* More than are held in memory, and two for each place there. */
static void keeps_many_submitters_apart(void **state)
{
	const uint32_t uids = 2 * ACCOUNTS_HELD + 3;
	struct fixture *f = *state;

	for (uint32_t round = 1; round <= 3; round++)
		for (uint32_t uid = 1; uid <= uids; uid++)
			assert_int_equal(submit(f, mail_of(uid, 3, 0), NULL),
			                 0);
	for (uint32_t uid = 1; uid <= uids; uid++) {
		assert_int_equal(account_now(f, uid).messages, 3);
		assert_int_equal(submit(f, mail_of(uid, 3, 0), NULL), -EUSERS);
	}
}

static void takes_the_share_from_the_settings(void **state)
{
	struct submitter_rule rule = { .share_percent = 10, .queued = 7 };
	struct queue_quota quota;
	struct fixture *f = *state;

	quota = queue_quota_of(&f->settings, &rule);
	assert_int_equal(quota.messages, 7);
	assert_int_equal(quota.bytes,
	                 f->settings.queue.maximum_bytes / 100 * 10);
	rule = (struct submitter_rule){ .share_percent = 100 };
	quota = queue_quota_of(&f->settings, &rule);
	assert_int_equal(quota.messages, 0);
	assert_int_equal(quota.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(refuses_one_message_more_than_may_wait),
		TEST(refuses_one_byte_more_than_the_share),
		TEST(counts_what_is_still_coming_in),
		TEST(counts_an_upload_once_when_it_becomes_a_message),
		TEST(keeps_many_submitters_apart),
		TEST(takes_the_share_from_the_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
