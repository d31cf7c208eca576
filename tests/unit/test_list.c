/*
 * test_list - lists show what a look at every record would
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include <errno.h>
#include <strings.h>

#include "queue/filter.h"

#define MESSAGES 9000 /* more than two blocks of the filter */
#define PAGE     50

static unsigned seed = 1;

static unsigned pick(unsigned below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % below;
}

/* What the test knows of a message. */
struct known {
	uint64_t id;
	uint64_t submitted_ms;
	uint32_t uid;
	uint32_t relay;
	enum message_state state;
	char sender[40];
	char recipients[2][40];
	unsigned recipient_count;
	char tag[16];
};

static struct known known[MESSAGES];

static struct submission *make_mail(struct known *k)
{
	const char *to[3] = { k->recipients[0], NULL, NULL };
	struct submission *s;

	snprintf(k->sender, sizeof(k->sender), "S%u@host%u.example", pick(40),
	         pick(7));
	k->recipient_count = 1 + pick(2);
	for (unsigned i = 0; i < k->recipient_count; i++) {
		snprintf(k->recipients[i], sizeof(k->recipients[i]),
		         "user%u@dest%u.example", pick(3000), pick(11));
		to[i] = k->recipients[i];
	}
	if (pick(3) == 0)
		snprintf(k->tag, sizeof(k->tag), "tag%u", pick(20));
	k->uid = 1000 + pick(5);
	k->relay = 1 + pick(3);
	s = fixture_mail(to, "");
	s->message->sender = k->sender;
	s->message->uid = k->uid;
	s->message->tag = k->tag[0] != '\0' ? k->tag : NULL;
	s->parts[0].lane.relay = k->relay;
	s->job.kind = QUEUE_SUBMIT;
	k->state = MESSAGE_QUEUED;
	if (pick(10) == 0) {
		s->message->state = k->state = MESSAGE_HELD;
		s->message->hold_reason = "test";
	}
	k->submitted_ms = s->message->submitted_ms;
	return s;
}

static int by_id(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Many at a time, so that it does not take all day. Submitters take turns, so
 * that the order of posting is not that of the ids. */
static void submit_all(struct fixture *f, unsigned first, unsigned end)
{
	struct submission *batch[200];

	for (unsigned at = first; at < end;) {
		struct letter *list = NULL, **tail = &list;
		unsigned count = 0, home = 0;

		for (; at + count < end && count < 200; count++) {
			batch[count] = make_mail(&known[at + count]);
			batch[count]->job.home = f->home;
			batch[count]->job.on_done = fixture_no_letter;
			*tail = &batch[count]->job.letter;
			tail = &batch[count]->job.letter.next;
		}
		*tail = NULL;
		queue_post_list_take(f->queue, list);
		while (home < count) {
			struct letter *l = mailbox_wait(f->home, 60000);

			assert_non_null(l);
			for (; l != NULL; l = l->next)
				home++;
		}
		for (unsigned i = 0; i < count; i++) {
			assert_int_equal(batch[i]->job.result, 0);
			known[at + i].id = batch[i]->id;
			submission_free(batch[i]);
		}
		at += count;
	}
	qsort(known + first, end - first, sizeof(known[0]), by_id);
}

static bool address_fits(const char *address, const char *wanted)
{
	return strcasecmp(wanted[0] == '@' ? strchr(address, '@') : address,
	                  wanted) == 0;
}

static bool fits(const struct known *k, const struct queue_filter *filter)
{
	bool has_recipient = filter->recipient == NULL;

	for (unsigned i = 0; i < k->recipient_count && !has_recipient; i++)
		has_recipient =
		    address_fits(k->recipients[i], filter->recipient);
	return has_recipient &&
	       (!filter->has_state || k->state == filter->state) &&
	       (!filter->has_uid || k->uid == filter->uid) &&
	       (!filter->has_relay || k->relay == filter->relay_id) &&
	       (filter->sender == NULL ||
	        address_fits(k->sender, filter->sender)) &&
	       (filter->tag == NULL || strcmp(k->tag, filter->tag) == 0) &&
	       k->submitted_ms >= filter->since_ms;
}

/* Every page of the list, against a walk over what the test knows. */
static unsigned compare(struct fixture *f, const struct queue_filter *filter,
                        unsigned known_count)
{
	uint64_t before = 0;
	unsigned at = known_count, found = 0;

	do {
		struct message *page[PAGE];
		int count =
		    queue_list(f->reader, filter, before, page, PAGE, &before);

		assert_true(count >= 0);
		for (int i = 0; i < count; i++) {
			do {
				assert_true(at > 0);
				at--;
			} while (!fits(&known[at], filter));
			assert_int_equal(page[i]->id, known[at].id);
			assert_int_equal(page[i]->timeline_count, 0);
			message_free(page[i]);
			found++;
		}
	} while (before != 0);
	while (at > 0)
		assert_false(fits(&known[--at], filter));
	return found;
}

static void compare_random_filters(struct fixture *f, unsigned known_count)
{
	unsigned found = 0;

	for (unsigned i = 0; i < 150; i++) {
		struct queue_filter filter = { 0 };
		const struct known *k = &known[pick(known_count)];

		if (pick(3) == 0)
			filter.sender =
			    pick(2) == 0 ? k->sender : strchr(k->sender, '@');
		if (pick(3) == 0)
			filter.recipient =
			    pick(3) == 0
				? strchr(k->recipients[0], '@')
				: k->recipients[k->recipient_count - 1];
		if (pick(4) == 0 && k->tag[0] != '\0')
			filter.tag = k->tag;
		if (pick(4) == 0) {
			filter.has_uid = true;
			filter.uid = k->uid;
		}
		if (pick(4) == 0) {
			filter.has_relay = true;
			filter.relay_id = k->relay;
			filter.relay = "none of that name";
		}
		if (pick(4) == 0) {
			filter.has_state = true;
			filter.state =
			    pick(2) == 0 ? MESSAGE_QUEUED : MESSAGE_HELD;
		}
		found += compare(f, &filter, known_count);
	}
	assert_true(found > 150);
}

static void finds_what_a_look_at_every_record_finds(void **state)
{
	struct fixture *f = *state;
	struct queue_filter nobody = { .recipient = "nobody@example.org" };
	struct queue_filter upper = { .sender = "s1@HOST1.example" };
	uint64_t before;
	struct message *page[1];

	/* In the open block only, then with closed ones. */
	submit_all(f, 0, 3000);
	compare_random_filters(f, 3000);
	submit_all(f, 3000, MESSAGES);
	compare_random_filters(f, MESSAGES);
	assert_true(compare(f, &upper, MESSAGES) > 0);
	assert_int_equal(queue_list(f->reader, &nobody, 0, page, 1, &before),
	                 0);
	assert_int_equal(before, 0);
	/* The open block is made again at start. */
	fixture_restart(f);
	compare_random_filters(f, MESSAGES);
	assert_true(fixture_submit_one(f, "nobody@example.org") > 0);
	assert_int_equal(queue_list(f->reader, &nobody, 0, page, 1, &before),
	                 1);
	message_free(page[0]);
}

static void closes_blocks_as_they_fill(void **state)
{
	struct fixture *f = *state;
	struct store_txn *txn;
	uint64_t end;

	submit_all(f, 0, MESSAGES);
	assert_int_equal(store_reader_new(&txn, f->queue->store), 0);
	assert_int_equal(store_reader_begin(txn), 0);
	assert_int_equal(filter_end(txn, &end), 0);
	/* All but the open block are closed. */
	assert_true(end >= known[MESSAGES - FILTER_BLOCK_ENTRIES - 200].id);
	store_reader_end(txn);
	store_reader_free(txn);
}

static void finds_mail_by_the_relay_it_went_to(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "first@example.org");
	struct queue_filter office = {
		.has_relay = true,
		.relay = "office",
		.relay_id = settings_relay_id("office"),
	};
	struct message *page[2];
	uint64_t next;

	/* Its lane is another relay's; enough others close its block. */
	submit_all(f, 0, 5000);
	assert_int_equal(queue_list(f->reader, &office, 0, page, 2, &next), 0);
	assert_int_equal(fixture_end(f, id, RECIPIENT_DELIVERED), 0);
	assert_int_equal(queue_list(f->reader, &office, 0, page, 2, &next), 1);
	assert_int_equal(page[0]->id, id);
	message_free(page[0]);
}

static void shows_what_came_since(void **state)
{
	struct fixture *f = *state;
	struct queue_filter since = { 0 };

	submit_all(f, 0, 500);
	since.since_ms = known[250].submitted_ms;
	assert_true(compare(f, &since, 500) >= 250);
	since.since_ms = wall_now_ms() + 1;
	assert_int_equal(compare(f, &since, 500), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(finds_what_a_look_at_every_record_finds),
		TEST(closes_blocks_as_they_fill),
		TEST(finds_mail_by_the_relay_it_went_to),
		TEST(shows_what_came_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
