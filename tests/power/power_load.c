/*
 * power_load - gives a queue work of every kind, and records what it promised
 *
 *   power_load DIRECTORY LOG STEPS [SEED]
 *
 * Each step posts some jobs at once: messages from a line to two slices,
 * verdicts, changes. What comes home is written to the log as words:
 *   queued ID            the message is the queue's
 *   ended ID INDEX STATE this recipient has this end
 * The clock runs fast, so that retention takes what has ended, too.
 */
#include "config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "content.h"
#include "queue/queue.h"
#include "queue/queue_time.h"
#include "queue_id.h"
#include "recorder.h"
#include "settings.h"

#define LIVE_MAX  24
#define MINUTE_MS 60000

struct work {
	struct queue *queue;
	struct queue_reader *reader;
	struct mailbox *home, *notices;
	uint64_t live[LIVE_MAX];
	unsigned live_count;
	unsigned posted;
	/* A body that comes in slices. */
	struct upload *upload;
	unsigned upload_seed, upload_lines, upload_done;
};

static unsigned seed;
static _Atomic int64_t ahead_ms;

static unsigned pick(unsigned below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % below;
}

static void must(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "power_load: %s: %s\n", what, strerror(-r));
	exit(1);
}

static int64_t clock_of(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + ahead_ms;
}

static int64_t fast_wall_ms(void)
{
	return clock_of(CLOCK_REALTIME);
}

static int64_t fast_boot_ms(void)
{
	return clock_of(CLOCK_BOOTTIME);
}

static int64_t fast_monotonic_us(void)
{
	return clock_of(CLOCK_MONOTONIC) * 1000;
}

static const struct clock_source fast_clock = {
	.wall_ms = fast_wall_ms,
	.boottime_ms = fast_boot_ms,
	.monotonic_us = fast_monotonic_us,
};

/* ------------------------------------------------------------------- words */

static void say_queued(uint64_t id)
{
	char text[QUEUE_ID_SIZE], word[64];

	queue_id_format(id, text);
	snprintf(word, sizeof(word), "queued %s", text);
	recorder_word(word);
}

static void say_ended(uint64_t id, unsigned index, enum recipient_state state)
{
	char text[QUEUE_ID_SIZE], word[64];

	queue_id_format(id, text);
	snprintf(word, sizeof(word), "ended %s %u %u", text, index,
	         (unsigned)state);
	recorder_word(word);
}

/* -------------------------------------------------------------------- jobs */

static void on_done(struct letter *letter)
{
	(void)letter;
}

static void post(struct work *work, struct queue_job *job)
{
	job->home = work->home;
	job->on_done = on_done;
	queue_post_take(work->queue, job);
	work->posted++;
}

static unsigned pick_lines(void)
{
	switch (pick(16)) {
	case 0:
		return 14000 + pick(14000); /* 1 to 2 MiB: slices */
	case 1:
	case 2:
		return 1000 + pick(8000);
	case 3:
	case 4:
	case 5:
		return 100 + pick(900);
	default:
		return 1 + pick(40);
	}
}

static struct body_chunk *make_body(unsigned number, unsigned first,
                                    unsigned lines)
{
	struct body_chunk *list = NULL, **end = &list, *chunk = NULL;
	char line[CONTENT_LINE];

	for (unsigned i = first; i < first + lines; i++) {
		content_line(line, number, i);
		for (unsigned o = 0; o < CONTENT_LINE; o++) {
			if (chunk == NULL || chunk->len == chunk->size) {
				chunk = body_chunk_new(BODY_PIECE_MAX);
				*end = chunk;
				end = &chunk->next;
			}
			chunk->data[chunk->len++] = line[o];
		}
	}
	return list;
}

static void set_envelope(struct work *work, struct submission *s)
{
	unsigned recipients = pick(12) == 0 ? 60 : 1 + pick(3);
	struct message *m = s->message;

	m->sender = "app@example.com";
	m->submitted_ms = wall_now_ms();
	m->recipients =
	    message_allocate(m, recipients * sizeof(*m->recipients));
	memset(m->recipients, 0, recipients * sizeof(*m->recipients));
	for (unsigned i = 0; i < recipients; i++)
		m->recipients[i].address = "someone@example.org";
	m->recipient_count = recipients;
	s->parts = message_allocate(m, sizeof(*s->parts));
	memset(s->parts, 0, sizeof(*s->parts));
	s->parts[0].lane.relay = 1 + pick(3);
	s->parts[0].lane.domain = "";
	if (pick(6) == 0)
		s->parts[0].due_ms = queue_time_ms(work->queue) + MINUTE_MS;
	s->part_count = 1;
}

static char *make_header(unsigned number, unsigned lines, size_t *ret_len)
{
	char *header = malloc(CONTENT_HEADER_MAX);

	if (header == NULL)
		must(-ENOMEM, "header");
	*ret_len = content_header(header, number, lines);
	return header;
}

static void post_mail(struct work *work)
{
	struct submission *s = submission_new();
	unsigned number = pick(1000000), lines = pick_lines();

	set_envelope(work, s);
	if (lines * CONTENT_LINE > QUEUE_SLICE_MAX)
		lines = 1;
	s->header = make_header(number, lines, &s->header_len);
	s->body = make_body(number, 0, lines);
	s->message->size = s->header_len + 2 + (uint64_t)lines * CONTENT_LINE;
	if (pick(3) == 0) {
		char key[32];

		snprintf(key, sizeof(key), "key-%u", number);
		s->message->key = message_dup_text(s->message, key);
	}
	post(work, &s->job);
}

/* Slices end where pieces do: so many lines fill whole pieces. */
#define SLICE_LINES 10080 /* 12 pieces of 65,520 octets */

static void post_slice(struct work *work)
{
	struct upload *upload = work->upload;
	unsigned left = work->upload_lines - work->upload_done;
	unsigned lines = left < SLICE_LINES ? left : SLICE_LINES;

	upload->job.kind = QUEUE_UPLOAD;
	upload->first_piece = work->upload_done == 0 ? 0 : upload->next_piece;
	if (work->upload_done == 0)
		upload->header = make_header(
		    work->upload_seed, work->upload_lines, &upload->header_len);
	upload->chunks = make_body(work->upload_seed, work->upload_done, lines);
	work->upload_done += lines;
	post(work, &upload->job);
}

static void begin_upload(struct work *work)
{
	work->upload = upload_new(QUEUE_UPLOAD, 0);
	work->upload_seed = pick(1000000);
	work->upload_lines = SLICE_LINES + pick(2 * SLICE_LINES);
	work->upload_done = 0;
	post_slice(work);
}

/* Some are never submitted: their client went away. */
static void end_upload(struct work *work)
{
	struct submission *s;

	if (pick(4) == 0) {
		work->upload->job.kind = QUEUE_DISCARD;
		post(work, &work->upload->job);
		return;
	}
	s = submission_new();
	set_envelope(work, s);
	s->upload_id = work->upload->body_id;
	s->message->header_len = work->upload->header_len;
	s->message->size = s->message->header_len + 2 +
	                   (uint64_t)work->upload_lines * CONTENT_LINE;
	post(work, &s->job);
}

static void go_on_with_upload(struct work *work)
{
	if (work->upload == NULL) {
		if (pick(5) == 0)
			begin_upload(work);
		return;
	}
	if (work->upload->job.kind == QUEUE_DISCARD ||
	    work->upload->body_id == 0) {
		upload_free(work->upload);
		work->upload = NULL;
	} else if (work->upload_done < work->upload_lines) {
		post_slice(work);
	} else {
		end_upload(work);
		if (work->upload->job.kind == QUEUE_DISCARD)
			return;
		upload_free(work->upload);
		work->upload = NULL;
	}
}

static void post_verdicts(struct work *work, const struct message *m)
{
	static const enum recipient_state states[] = {
		RECIPIENT_DELIVERED, RECIPIENT_DELIVERED, RECIPIENT_DELIVERED,
		RECIPIENT_WAITING,   RECIPIENT_FAILED,    RECIPIENT_EXPIRED
	};
	struct settlement *s = settlement_new(m->recipient_count);
	uint16_t part = m->parts[pick(m->part_count)].number;
	unsigned count = 0;

	s->id = m->id;
	s->part = part;
	s->relay = strdup("office");
	s->inflight_slot = INFLIGHT_NONE;
	for (unsigned i = 0; i < m->recipient_count; i++) {
		struct settlement_recipient *said = &s->recipients[count];

		if (m->recipients[i].state != RECIPIENT_WAITING ||
		    m->recipients[i].part != part || pick(20) == 0)
			continue;
		said->index = (uint16_t)i;
		said->state = states[pick(6)];
		said->is_charged = true;
		said->due_ms = queue_time_ms(work->queue) + MINUTE_MS * pick(4);
		said->verdict.code = 250;
		count++;
	}
	s->recipient_count = count;
	post(work, &s->job);
}

static void post_change(struct work *work, uint64_t id)
{
	static const enum change_kind kinds[] = {
		CHANGE_HOLD,   CHANGE_RELEASE, CHANGE_RETRY,
		CHANGE_CANCEL, CHANGE_PARK,    CHANGE_RELEASE
	};
	struct change *change = change_new(kinds[pick(6)], id);

	change->reason = strdup("by the test");
	post(work, &change->job);
}

/* One job for a message at most: what it waits for is read before. */
static void post_for(struct work *work, uint64_t id)
{
	struct message *m = NULL;

	must(queue_read_message(work->reader, id, &m), "read");
	if (m->part_count > 0 && pick(4) > 0 && m->state == MESSAGE_QUEUED)
		post_verdicts(work, m);
	else
		post_change(work, id);
	message_free(m);
}

/* ------------------------------------------------------------ coming home */

static void take_submission(struct work *work, struct submission *s)
{
	must(s->job.result, "submission");
	say_queued(s->id);
	if (work->live_count < LIVE_MAX)
		work->live[work->live_count++] = s->id;
	submission_free(s);
}

static void take_settlement(struct settlement *s)
{
	must(s->job.result, "settlement");
	for (unsigned i = 0; i < s->recipient_count; i++)
		if (s->recipients[i].state != RECIPIENT_WAITING)
			say_ended(s->id, s->recipients[i].index,
			          s->recipients[i].state);
	settlement_free(s);
}

static void take_change(struct work *work, struct change *change)
{
	struct message *m = NULL;

	if (change->job.result < 0 && change->job.result != -EALREADY)
		must(change->job.result, "change");
	if (change->kind == CHANGE_CANCEL && change->job.result == 0) {
		must(queue_read_message(work->reader, change->id, &m), "read");
		for (unsigned i = 0; i < m->recipient_count; i++)
			if (m->recipients[i].state == RECIPIENT_CANCELLED)
				say_ended(m->id, i, RECIPIENT_CANCELLED);
		message_free(m);
	}
	change_free(change);
}

static void take(struct work *work, struct letter *letter)
{
	struct queue_job *job = LETTER_OF(letter, struct queue_job, letter);

	switch (job->kind) {
	case QUEUE_SUBMIT:
		take_submission(work, (struct submission *)job);
		break;
	case QUEUE_SETTLE:
		take_settlement((struct settlement *)job);
		break;
	case QUEUE_CHANGE:
		take_change(work, (struct change *)job);
		break;
	case QUEUE_UPLOAD:
	case QUEUE_DISCARD:
		must(job->result, "upload");
		break;
	case QUEUE_REPORT:
	case QUEUE_REMEMBER:
		break;
	}
	work->posted--;
}

static void wait_for_all(struct work *work)
{
	struct letter *letter, *next;

	while (work->posted > 0) {
		letter = mailbox_wait(work->home, 60000);
		if (letter == NULL)
			must(-ETIMEDOUT, "a job");
		for (; letter != NULL; letter = next) {
			next = letter->next;
			take(work, letter);
		}
	}
	for (letter = mailbox_wait(work->notices, 0); letter != NULL;
	     letter = next) {
		next = letter->next;
		queue_notice_free(
		    LETTER_OF(letter, struct queue_notice, letter));
	}
}

/* ------------------------------------------------------------------- steps */

static void forget_ended(struct work *work)
{
	for (unsigned i = 0; i < work->live_count;) {
		struct message *m = NULL;
		int r = queue_read_message(work->reader, work->live[i], &m);

		if (r == -ENOENT || m->part_count == 0)
			work->live[i] = work->live[--work->live_count];
		else
			i++;
		message_free(m);
	}
}

static void step(struct work *work)
{
	unsigned mails =
	    work->live_count < LIVE_MAX / 2 ? 1 + pick(6) : pick(2);

	go_on_with_upload(work);
	for (unsigned i = 0; i < work->live_count; i++)
		if (pick(4) == 0)
			post_for(work, work->live[i]);
	while (mails-- > 0)
		post_mail(work);
	wait_for_all(work);
	forget_ended(work);
	ahead_ms += 20 * MINUTE_MS;
}

int main(int argc, char **argv)
{
	struct work work = { 0 };
	struct settings settings = {
		.queue = { .maximum_bytes = 1ull << 30,
		           .keep_finished_s = 86400,
		           .keep_failed_bodies_s = 3600 },
	};
	char *error = NULL;

	if (argc < 4) {
		fprintf(stderr,
		        "usage: power_load DIRECTORY LOG STEPS [SEED]\n");
		return 64;
	}
	settings.queue.directory = argv[1];
	seed = argc > 4 ? (unsigned)atoi(argv[4]) : 1;
	clock_replace(&fast_clock);
	recorder_start(argv[2]);
	must(mailbox_new_blocking(&work.home), "mailbox");
	must(mailbox_new_blocking(&work.notices), "mailbox");
	if (queue_open(&work.queue, &settings, &error) < 0) {
		fprintf(stderr, "power_load: %s\n", error);
		return 1;
	}
	queue_listen_parts(work.queue, work.notices, on_done, NULL);
	must(queue_start(work.queue), "start");
	must(queue_reader_new(&work.reader, work.queue), "reader");
	for (int steps = atoi(argv[3]); steps > 0; steps--)
		step(&work);
	recorder_start(NULL);
	/* As a power cut would leave it: no orderly end is recorded. */
	upload_free(work.upload);
	queue_reader_free(work.reader);
	queue_stop(work.queue);
	queue_free(work.queue);
	mailbox_free(work.home);
	mailbox_free(work.notices);
	return 0;
}
