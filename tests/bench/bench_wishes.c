/*
 * bench_wishes - submissions with parameters of MAIL, printed as key=value
 *
 * usage: bench_wishes [-t THREADS] [-p PARAMETERS] [-b BYTES]
 *                     [-s SECONDS | -n MESSAGES] SOCKET
 *
 * Each thread keeps one SMTP session and submits one message after the other,
 * envelope and DATA in one write. A # in PARAMETERS is a number that no other
 * message of this run has. librelais is not used: it sends a key always.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"

#define HEADER                                                                 \
	"From: a@bench.test\r\nTo: b@relay.test\r\nSubject: bench\r\n"         \
	"Message-ID: <x@bench.test>\r\n"                                       \
	"Date: Mon, 23 Nov 2026 18:40:01 +0000\r\n\r\n"

static unsigned threads = 64;
static size_t bytes = 4096;
static double seconds = 3;
static const char *path, *parameters = "";
static char *data;
static size_t data_len;
static unsigned long wanted; /* 0: until the time is over */
static _Atomic unsigned long begun;
static _Atomic bool is_over;

struct worker {
	pthread_t thread;
	unsigned long done;
	FILE *in;
	int fd;
	char reply[512]; /* the last line */
};

/* False where the connection or the reply is none that was awaited. */
static bool read_reply(struct worker *worker, const char *code)
{
	do {
		if (!fgets(worker->reply, sizeof(worker->reply), worker->in))
			return false;
	} while (worker->reply[3] == '-');
	return strncmp(worker->reply, code, 3) == 0;
}

static bool write_all(struct worker *worker, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(worker->fd, text, len, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		text += sent;
		len -= (size_t)sent;
	}
	return true;
}

static bool open_session(struct worker *worker)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	worker->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (worker->fd < 0 || connect(worker->fd, (struct sockaddr *)&address,
	                              sizeof(address)) < 0)
		return false;
	worker->in = fdopen(worker->fd, "r");
	return worker->in && read_reply(worker, "220") &&
	       write_all(worker, "EHLO bench\r\n", 12) &&
	       read_reply(worker, "250");
}

static bool submit(struct worker *worker, unsigned long number)
{
	int before = (int)strcspn(parameters, "#");
	char text[1024], unique[24] = "";
	int len;

	if (parameters[before] == '#')
		snprintf(unique, sizeof(unique), "%lu", number);
	len = snprintf(
	    text, sizeof(text),
	    "MAIL FROM:<a@bench.test> %.*s%s%s\r\nRCPT TO:<b@relay.test>\r\n"
	    "DATA\r\n",
	    before, parameters, unique,
	    parameters[before] == '#' ? parameters + before + 1 : "");
	return write_all(worker, text, (size_t)len) &&
	       read_reply(worker, "250") && read_reply(worker, "250") &&
	       read_reply(worker, "354") && write_all(worker, data, data_len) &&
	       read_reply(worker, "250");
}

static void *work(void *argument)
{
	struct worker *worker = argument;

	if (!open_session(worker))
		goto failed;
	for (;;) {
		unsigned long number = atomic_fetch_add(&begun, 1);

		if (wanted > 0 ? number >= wanted : atomic_load(&is_over))
			break;
		if (!submit(worker, number))
			goto failed;
		worker->done++;
	}
	fclose(worker->in);
	return NULL;
failed:
	fprintf(stderr, "bench_wishes: %s\n", worker->reply);
	exit(1);
}

static void make_message(void)
{
	size_t head = sizeof(HEADER) - 1, i;

	data_len = head + bytes + 3;
	data = malloc(data_len);
	if (!data)
		exit(1);
	memcpy(data, HEADER, head);
	for (i = 0; i < bytes; i++)
		data[head + i] = i % 78 == 76   ? '\r'
		                 : i % 78 == 77 ? '\n'
		                                : 'X';
	memcpy(data + data_len - 5, "\r\n.\r\n", 5);
}

static int read_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "t:p:b:s:n:")) != -1) {
		if (option == 't')
			threads = (unsigned)atoi(optarg);
		else if (option == 'p')
			parameters = optarg;
		else if (option == 'b')
			bytes = strtoul(optarg, NULL, 10);
		else if (option == 's')
			seconds = atof(optarg);
		else if (option == 'n')
			wanted = strtoul(optarg, NULL, 10);
		else
			return -1;
	}
	if (optind + 1 != argc || threads == 0 || bytes < 78)
		return -1;
	path = argv[optind];
	return 0;
}

int main(int argc, char **argv)
{
	struct worker *workers;
	unsigned long done = 0;
	int64_t start_us;
	double took_s;
	unsigned i;

	if (read_options(argc, argv) < 0) {
		fprintf(stderr, "usage: bench_wishes [-t THREADS] "
		                "[-p PARAMETERS] [-b BYTES] "
		                "[-s SECONDS | -n MESSAGES] SOCKET\n");
		return 64;
	}
	make_message();
	workers = calloc(threads, sizeof(*workers));
	if (!workers)
		return 1;
	start_us = clock_monotonic_us();
	for (i = 0; i < threads; i++)
		if (pthread_create(&workers[i].thread, NULL, work,
		                   &workers[i]) != 0)
			return 1;
	if (wanted == 0)
		usleep((useconds_t)(seconds * 1e6));
	atomic_store(&is_over, true);
	for (i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		done += workers[i].done;
	}
	took_s = (double)(clock_monotonic_us() - start_us) / 1e6;
	printf("done=%lu secs=%.3f rate=%.1f\n", done, took_s,
	       (double)done / took_s);
	return 0;
}
