/*
 * bench_commit - how many messages one sync acknowledges
 *
 * N submitters post a message each, wait until it is home, and post the next.
 * Beside it, in the same run and directory: the same bytes put straight into
 * LMDB, as many per transaction as the queue reached, by a loop that does
 * nothing else. Not part of `make check`: bench_commit [DIRECTORY [SECONDS]].
 */
#include "config.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "queue/bigendian.h"
#include "queue/queue.h"
#include "queue/queue_private.h"
#include "queue/store.h"
#include "settings.h"

#define BODY_BYTES 4096
#define HEADER_BYTES 400
#define RECORD_BYTES 250

#define DIRECTORY_SIZE 4000
#define PATH_SIZE (DIRECTORY_SIZE + 16)

static _Atomic uint64_t syncs;

/* Takes the place of libc's for LMDB, too. */
__attribute__((visibility("default"))) int fdatasync(int fd)
{
	atomic_fetch_add(&syncs, 1);
	return (int)syscall(SYS_fdatasync, fd);
}

static char body_bytes[BODY_BYTES];
static char header_bytes[HEADER_BYTES];

struct submitter {
	pthread_t thread;
	struct queue *queue;
	const _Atomic bool *is_over;
	uint64_t acknowledged;
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void must(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "bench_commit: %s: %s\n", what, strerror(-r));
	exit(1);
}

static int remove_one(const char *path, const struct stat *stat, int flag,
    struct FTW *ftw)
{
	(void)stat;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* --------------------------------------------------------------- the queue */

static struct submission *make_mail(void)
{
	struct submission *s = submission_new();
	struct message *m = s->message;

	m->sender = "noreply@example.com";
	m->submitted_ms = wall_now_ms();
	m->recipients = message_allocate(m, sizeof(*m->recipients));
	memset(m->recipients, 0, sizeof(*m->recipients));
	m->recipients[0].address = "someone@example.org";
	m->recipient_count = 1;
	m->message_id = "<20261123184001.12345.1@web1.example.com>";
	s->parts = message_allocate(m, sizeof(*s->parts));
	memset(s->parts, 0, sizeof(*s->parts));
	s->parts[0].lane.relay = 1;
	s->parts[0].lane.domain = "";
	s->part_count = 1;
	s->header = malloc(HEADER_BYTES);
	s->body = body_chunk_new(BODY_BYTES);
	if (s->header == NULL || s->body == NULL)
		must(-ENOMEM, "message");
	memcpy(s->header, header_bytes, HEADER_BYTES);
	memcpy(s->body->data, body_bytes, BODY_BYTES);
	s->header_len = HEADER_BYTES;
	s->body->len = BODY_BYTES;
	m->size = HEADER_BYTES + 2 + BODY_BYTES;
	return s;
}

static void on_done(struct letter *letter)
{
	(void)letter;
}

static void *submit(void *argument)
{
	struct submitter *submitter = argument;
	struct mailbox *home;

	must(mailbox_new_blocking(&home), "mailbox");
	while (!atomic_load(submitter->is_over)) {
		struct submission *s = make_mail();

		s->job.home = home;
		s->job.on_done = on_done;
		queue_post_take(submitter->queue, &s->job);
		(void)mailbox_wait(home, -1);
		must(s->job.result, "submission");
		submitter->acknowledged++;
		submission_free(s);
	}
	mailbox_free(home);
	return NULL;
}

/* Messages a sync; 0 where none was acknowledged. */
static double run_queue(const char *directory, unsigned count, double seconds)
{
	struct settings settings = {
		.queue = { .maximum_bytes = 64ull << 30,
		    .keep_finished_s = 14 * 86400 },
	};
	struct submitter *submitters = calloc(count, sizeof(*submitters));
	_Atomic bool is_over = false;
	struct queue *queue;
	char *error = NULL;
	char path[PATH_SIZE];
	uint64_t total = 0, synced;
	double start, took;

	snprintf(path, sizeof(path), "%s/queue", directory);
	settings.queue.directory = path;
	if (submitters == NULL || queue_open(&queue, &settings, &error) < 0) {
		fprintf(stderr, "bench_commit: %s\n", error);
		exit(1);
	}
	must(queue_start(queue), "queue_start");
	atomic_store(&syncs, 0);
	start = now_s();
	for (unsigned i = 0; i < count; i++) {
		submitters[i].queue = queue;
		submitters[i].is_over = &is_over;
		must(-pthread_create(&submitters[i].thread, NULL, submit,
			  &submitters[i]),
		    "thread");
	}
	usleep((useconds_t)(1e6 * seconds));
	atomic_store(&is_over, true);
	for (unsigned i = 0; i < count; i++) {
		pthread_join(submitters[i].thread, NULL);
		total += submitters[i].acknowledged;
	}
	took = now_s() - start;
	synced = atomic_load(&syncs);
	queue_stop(queue);
	queue_free(queue);
	(void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(submitters);
	printf("queue      %4u submitters  %9.0f acks/s  %6.1f acks/sync\n",
	    count, (double)total / took, (double)total / (double)synced);
	return (double)total / (double)synced;
}

/* ----------------------------------------------------------------- raw LMDB */

static void put_raw(struct store_txn *txn, uint64_t id)
{
	unsigned char key[12], record[RECORD_BYTES] = { 0 };
	void *room;

	be64_put(key, id);
	be32_put(key + 8, 0);
	must(store_append_room(txn, TABLE_BODY, key, sizeof(key),
		 HEADER_BYTES + BODY_BYTES, &room), "put");
	memcpy(room, header_bytes, HEADER_BYTES);
	memcpy((char *)room + HEADER_BYTES, body_bytes, BODY_BYTES);
	must(store_append(txn, TABLE_MSG, key, 8, record, sizeof(record)),
	    "put");
}

static void run_raw(const char *directory, unsigned batch, double seconds)
{
	uint64_t id = 0, commits = 0;
	struct store *store;
	char *error = NULL;
	char path[PATH_SIZE];
	double start, took;

	snprintf(path, sizeof(path), "%s/raw", directory);
	if (mkdir(path, 0700) < 0 ||
	    store_open(&store, path, 64ull << 30, &error) < 0) {
		fprintf(stderr, "bench_commit: %s\n", error);
		exit(1);
	}
	start = now_s();
	do {
		struct store_txn *txn;

		must(store_begin(store, &txn), "begin");
		for (unsigned i = 0; i < batch; i++)
			put_raw(txn, ++id);
		must(store_commit(txn), "commit");
		commits++;
		took = now_s() - start;
	} while (took < seconds);
	store_close(store);
	(void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	printf("raw LMDB   %4u a commit    %9.0f puts/s  %6.0f commits/s\n",
	    batch, (double)id / took, (double)commits / took);
}

int main(int argc, char **argv)
{
	static const unsigned counts[] = { 1, 8, 64, 256 };
	char directory[DIRECTORY_SIZE];
	double seconds = argc > 2 ? atof(argv[2]) : 3;

	snprintf(directory, sizeof(directory), "%s/relais-bench-XXXXXX",
	    argc > 1 ? argv[1] : "/var/tmp");
	if (mkdtemp(directory) == NULL)
		must(-errno, directory);
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		double reached = run_queue(directory, counts[i], seconds);

		run_raw(directory, reached >= 1 ? (unsigned)(reached + 0.5) : 1,
		    seconds);
	}
	(void)rmdir(directory);
	return 0;
}
