/*
 * fill_queue - a store with as many waiting messages as wanted, quickly
 *
 * usage: fill_queue [-n MESSAGES] [-b BODY_BYTES] [-r RELAY] [-l LANES]
 *                   [-d SECONDS] [-k EVERY] [-p PRIORITY] [-u UID] DIRECTORY
 *
 * Posts submissions to the daemon's own queue, several batches ahead, while no
 * relaisd has it open. They wait for RELAY; with -l each goes to one of so many
 * domains, as those of a `direct` relay do; with -d they are due so many
 * seconds from now; with -k each so manieth is to rare@example.org and has the
 * tag rare; PRIORITY is urgent, normal or bulk, UID the submitter's.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "queue/queue.h"
#include "settings.h"

#define AHEAD 2048
#define HEADER                                                                 \
	"From: noreply@example.com\r\nSubject: bench\r\n"                      \
	"Message-ID: <20261123184001.12345.1@web1.example.com>\r\n"            \
	"Date: Mon, 23 Nov 2026 18:40:01 +0000\r\n"

struct filling {
	unsigned long count, every, lanes;
	unsigned body_bytes;
	uint32_t relay, uid;
	enum priority priority;
	uint64_t due_in_s;
	struct queue *queue;
	struct mailbox *home;
};

static void must(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "fill_queue: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void on_done(struct letter *letter)
{
	(void)letter;
}

static void fill_body(struct body_chunk *body, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		body->data[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : 'X';
	body->len = len;
}

/* A list of pieces; NULL for none. */
static struct body_chunk *make_body(unsigned len)
{
	struct body_chunk *first = NULL, **end = &first;

	while (len > 0) {
		unsigned some = len < BODY_PIECE_MAX ? len : BODY_PIECE_MAX;

		*end = body_chunk_new(some);
		if (*end == NULL)
			must(-ENOMEM, "body");
		fill_body(*end, some);
		end = &(*end)->next;
		len -= some;
	}
	return first;
}

static struct submission *make_mail(const struct filling *filling,
                                    unsigned long number)
{
	struct submission *s = submission_new();
	struct message *m = s->message;
	bool is_rare = filling->every > 0 && number % filling->every == 0;
	char text[64];

	m->sender = "noreply@example.com";
	m->message_id = "<20261123184001.12345.1@web1.example.com>";
	m->tag = is_rare ? "rare" : "bench";
	m->priority = filling->priority;
	m->uid = m->gid = filling->uid;
	m->submitted_ms = (uint64_t)clock_wall_ms();
	m->size = sizeof(HEADER) - 1 + 2 + filling->body_bytes;
	m->recipients = message_allocate(m, sizeof(*m->recipients));
	memset(m->recipients, 0, sizeof(*m->recipients));
	m->recipient_count = 1;
	snprintf(text, sizeof(text), "user%lu@example.org", number);
	m->recipients[0].address =
	    is_rare ? "rare@example.org" : message_dup_text(m, text);
	s->parts = message_allocate(m, sizeof(*s->parts));
	memset(s->parts, 0, sizeof(*s->parts));
	s->part_count = 1;
	s->parts[0].lane.relay = filling->relay;
	s->parts[0].lane.priority = filling->priority;
	s->parts[0].lane.submitter_class = filling->uid;
	s->parts[0].lane.domain = "";
	if (filling->lanes > 0) {
		snprintf(text, sizeof(text), "domain%lu.example",
		         number % filling->lanes);
		s->parts[0].lane.domain = message_dup_text(m, text);
	}
	if (filling->due_in_s > 0)
		s->parts[0].due_ms =
		    queue_time_ms(filling->queue) + 1000 * filling->due_in_s;
	s->header = strdup(HEADER);
	if (s->header == NULL)
		must(-ENOMEM, "header");
	s->header_len = sizeof(HEADER) - 1;
	s->body = make_body(filling->body_bytes);
	s->job.home = filling->home;
	s->job.on_done = on_done;
	return s;
}

static unsigned take_home(struct filling *filling)
{
	struct letter *letter = mailbox_wait(filling->home, -1), *next;
	unsigned count = 0;

	for (; letter != NULL; letter = next) {
		struct submission *s =
		    LETTER_OF(letter, struct submission, job.letter);

		next = letter->next;
		must(s->job.result, "submission");
		submission_free(s);
		count++;
	}
	return count;
}

static void fill(struct filling *filling)
{
	unsigned long under_way = 0;

	for (unsigned long i = 0; i < filling->count; i++) {
		struct submission *s = make_mail(filling, i);

		queue_post_take(filling->queue, &s->job);
		if (++under_way == AHEAD)
			under_way -= take_home(filling);
	}
	while (under_way > 0)
		under_way -= take_home(filling);
}

static int read_options(struct filling *filling, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "n:b:r:l:d:k:p:u:")) != -1) {
		switch (option) {
		case 'n':
			filling->count = strtoul(optarg, NULL, 10);
			break;
		case 'b':
			filling->body_bytes = (unsigned)atoi(optarg);
			break;
		case 'r':
			filling->relay = settings_relay_id(optarg);
			break;
		case 'l':
			filling->lanes = strtoul(optarg, NULL, 10);
			break;
		case 'd':
			filling->due_in_s = strtoul(optarg, NULL, 10);
			break;
		case 'k':
			filling->every = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			filling->priority = optarg[0] == 'u' ? PRIORITY_URGENT
			                    : optarg[0] == 'b'
			                        ? PRIORITY_BULK
			                        : PRIORITY_NORMAL;
			break;
		case 'u':
			filling->uid = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		default:
			return -EINVAL;
		}
	}
	return optind + 1 == argc ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct settings settings = {
		.queue = { .maximum_bytes = 64ull << 30,
		           .keep_finished_s = 14 * 86400 },
	};
	struct filling filling = {
		.count = 1000,
		.body_bytes = 4096,
		.relay = settings_relay_id("sink"),
		.priority = PRIORITY_NORMAL,
	};
	char *error = NULL;
	int64_t start_us = clock_monotonic_us();
	double took_s;

	if (read_options(&filling, argc, argv) < 0) {
		fprintf(stderr, "usage: fill_queue [-n MESSAGES] "
		                "[-b BODY_BYTES] [-r RELAY] [-l LANES]\n"
		                "                  [-d SECONDS] [-k EVERY] "
		                "DIRECTORY\n");
		return 64;
	}
	settings.queue.directory = argv[optind];
	if (queue_open(&filling.queue, &settings, &error) < 0) {
		fprintf(stderr, "fill_queue: %s\n", error);
		return 1;
	}
	must(mailbox_new_blocking(&filling.home), "mailbox");
	must(queue_start(filling.queue), "queue");
	fill(&filling);
	queue_stop(filling.queue);
	queue_free(filling.queue);
	mailbox_free(filling.home);
	took_s = (double)(clock_monotonic_us() - start_us) / 1e6;
	printf("messages=%lu seconds=%.2f rate=%.0f\n", filling.count, took_s,
	       (double)filling.count / took_s);
	return 0;
}
