/*
 * fuzz_session - the whole daemon, spoken to through its sockets
 *
 * A real one runs in a thread, with the capture relay. The first byte says
 * which socket an input goes to and in pieces of what size. However the client
 * ends, it is answered in lines that are SMTP or HTTP, and a message that was
 * taken ("queued as") is there when one asks for it.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "command_helper.h"
#include "daemon.h"
#include "settings.h"
#include "settings_errors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* OpenSSL keeps something for the process as a whole. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:CRYPTO_zalloc";
}

#define PATIENCE_MS 100000
#define ANSWER_MAX  (1 << 20)

static char folder[] = "/tmp/fuzz-session-XXXXXX";
static char submit_path[64], control_path[64], settings_path[64];
static pthread_t thread;
static pid_t owner; /* relaisd's helper is another process */
static char answer[ANSWER_MAX + 1];

static int remove_one(const char *path, const struct stat *status, int flag,
                      struct FTW *ftw)
{
	(void)status;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void *run(void *argument)
{
	const struct settings *settings = NULL;
	struct command_helper *helper = NULL;
	struct settings_errors errors;

	(void)argument;
	settings_errors_init(&errors);
	if (settings_load(settings_path, &settings, &errors) < 0) {
		settings_errors_print(&errors, stderr);
		abort();
	}
	if (command_helper_new(&helper) < 0)
		abort();
	(void)daemon_run_take(settings, settings_path, &errors, helper);
	settings_errors_done(&errors);
	return NULL;
}

static void stop(void)
{
	if (getpid() != owner)
		return;
	(void)kill(owner, SIGTERM);
	(void)pthread_join(thread, NULL);
	(void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert(fd >= 0);
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static void await(const char *path)
{
	int fd;

	for (unsigned i = 0; (fd = dial(path)) < 0; i++) {
		assert(i < PATIENCE_MS);
		usleep(1000);
	}
	(void)close(fd);
}

/* A fuzzer looks at its clock by SIGALRM, and whoever waits is no failure. */
static void block_alarms(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void start(void)
{
	FILE *file;

	block_alarms();
	assert(mkdtemp(folder) != NULL);
	snprintf(submit_path, sizeof(submit_path), "%s/s", folder);
	snprintf(control_path, sizeof(control_path), "%s/c", folder);
	snprintf(settings_path, sizeof(settings_path), "%s/y", folder);
	file = fopen(settings_path, "w");
	assert(file != NULL);
	fprintf(file,
	        "hostname: h.example.com\nlog: {level: error}\n"
	        "queue: {directory: '%s/q', maximum: 256MiB}\n"
	        "receive: {socket: '%s', message_size: 64KiB, header_size: "
	        "16KiB}\ncontrol: {socket: '%s'}\n"
	        "relays: {capture: {url: 'maildir:%s/m'}}\n",
	        folder, submit_path, control_path, folder);
	fclose(file);
	owner = getpid();
	if (pthread_create(&thread, NULL, run, NULL) != 0)
		abort();
	atexit(stop);
	await(submit_path);
	await(control_path);
}

/* Sends and reads until the other side has nothing more to say. */
static size_t talk(int fd, const char *data, size_t len, size_t piece)
{
	size_t sent = 0, got = 0;
	bool is_ended = false;

	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		size_t more = len - sent < piece ? len - sent : piece;
		ssize_t n;

		if (sent < len) {
			wait.events |= POLLOUT;
		} else if (!is_ended) {
			(void)shutdown(fd, SHUT_WR);
			is_ended = true;
		}
		/* Whatever was sent, it does not keep us waiting. */
		if (poll(&wait, 1, PATIENCE_MS) <= 0)
			abort();
		if ((wait.revents & POLLOUT) != 0) {
			n = send(fd, data + sent, more, MSG_NOSIGNAL);
			sent = n > 0 ? sent + (size_t)n : len;
		}
		if ((wait.revents & (POLLIN | POLLHUP)) == 0)
			continue;
		n = read(fd, answer + got, ANSWER_MAX - got);
		if (n <= 0)
			break;
		got += (size_t)n;
		assert(got < ANSWER_MAX);
	}
	answer[got] = '\0';
	return got;
}

static void expect_message(const char *id, size_t len)
{
	static char found[4096];
	char request[128];
	size_t got = 0;
	ssize_t n;
	int fd = dial(control_path);

	assert(fd >= 0 && len == 13);
	len = (size_t)snprintf(request, sizeof(request),
	                       "GET /v1/messages/%.13s HTTP/1.0\r\n\r\n", id);
	assert(send(fd, request, len, MSG_NOSIGNAL) == (ssize_t)len);
	while (got < sizeof(found) - 1 &&
	       (n = read(fd, found + got, sizeof(found) - 1 - got)) > 0)
		got += (size_t)n;
	(void)close(fd);
	found[got] = '\0';
	assert(strncmp(found + 8, " 200 ", 5) == 0);
}

static void check_smtp(void)
{
	static const char queued[] = " Ok: queued as ";
	char *line = answer, *end;

	for (; *line != '\0'; line = end + 2) {
		end = strstr(line, "\r\n");
		assert(end != NULL);
		assert(strspn(line, "0123456789") == 3);
		assert(line[3] == ' ' || line[3] == '-');
		*end = '\0';
		if (strncmp(line, "250 2.0.0", 9) == 0 &&
		    strstr(line, queued) == line + 9)
			expect_message(line + 9 + strlen(queued),
			               strcspn(line + 9 + strlen(queued), " "));
	}
}

static void check_http(size_t len)
{
	/* Nothing, or without a head: it was no request, or HTTP/0.9. */
	if (len == 0 || strncmp(answer, "HTTP/1.", 7) != 0)
		return;
	assert(strncmp(answer + 8, " 500 ", 5) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	bool is_control;
	size_t piece, got;
	int fd;

	if (len < 1)
		return 0;
	if (owner == 0)
		start();
	is_control = (data[0] & 1) != 0;
	piece = data[0] < 128 ? 65536 : 1 + data[0] / 2 % 32;
	fd = dial(is_control ? control_path : submit_path);
	assert(fd >= 0);
	got = talk(fd, (const char *)data + 1, len - 1, piece);
	(void)close(fd);
	if (is_control)
		check_http(got);
	else
		check_smtp();
	return 0;
}
