/*
 * test_record - records come back as they went, or not at all
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/bigendian.h"
#include "queue/hash.h"
#include "queue/record.h"
#include "queue/story.h"

#define NOW_MS 1795000000123ull

static struct message *make_message(unsigned recipients)
{
	struct message *m = message_new();

	m->id = 42;
	m->state = MESSAGE_QUEUED;
	m->body_id = 7;
	m->uid = 33;
	m->gid = 33;
	m->priority = PRIORITY_NORMAL;
	m->submitted_ms = NOW_MS;
	m->header_len = 812;
	m->size = 4212;
	m->sender = message_dup_text(m, "noreply@example.com");
	m->message_id = message_dup_text(m, "<20261123184001.1@example.com>");
	m->key = message_dup_text(m, "01930b1e-7a5c-7000-8000-0123456789ab");
	m->recipients =
	    message_allocate(m, recipients * sizeof(*m->recipients));
	memset(m->recipients, 0, recipients * sizeof(*m->recipients));
	m->recipient_count = recipients;
	for (unsigned i = 0; i < recipients; i++) {
		char address[64];

		snprintf(address, sizeof(address), "user%u@example.org", i);
		m->recipients[i].address = message_dup_text(m, address);
	}
	m->parts = message_allocate(m, sizeof(*m->parts));
	m->parts[0] = (struct message_part){ .lane = 3, .due_ms = NOW_MS };
	m->part_count = 1;
	story_add_event(m, TIMELINE_ACCEPTED, NOW_MS, NULL);
	return m;
}

static void deliver(struct message *m)
{
	struct timeline_entry entry = {
		.time_ms = NOW_MS + 812,
		.kind = TIMELINE_DELIVERED,
		.phase = PHASE_DOT,
		.scope = SCOPE_RECIPIENT,
		.is_charged = true,
		.is_for_all = true,
		.code = 250,
		.enhanced = { 2, 0, 0 },
		.duration_ms = 812,
		.relay = "office",
		.host = "smtp.office365.com:587",
		.tls = "TLSv1.3",
		.text = "Ok: queued as 4XyZ1234",
	};

	for (unsigned i = 0; i < m->recipient_count; i++) {
		struct message_recipient *recipient = &m->recipients[i];

		recipient->state = RECIPIENT_DELIVERED;
		recipient->attempts = 1;
		recipient->reply.code = 250;
		recipient->reply.enhanced[0] = 2;
		recipient->reply.text = message_dup_text(m, entry.text);
		recipient->reply.relay = message_dup_text(m, entry.relay);
		recipient->reply.host = message_dup_text(m, entry.host);
	}
	m->state = MESSAGE_DELIVERED;
	m->ended_ms = NOW_MS + 812;
	m->part_count = 0;
	m->body_id = 0;
	story_add(m, &entry);
}

static void texts_are_equal(const char *a, const char *b)
{
	assert_true((a == NULL) == (b == NULL));
	if (a != NULL)
		assert_string_equal(a, b);
}

static void messages_are_equal(const struct message *a, const struct message *b)
{
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->submitted_ms, b->submitted_ms);
	assert_int_equal(a->ended_ms, b->ended_ms);
	assert_int_equal(a->header_len, b->header_len);
	assert_int_equal(a->size, b->size);
	texts_are_equal(a->sender, b->sender);
	texts_are_equal(a->tag, b->tag);
	texts_are_equal(a->key, b->key);
	texts_are_equal(a->message_id, b->message_id);
	texts_are_equal(a->hold_reason, b->hold_reason);
	assert_int_equal(a->recipient_count, b->recipient_count);
	for (unsigned i = 0; i < a->recipient_count; i++) {
		texts_are_equal(a->recipients[i].address,
		                b->recipients[i].address);
		texts_are_equal(a->recipients[i].reply.text,
		                b->recipients[i].reply.text);
		texts_are_equal(a->recipients[i].reply.host,
		                b->recipients[i].reply.host);
		assert_int_equal(a->recipients[i].state,
		                 b->recipients[i].state);
		assert_int_equal(a->recipients[i].part, b->recipients[i].part);
		assert_int_equal(a->recipients[i].attempts,
		                 b->recipients[i].attempts);
	}
	assert_int_equal(a->part_count, b->part_count);
	for (unsigned i = 0; i < a->part_count; i++) {
		assert_int_equal(a->parts[i].number, b->parts[i].number);
		assert_int_equal(a->parts[i].lane, b->parts[i].lane);
		assert_int_equal(a->parts[i].due_ms, b->parts[i].due_ms);
	}
	assert_int_equal(a->timeline_count, b->timeline_count);
	for (unsigned i = 0; i < a->timeline_count; i++) {
		const struct timeline_entry *x = &a->timeline[i];
		const struct timeline_entry *y = &b->timeline[i];

		assert_int_equal(x->time_ms, y->time_ms);
		assert_int_equal(x->kind, y->kind);
		assert_int_equal(x->is_charged, y->is_charged);
		assert_int_equal(x->is_for_all, y->is_for_all);
		assert_int_equal(x->duration_ms, y->duration_ms);
		texts_are_equal(x->text, y->text);
		texts_are_equal(x->tls, y->tls);
		assert_int_equal(x->recipient_count, y->recipient_count);
		if (x->recipient_count > 0)
			assert_memory_equal(x->recipients, y->recipients,
			                    x->recipient_count *
			                        sizeof(*x->recipients));
	}
}

static struct message *round_trip(const struct message *m)
{
	struct record record = { 0 };
	struct message *back = NULL;

	assert_int_equal(record_encode(&record, m), 0);
	assert_int_equal(
	    record_decode(&back, m->id, record.bytes, record.len, true), 0);
	record_done(&record);
	return back;
}

static void comes_back_as_it_went(void **state)
{
	struct message *m = make_message(3);
	struct message *back;
	const uint16_t some[] = { 0, 2 };
	struct timeline_entry entry = {
		.time_ms = NOW_MS - 5000, /* the clock went back */
		.kind = TIMELINE_DEFERRED,
		.code = 451,
		.text = "try again later",
	};

	(void)state;
	m->sender = ""; /* a bounce's */
	m->tag = message_dup_text(m, "newsletter");
	m->flags = MESSAGE_8BIT | MESSAGE_IS_BOUNCE;
	m->recipients[1].original = "rfc822;user1@example.org";
	m->recipients[2].part = 9;
	story_set_recipients(m, &entry, some, 2);
	story_add(m, &entry);
	back = round_trip(m);
	assert_int_equal(back->id, 42);
	messages_are_equal(m, back);
	texts_are_equal(back->recipients[1].original,
	                "rfc822;user1@example.org");
	message_free(back);
	deliver(m);
	back = round_trip(m);
	messages_are_equal(m, back);
	message_free(back);
	message_free(m);
}

static void is_small(void **state)
{
	struct message *m = make_message(1);
	struct record record = { 0 };

	(void)state;
	m->tag = message_dup_text(m, "order-confirmation");
	assert_int_equal(record_encode(&record, m), 0);
	assert_true(record.len <= 300);
	deliver(m);
	assert_int_equal(record_encode(&record, m), 0);
	assert_true(record.len <= 440);
	record_done(&record);
	message_free(m);
}

static void keeps_many_recipients_apart(void **state)
{
	struct message *m = make_message(60);
	struct record record = { 0 };
	struct message *back;
	char cut[20];

	(void)state;
	back = round_trip(m);
	assert_int_equal(back->recipient_count, 60);
	assert_null(back->recipients[59].address);
	assert_int_equal(record_encode_recipient(&record, &m->recipients[59]),
	                 0);
	assert_int_equal(
	    record_decode_recipient(back, 59, record.bytes, record.len), 0);
	assert_string_equal(back->recipients[59].address, "user59@example.org");
	memcpy(cut, record.bytes, sizeof(cut));
	assert_int_equal(record_decode_recipient(back, 58, cut, sizeof(cut)),
	                 -EBADMSG);
	assert_null(back->recipients[58].address);
	record_done(&record);
	message_free(back);
	message_free(m);
}

static void peeks_at_the_head(void **state)
{
	struct message *m = make_message(2);
	struct record_summary summary;
	struct record record = { 0 };

	(void)state;
	deliver(m);
	m->body_id = 99;
	assert_int_equal(record_encode(&record, m), 0);
	assert_int_equal(record_peek(&summary, record.bytes, record.len), 0);
	assert_int_equal(summary.state, MESSAGE_DELIVERED);
	assert_int_equal(summary.body_id, 99);
	assert_int_equal(summary.submitted_ms, NOW_MS);
	assert_int_equal(summary.ended_ms, NOW_MS + 812);
	assert_int_equal(summary.recipient_count, 2);
	record_done(&record);
	message_free(m);
}

/* With the sum mended, so that what is behind it is tried, too. */
static int decode_mended(unsigned char *bytes, size_t len)
{
	struct message *back = NULL;
	int r;

	if (len >= 4)
		be32_put(bytes + len - 4, (uint32_t)hash_bytes(bytes, len - 4));
	r = record_decode(&back, 1, bytes, len, true);
	message_free(back);
	return r;
}

static void refuses_every_cut_and_every_flipped_bit(void **state)
{
	struct message *m = make_message(3);
	struct record record = { 0 };
	unsigned char *copy;

	(void)state;
	deliver(m);
	assert_int_equal(record_encode(&record, m), 0);
	copy = malloc(record.len);
	for (size_t len = 0; len < record.len; len++) {
		struct message *back = NULL;

		memcpy(copy, record.bytes, len);
		assert_int_equal(record_decode(&back, 1, copy, len, true),
		                 -EBADMSG);
		assert_int_equal(decode_mended(copy, len), -EBADMSG);
	}
	for (size_t bit = 0; bit < 8 * record.len; bit++) {
		struct message *back = NULL;

		memcpy(copy, record.bytes, record.len);
		copy[bit / 8] ^= (unsigned char)(1u << bit % 8);
		assert_int_equal(
		    record_decode(&back, 1, copy, record.len, true), -EBADMSG);
		/* May mean something else, but is read within bounds. */
		(void)decode_mended(copy, record.len);
	}
	free(copy);
	record_done(&record);
	message_free(m);
}

static void refuses_another_version(void **state)
{
	struct message *m = make_message(1);
	struct record record = { 0 };

	(void)state;
	assert_int_equal(record_encode(&record, m), 0);
	assert_int_equal(decode_mended(record.bytes, record.len), 0);
	record.bytes[0] = RECORD_VERSION + 1;
	assert_int_equal(decode_mended(record.bytes, record.len), -EBADMSG);
	record_done(&record);
	message_free(m);
}

static void keeps_the_ends_of_a_very_long_story(void **state)
{
	struct message *m = make_message(1);
	struct message *back;
	char text[16];

	(void)state;
	for (unsigned i = 1; i < 200; i++) {
		snprintf(text, sizeof(text), "%u", i);
		story_add_event(m, TIMELINE_DEFERRED, NOW_MS + i, text);
	}
	back = round_trip(m);
	assert_int_equal(back->timeline_count,
	                 TIMELINE_KEEP_FIRST + 1 + TIMELINE_KEEP_LAST);
	assert_string_equal(back->timeline[3].text, "3");
	assert_int_equal(back->timeline[4].kind, TIMELINE_DROPPED);
	assert_int_equal(back->timeline[4].duration_ms,
	                 200 - TIMELINE_KEEP_FIRST - TIMELINE_KEEP_LAST);
	assert_string_equal(back->timeline[5].text, "140");
	assert_string_equal(back->timeline[64].text, "199");
	message_free(back);
	message_free(m);
}

static void sums_up_what_became_of_all(void **state)
{
	struct message *m = make_message(3);

	(void)state;
	assert_int_equal(message_state_of(m), MESSAGE_QUEUED);
	for (unsigned i = 0; i < 3; i++)
		m->recipients[i].state = RECIPIENT_DELIVERED;
	assert_int_equal(message_state_of(m), MESSAGE_DELIVERED);
	m->recipients[2].state = RECIPIENT_FAILED;
	assert_int_equal(message_state_of(m), MESSAGE_PARTIAL);
	m->recipients[1].state = RECIPIENT_WAITING;
	assert_int_equal(message_state_of(m), MESSAGE_QUEUED);
	message_free(m);
}

static void hashes_alike_however_bytes_are_cut(void **state)
{
	/* Bytes cut anywhere give what they give in one piece. */
	unsigned char bytes[64], whole[HASH_SIZE], cut[HASH_SIZE];
	struct hash hash;

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		hash_init(&hash);
		hash_update(&hash, bytes, len);
		hash_final(&hash, whole);
		for (size_t at = 0; at <= len; at++) {
			hash_init(&hash);
			hash_update(&hash, bytes, at);
			hash_update(&hash, bytes + at, len - at);
			hash_final(&hash, cut);
			assert_memory_equal(whole, cut, HASH_SIZE);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_it_went),
		cmocka_unit_test(is_small),
		cmocka_unit_test(keeps_many_recipients_apart),
		cmocka_unit_test(peeks_at_the_head),
		cmocka_unit_test(refuses_every_cut_and_every_flipped_bit),
		cmocka_unit_test(refuses_another_version),
		cmocka_unit_test(keeps_the_ends_of_a_very_long_story),
		cmocka_unit_test(sums_up_what_became_of_all),
		cmocka_unit_test(hashes_alike_however_bytes_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
