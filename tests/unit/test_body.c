/*
 * test_body - bodies come back byte for byte, whatever their size
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include <errno.h>

#include "queue/body.h"

#define HEADER_SIZE 300

static char *make_bytes(size_t len, unsigned seed)
{
	char *bytes = malloc(len + 1);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		bytes[i] = (char)(seed >> 16);
	}
	return bytes;
}

/* Pieces 0, 1 … of the body make up header and body, and no more. */
static void compare(struct fixture *f, uint64_t body_id, const char *header,
                    size_t header_len, const char *body, size_t body_len)
{
	char *piece = malloc(BODY_PIECE_MAX);
	size_t at = 0, len;
	uint32_t number = 0;
	int r;

	while ((r = queue_read_piece(f->reader, body_id, number, piece,
	                             &len)) == 0) {
		size_t of_header = at < header_len ? header_len - at : 0;

		assert_true(at + len <= header_len + body_len);
		if (of_header > len)
			of_header = len;
		if (of_header > 0)
			assert_memory_equal(piece, header + at, of_header);
		if (len > of_header)
			assert_memory_equal(piece + of_header,
			                    body +
			                        (at + of_header - header_len),
			                    len - of_header);
		at += len;
		number++;
	}
	assert_int_equal(r, -ENOENT);
	assert_int_equal(at, header_len + body_len);
	free(piece);
}

static void check_whole(struct fixture *f, size_t header_len, size_t body_len,
                        uint32_t cut)
{
	const char *to[] = { "a@example.org", NULL };
	struct submission *s = fixture_mail(to, "");
	char *header = make_bytes(header_len, 1);
	char *body = make_bytes(body_len, 2);
	struct message *m;
	uint64_t id;

	free(s->header);
	s->header = malloc(header_len + 1);
	memcpy(s->header, header, header_len);
	s->header_len = header_len;
	s->body = fixture_chunks(body, body_len, cut);
	id = fixture_submit(f, s);
	assert_true(id > 0);
	m = fixture_read(f, id);
	assert_int_equal(m->header_len, header_len);
	compare(f, m->body_id, header, header_len, body, body_len);
	message_free(m);
	free(header);
	free(body);
}

static const size_t edges[] = { 0,     1,     1717,   1718,   1719,   2017,
	                        2018,  2019,  4079,   4080,   4081,   8175,
	                        8176,  8177,  65219,  65220,  65221,  65519,
	                        65520, 65521, 131040, 131041, 1 << 20 };

static void comes_back_at_every_edge(void **state)
{
	for (unsigned i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		check_whole(*state, HEADER_SIZE, edges[i], BODY_PIECE_MAX);
		check_whole(*state, HEADER_SIZE, edges[i], 997);
		check_whole(*state, 0, edges[i], BODY_PIECE_MAX);
		check_whole(*state, 5000, edges[i], BODY_PIECE_MAX);
		check_whole(*state, 200000, edges[i], BODY_PIECE_MAX);
	}
}

/* What the layout is for: values of whole pages, small ones in front. */
static void fills_whole_pages(void **state)
{
	(void)state;
	for (size_t body_len = 0; body_len < 300000; body_len += 97) {
		struct body_plan plan;
		size_t len, total = 0;
		unsigned number = 0;

		body_plan_whole(&plan, HEADER_SIZE, body_len);
		while (body_plan_next(&plan, &len)) {
			bool is_last = total + len == HEADER_SIZE + body_len;

			assert_true(len <= BODY_PIECE_MAX);
			if (number == 0) {
				assert_true(len >= HEADER_SIZE);
				assert_true(len <= BODY_LEAF_MAX || is_last);
			} else {
				assert_true(len == BODY_PIECE_MAX || is_last);
			}
			total += len;
			number++;
		}
		assert_int_equal(total, HEADER_SIZE + body_len);
	}
}

static void do_slice(struct fixture *f, struct upload *upload, bool is_first,
                     const char *bytes, size_t len)
{
	upload->job.kind = QUEUE_UPLOAD;
	upload->first_piece = is_first ? 0 : upload->next_piece;
	upload->chunks = fixture_chunks(bytes, len, BODY_PIECE_MAX);
	assert_int_equal(fixture_do(f, &upload->job), 0);
	assert_null(upload->chunks);
}

static void check_sliced(struct fixture *f, size_t header_len, size_t body_len)
{
	const char *to[] = { "a@example.org", NULL };
	struct submission *s = fixture_mail(to, "");
	struct upload *upload = upload_new(QUEUE_UPLOAD, 0);
	char *header = make_bytes(header_len, 3);
	char *body = make_bytes(body_len, 4);
	struct queue_counts counts;
	struct message *m;
	uint64_t id;

	upload->header = malloc(header_len);
	memcpy(upload->header, header, header_len);
	upload->header_len = header_len;
	for (size_t at = 0; at < body_len; at += QUEUE_SLICE_MAX) {
		size_t left = body_len - at;

		do_slice(f, upload, at == 0, body + at,
		         left < QUEUE_SLICE_MAX ? left : QUEUE_SLICE_MAX);
		/* Others' bodies come between the slices. */
		assert_true(fixture_submit_one(f, "b@example.org") > 0);
	}
	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	assert_int_equal(counts.messages[MESSAGE_RECEIVING], 1);
	s->upload_id = upload->body_id;
	s->message->header_len = header_len;
	id = fixture_submit(f, s);
	assert_true(id > 0);
	m = fixture_read(f, id);
	assert_int_equal(m->header_len, header_len);
	compare(f, m->body_id, header, header_len, body, body_len);
	message_free(m);
	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	assert_int_equal(counts.messages[MESSAGE_RECEIVING], 0);
	upload_free(upload);
	free(header);
	free(body);
}

static void comes_back_from_slices(void **state)
{
	check_sliced(*state, HEADER_SIZE, 20 << 20);
	check_sliced(*state, 200000, (3 << 20) + 17);
	check_sliced(*state, HEADER_SIZE, 2 * QUEUE_SLICE_MAX);
}

static void discards_what_nobody_submits(void **state)
{
	struct fixture *f = *state;
	struct upload *upload = upload_new(QUEUE_UPLOAD, 0);
	char *body = make_bytes(QUEUE_SLICE_MAX, 5);
	char *piece = malloc(BODY_PIECE_MAX);
	struct queue_counts counts;
	size_t len;

	do_slice(f, upload, true, body, QUEUE_SLICE_MAX);
	assert_int_equal(
	    queue_read_piece(f->reader, upload->body_id, 16, piece, &len), 0);
	upload->job.kind = QUEUE_DISCARD;
	assert_int_equal(fixture_do(f, &upload->job), 0);
	assert_int_equal(
	    queue_read_piece(f->reader, upload->body_id, 0, piece, &len),
	    -ENOENT);
	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	assert_int_equal(counts.messages[MESSAGE_RECEIVING], 0);
	upload_free(upload);
	free(piece);
	free(body);
}

static void sweeps_half_received_bodies_at_start(void **state)
{
	struct fixture *f = *state;
	struct upload *upload = upload_new(QUEUE_UPLOAD, 0);
	char *body = make_bytes(QUEUE_SLICE_MAX, 6);
	char *piece = malloc(BODY_PIECE_MAX);
	struct submission *s;
	const char *to[] = { "a@example.org", NULL };
	size_t len;

	do_slice(f, upload, true, body, QUEUE_SLICE_MAX);
	fixture_restart(f);
	assert_int_equal(
	    queue_read_piece(f->reader, upload->body_id, 0, piece, &len),
	    -ENOENT);
	/* And such a body is nobody's: it can't be acknowledged. */
	s = fixture_mail(to, "");
	s->upload_id = upload->body_id;
	assert_int_equal(fixture_do(f, &s->job), -ENOENT);
	submission_free(s);
	upload_free(upload);
	free(piece);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		cmocka_unit_test(fills_whole_pages),
		TEST(comes_back_at_every_edge),
		TEST(comes_back_from_slices),
		TEST(discards_what_nobody_submits),
		TEST(sweeps_half_received_bodies_at_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
