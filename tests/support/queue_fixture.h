/*
 * queue_fixture - a queue in a directory of its own, asked one job at a time
 *
 * Every helper posts a job and waits until it is home, so a test reads like
 * what it does. Whatever fails in here fails the test.
 */
#ifndef RELAIS_TESTS_QUEUE_FIXTURE_H
#define RELAIS_TESTS_QUEUE_FIXTURE_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "queue/queue.h"
#include "queue/queue_private.h"
#include "runtime/mailbox.h"
#include "settings.h"

struct fixture {
	char directory[64];
	struct settings settings;
	struct queue *queue;
	struct queue_reader *reader;
	struct mailbox *home;
	struct mailbox *notices;
};

#define FIXTURE_RELAY 77

static inline void fixture_no_letter(struct letter *letter)
{
	(void)letter;
}

static inline void fixture_open(struct fixture *f)
{
	char *error = NULL;
	int r = queue_open(&f->queue, &f->settings, &error);

	if (r < 0)
		fail_msg("queue_open: %s", error);
	queue_listen_parts(f->queue, f->notices, fixture_no_letter, NULL);
}

static inline void fixture_start(struct fixture *f)
{
	fixture_open(f);
	assert_int_equal(queue_start(f->queue), 0);
	assert_int_equal(queue_reader_new(&f->reader, f->queue), 0);
}

static inline void fixture_stop(struct fixture *f)
{
	queue_reader_free(f->reader);
	f->reader = NULL;
	queue_stop(f->queue);
	queue_free(f->queue);
	f->queue = NULL;
}

static inline void fixture_restart(struct fixture *f)
{
	fixture_stop(f);
	fixture_start(f);
}

static inline struct fixture *fixture_make(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->directory, "/tmp/relais-queue-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	f->settings.queue.directory = f->directory;
	f->settings.queue.maximum_bytes = 1ull << 30;
	f->settings.queue.keep_finished_s = 14 * 86400;
	f->settings.queue.keep_failed_bodies_s = 3 * 86400;
	assert_int_equal(mailbox_new_blocking(&f->home), 0);
	assert_int_equal(mailbox_new_blocking(&f->notices), 0);
	return f;
}

static inline int fixture_unlink(const char *path, const struct stat *stat,
                                 int flag, struct FTW *ftw)
{
	(void)stat;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void fixture_free(struct fixture *f)
{
	struct letter *letter, *next;

	for (letter = mailbox_wait(f->notices, 0); letter != NULL;
	     letter = next) {
		next = letter->next;
		queue_notice_free(
		    LETTER_OF(letter, struct queue_notice, letter));
	}
	mailbox_free(f->home);
	mailbox_free(f->notices);
	(void)nftw(f->directory, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = fixture_make();

	fixture_start(f);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	if (f->queue != NULL)
		fixture_stop(f);
	fixture_free(f);
	return 0;
}

/* Posts a job and waits for it; its result. */
static inline int fixture_do(struct fixture *f, struct queue_job *job)
{
	struct letter *letter;

	job->home = f->home;
	job->on_done = fixture_no_letter;
	queue_post_take(f->queue, job);
	letter = mailbox_wait(f->home, 60000);
	assert_ptr_equal(letter, &job->letter);
	assert_null(letter->next);
	return job->result;
}

/* A chunk list with these bytes, cut every `cut` octets. */
static inline struct body_chunk *fixture_chunks(const char *body, size_t len,
                                                uint32_t cut)
{
	struct body_chunk *first = NULL, **end = &first;

	while (len > 0) {
		uint32_t n = len < cut ? (uint32_t)len : cut;

		*end = body_chunk_new(cut);
		assert_non_null(*end);
		memcpy((*end)->data, body, n);
		(*end)->len = n;
		end = &(*end)->next;
		body += n;
		len -= n;
	}
	return first;
}

/* A submission to these recipients, one part, lane FIXTURE_RELAY. */
static inline struct submission *fixture_mail(const char *const *recipients,
                                              const char *body)
{
	static const char header[] = "Subject: test\r\n";
	struct submission *s = submission_new();
	struct message *m = s->message;
	unsigned count = 0;

	while (recipients[count] != NULL)
		count++;
	m->sender = message_dup_text(m, "sender@example.com");
	m->uid = 1000;
	m->submitted_ms = wall_now_ms();
	m->recipients = message_allocate(m, count * sizeof(*m->recipients));
	memset(m->recipients, 0, count * sizeof(*m->recipients));
	for (unsigned i = 0; i < count; i++)
		m->recipients[i].address = message_dup_text(m, recipients[i]);
	m->recipient_count = count;
	s->parts = message_allocate(m, sizeof(*s->parts));
	memset(s->parts, 0, sizeof(*s->parts));
	s->parts[0].lane.relay = FIXTURE_RELAY;
	s->parts[0].lane.priority = PRIORITY_NORMAL;
	s->parts[0].lane.domain = "";
	s->part_count = 1;
	s->header = strdup(header);
	s->header_len = sizeof(header) - 1;
	s->body = fixture_chunks(body, strlen(body), 1000);
	m->size = s->header_len + 2 + strlen(body);
	return s;
}

/* Posts it, frees it, gives its id; 0 where it was not taken. */
static inline uint64_t fixture_submit(struct fixture *f, struct submission *s)
{
	uint64_t id = fixture_do(f, &s->job) == 0 ? s->id : 0;

	submission_free(s);
	return id;
}

static inline uint64_t fixture_submit_one(struct fixture *f, const char *to)
{
	const char *recipients[] = { to, NULL };

	return fixture_submit(f, fixture_mail(recipients, "body\r\n"));
}

static inline struct message *fixture_read(struct fixture *f, uint64_t id)
{
	struct message *message = NULL;

	assert_int_equal(queue_read_message(f->reader, id, &message), 0);
	return message;
}

static inline enum message_state fixture_state(struct fixture *f, uint64_t id)
{
	struct message *message = fixture_read(f, id);
	enum message_state state = message->state;

	message_free(message);
	return state;
}

/* A settlement of the part that recipient `index` waits in, to be filled. */
static inline struct settlement *fixture_attempt(struct fixture *f, uint64_t id,
                                                 unsigned index,
                                                 unsigned recipient_count)
{
	struct settlement *s = settlement_new(recipient_count);
	struct message *message = fixture_read(f, id);

	s->id = id;
	s->part = message->recipients[index].part;
	s->is_awaited = true; /* the test waits */
	s->started_ms = wall_now_ms();
	s->duration_ms = 5;
	s->relay = strdup("office");
	s->host = strdup("mx.example.org:25");
	s->tls = strdup("TLSv1.3");
	message_free(message);
	return s;
}

static inline void fixture_say(struct settlement_recipient *said,
                               uint16_t index, enum recipient_state state,
                               uint64_t due_ms)
{
	said->index = index;
	said->state = state;
	said->is_charged = true;
	said->due_ms = due_ms;
	said->verdict.class = state == RECIPIENT_DELIVERED ? VERDICT_DELIVERED
	                                                   : VERDICT_TEMPORARY;
	said->verdict.scope = SCOPE_RECIPIENT;
	said->verdict.phase = PHASE_DOT;
	said->verdict.code = state == RECIPIENT_DELIVERED ? 250 : 451;
	strcpy(said->verdict.text, "as you like");
}

static inline int fixture_settle(struct fixture *f, struct settlement *s)
{
	int r = fixture_do(f, &s->job);

	settlement_free(s);
	return r;
}

/* All recipients of a message with one part. */
static inline int fixture_end(struct fixture *f, uint64_t id,
                              enum recipient_state state)
{
	struct message *message = fixture_read(f, id);
	struct settlement *s =
	    fixture_attempt(f, id, 0, message->recipient_count);

	for (unsigned i = 0; i < message->recipient_count; i++)
		fixture_say(&s->recipients[i], (uint16_t)i, state, 0);
	message_free(message);
	return fixture_settle(f, s);
}

static inline int fixture_change(struct fixture *f, enum change_kind kind,
                                 uint64_t id)
{
	struct change *change = change_new(kind, id);
	int r = fixture_do(f, &change->job);

	change_free(change);
	return r;
}

#endif
