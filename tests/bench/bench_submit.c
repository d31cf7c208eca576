/*
 * bench_submit - librelais against a relaisd that runs, printed as key=value
 *
 * usage: bench_submit [-t THREADS] [-w WIDTH] [-b BYTES]
 *                     [-s SECONDS | -n MESSAGES] SOCKET
 *
 * Each thread has a session of its own and hands over messages of BYTES octets
 * until SECONDS have passed or MESSAGES are queued: WIDTH at a time with
 * relais_submit_batch(), or, where WIDTH is 1, one after the other with
 * relais_submit(), each timed.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "relais.h"

#define HEADER                                                                 \
	"From: a@bench.test\r\nTo: b@relay.test\r\nSubject: bench\r\n"         \
	"Message-ID: <x@bench.test>\r\n"                                       \
	"Date: Mon, 23 Nov 2026 18:40:01 +0000\r\n\r\n"
#define WIDTH_MAX 1024
#define TIMES_MAX 1000000

static unsigned threads = 64, width = 256;
static size_t bytes = 4096;
static double seconds = 3;
static const char *path;
static char *data;
static size_t data_len;
static unsigned long wanted; /* 0: until the time is over */
static _Atomic unsigned long begun;
static _Atomic bool is_over;

struct worker {
	pthread_t thread;
	unsigned long done, failed;
	float *times_ms;
	size_t time_count;
	char why[256];
};

static void note_failure(struct worker *worker,
                         const struct relais_answer *answer)
{
	worker->failed++;
	snprintf(worker->why, sizeof(worker->why), "%d %.200s", answer->code,
	         answer->text);
}

static void submit_one(struct worker *worker, struct relais_session *session,
                       const struct relais_envelope *envelope)
{
	struct relais_answer answer;
	int64_t start_us = clock_monotonic_us();

	if (relais_submit(session, envelope, data, data_len, 60000, &answer) !=
	    RELAIS_OK) {
		note_failure(worker, &answer);
		return;
	}
	worker->done++;
	if (worker->time_count < TIMES_MAX)
		worker->times_ms[worker->time_count++] =
		    (float)(clock_monotonic_us() - start_us) / 1000;
}

static void submit_many(struct worker *worker, struct relais_session *session,
                        const struct relais_envelope *envelope)
{
	struct relais_submission mails[WIDTH_MAX];

	for (unsigned i = 0; i < width; i++) {
		memset(&mails[i], 0, sizeof(mails[i]));
		mails[i].envelope = envelope;
		mails[i].data = data;
		mails[i].len = data_len;
	}
	worker->done += relais_submit_batch(session, mails, width, 60000);
	for (unsigned i = 0; i < width; i++) {
		if (mails[i].answer.result != RELAIS_OK)
			note_failure(worker, &mails[i].answer);
	}
}

static bool may_begin(void)
{
	if (wanted > 0)
		return atomic_fetch_add(&begun, width) < wanted;
	return !atomic_load(&is_over);
}

static void *work(void *argument)
{
	static const char *const recipients[] = { "b@relay.test", NULL };
	struct worker *worker = argument;
	struct relais_session *session = relais_open(path);
	struct relais_envelope envelope = { 0 };

	envelope.sender = "a@bench.test";
	envelope.recipients = recipients;
	envelope.recipient_count = 1;
	while (worker->failed == 0 && may_begin()) {
		if (width == 1)
			submit_one(worker, session, &envelope);
		else
			submit_many(worker, session, &envelope);
	}
	relais_close(session);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static void report(const struct worker *workers, double took_s)
{
	unsigned long done = 0, failed = 0;
	float *times = workers[0].times_ms;
	size_t count = workers[0].time_count;

	for (unsigned i = 0; i < threads; i++) {
		done += workers[i].done;
		failed += workers[i].failed;
		if (workers[i].failed > 0)
			fprintf(stderr, "bench_submit: %s\n", workers[i].why);
	}
	printf("done=%lu fail=%lu secs=%.3f rate=%.1f mib_s=%.2f", done, failed,
	       took_s, (double)done / took_s,
	       (double)done * (double)data_len / took_s / 1048576);
	if (count > 0) {
		qsort(times, count, sizeof(*times), compare);
		printf(" p50_ms=%.3f p99_ms=%.3f max_ms=%.3f",
		       (double)times[count / 2],
		       (double)times[count * 99 / 100],
		       (double)times[count - 1]);
	}
	printf("\n");
}

static void make_message(void)
{
	size_t head = sizeof(HEADER) - 1;

	data_len = head + bytes;
	data = malloc(data_len + 1);
	if (data == NULL)
		exit(1);
	memcpy(data, HEADER, head);
	for (size_t i = 0; i < bytes; i++)
		data[head + i] = i % 78 == 76   ? '\r'
		                 : i % 78 == 77 ? '\n'
		                                : 'X';
	data[data_len - 2] = '\r';
	data[data_len - 1] = '\n';
}

static int read_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "t:w:b:s:n:")) != -1) {
		if (option == 't')
			threads = (unsigned)atoi(optarg);
		else if (option == 'w')
			width = (unsigned)atoi(optarg);
		else if (option == 'b')
			bytes = strtoul(optarg, NULL, 10);
		else if (option == 's')
			seconds = atof(optarg);
		else if (option == 'n')
			wanted = strtoul(optarg, NULL, 10);
		else
			return -1;
	}
	if (optind + 1 != argc || threads == 0 || width == 0 ||
	    width > WIDTH_MAX || bytes < 2)
		return -1;
	path = argv[optind];
	return 0;
}

int main(int argc, char **argv)
{
	struct worker *workers;
	int64_t start_us;

	if (read_options(argc, argv) < 0) {
		fprintf(stderr, "usage: bench_submit [-t THREADS] [-w WIDTH] "
		                "[-b BYTES] [-s SECONDS | -n MESSAGES] "
		                "SOCKET\n");
		return 64;
	}
	make_message();
	workers = calloc(threads, sizeof(*workers));
	if (workers == NULL)
		return 1;
	start_us = clock_monotonic_us();
	for (unsigned i = 0; i < threads; i++) {
		if (width == 1)
			workers[i].times_ms = malloc(TIMES_MAX * sizeof(float));
		if (pthread_create(&workers[i].thread, NULL, work,
		                   &workers[i]) != 0)
			return 1;
	}
	if (wanted == 0)
		usleep((useconds_t)(seconds * 1e6));
	atomic_store(&is_over, true);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	report(workers, (double)(clock_monotonic_us() - start_us) / 1e6);
	return 0;
}
