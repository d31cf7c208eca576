/*
 * fuzz_http_answer - what relaisctl makes of an answer that may be anything
 *
 * A thread listens and gives the input to whoever asks. Read as
 * a whole or in lines, what comes out is no more than what was sent.
 */
#include "config.h"

#include "http.h"

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char path[64];
static int listener;
static const char *answer;
static size_t answer_len;
static sem_t question, given;

/* The answer may come before the question is read. */
static void *serve(void *context)
{
	char request[512];

	(void)context;
	for (;;) {
		int fd;

		while (sem_wait(&question) < 0)
			;
		fd = accept(listener, NULL, NULL);
		assert(fd >= 0);
		(void)send(fd, answer, answer_len, MSG_NOSIGNAL);
		(void)shutdown(fd, SHUT_WR);
		while (read(fd, request, sizeof(request)) > 0)
			;
		(void)close(fd);
		sem_post(&given);
	}
	return NULL;
}

static void listen_once(void)
{
	static char folder[] = "/tmp/fuzz-http-XXXXXX";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	pthread_t thread;

	if (path[0] != '\0')
		return;
	assert(mkdtemp(folder) != NULL);
	(void)snprintf(path, sizeof(path), "%s/s", folder);
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert(bind(listener, (struct sockaddr *)&address, sizeof(address)) ==
	       0);
	assert(listen(listener, 5) == 0);
	assert(sem_init(&question, 0, 0) == 0);
	assert(sem_init(&given, 0, 0) == 0);
	assert(pthread_create(&thread, NULL, serve, NULL) == 0);
}

static void forget(void)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL)
		return;
	(void)unlink(path);
	*slash = '\0';
	(void)rmdir(path);
}

/* The input is the thread's until then. */
static void end(struct http *http)
{
	http_close(http);
	while (sem_wait(&given) < 0)
		;
}

static struct http *ask(void)
{
	struct http *http = NULL;

	sem_post(&question);
	if (http_open(&http, path, "GET", "/", NULL, NULL) < 0) {
		end(NULL);
		return NULL;
	}
	assert(http_status(http) >= 100 && http_status(http) <= 999);
	return http;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t whole_len = 0, lines_len = 0;
	char *whole = NULL;
	struct http *http;
	const char *line;
	bool is_whole;

	if (path[0] == '\0') {
		listen_once();
		atexit(forget);
	}
	answer = (const char *)data;
	answer_len = len;
	http = ask();
	if (http == NULL)
		return 0;
	is_whole = http_read_all(http, &whole, &whole_len) == 0;
	end(http);
	if (is_whole)
		assert(whole[whole_len] == '\0');

	http = ask();
	assert(http != NULL);
	while (http_read_line(http, &line) == 0)
		lines_len += strlen(line) + 1;
	end(http);
	/* Line ends are taken off; what has none at the end is no line. */
	assert(!is_whole || lines_len <= whole_len + 1);
	free(whole);
	return 0;
}
