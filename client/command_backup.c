/*
 * command_backup - relaisctl backup
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "clock.h"
#include "http.h"

#define SHOW_EVERY_US 200000

/* How far it is, on a terminal. */
struct progress {
	bool is_shown;
	int64_t next_us;
};

static int fill(const struct invocation *invocation, struct http *http,
    int fd, uint64_t *ret_bytes);
static int write_all(int fd, const char *data, size_t len);
static void show(struct progress *progress, uint64_t bytes, bool is_last);

/* The file has its name only once it is whole and on disk. */
int command_backup(struct invocation *invocation)
{
	const char *path = invocation->operands[0];
	char words[OUTPUT_WORDS_SIZE], draft[4096];
	struct http *http = NULL;
	uint64_t bytes = 0;
	int fd, r;

	if ((size_t)snprintf(draft, sizeof(draft), "%s.new", path) >=
	    sizeof(draft)) {
		command_complain("%s: %s", path, strerror(ENAMETOOLONG));
		return EXIT_NOT_SO;
	}
	r = ask_stream(invocation, "GET", "/v1/backup", NULL, &http);
	if (r != EXIT_FINE)
		return r;
	fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : fill(invocation, http, fd, &bytes);
	http_close(http);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (fd >= 0 && close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(draft, path) < 0)
		r = -errno;
	if (r < 0) {
		if (fd >= 0)
			(void)unlink(draft);
		command_complain("no backup was made: %s", r == -EPROTO
		    ? "relaisd ended before it was whole" : strerror(-r));
		return EXIT_NOT_SO;
	}
	output_size((int64_t)bytes, words);
	printf("%s has the queue (%s).\n", path, words);
	return EXIT_FINE;
}

static int fill(const struct invocation *invocation, struct http *http,
    int fd, uint64_t *ret_bytes)
{
	struct progress progress = { .is_shown = isatty(STDERR_FILENO) &&
		!invocation->is_json };
	const char *data;
	size_t len;
	int r;

	for (;;) {
		r = http_read_some(http, &data, &len);
		if (r < 0)
			break;
		r = write_all(fd, data, len);
		if (r < 0)
			break;
		*ret_bytes += len;
		show(&progress, *ret_bytes, false);
	}
	show(&progress, *ret_bytes, true);
	return r == -ENODATA ? 0 : r;
}

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t written;

	while (len > 0) {
		written = write(fd, data, len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		data += written;
		len -= (size_t)written;
	}
	return 0;
}

static void show(struct progress *progress, uint64_t bytes, bool is_last)
{
	char words[OUTPUT_WORDS_SIZE];
	int64_t now_us = clock_monotonic_us();

	if (!progress->is_shown || (now_us < progress->next_us && !is_last))
		return;
	progress->next_us = now_us + SHOW_EVERY_US;
	output_size((int64_t)bytes, words);
	fprintf(stderr, "\r%s\033[K%s", is_last ? "" : words,
	    is_last ? "\r" : "");
	(void)fflush(stderr);
}
