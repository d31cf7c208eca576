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
#include "file_sync.h"
#include "http.h"
#include "json.h"
#include "progress.h"

static int fill(const struct invocation *invocation, struct http *http, int fd,
                uint64_t *ret_bytes);
static int write_all(int fd, const char *data, size_t len);
static int64_t ask_size(const struct invocation *invocation);

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
	if (r == 0)
		r = file_sync_folder(path);
	if (r < 0) {
		if (fd >= 0)
			(void)unlink(draft);
		command_complain("no backup was made: %s",
		                 r == -EPROTO
		                     ? "relaisd ended before it was whole"
		                     : strerror(-r));
		return EXIT_NOT_SO;
	}
	output_size((int64_t)bytes, words);
	printf("%s has the queue (%s).\n", path, words);
	return EXIT_FINE;
}

static int fill(const struct invocation *invocation, struct http *http, int fd,
                uint64_t *ret_bytes)
{
	char words[OUTPUT_WORDS_SIZE];
	struct progress progress;
	int64_t total = 0;
	const char *data;
	size_t len;
	int r;

	progress_begin(&progress, invocation);
	if (progress.is_shown)
		total = ask_size(invocation);
	for (;;) {
		r = http_read_some(http, &data, &len);
		if (r < 0)
			break;
		r = write_all(fd, data, len);
		if (r < 0)
			break;
		*ret_bytes += len;
		output_size((int64_t)*ret_bytes, words);
		progress_show(&progress, (int64_t)*ret_bytes, total, words);
	}
	progress_end(&progress);
	return r == -ENODATA ? 0 : r;
}

/* About what the backup will have; 0: not known. */
static int64_t ask_size(const struct invocation *invocation)
{
	struct json *status = NULL;
	int64_t bytes;

	if (ask(invocation, "GET", "/v1/status", NULL, &status) != EXIT_FINE)
		return 0;
	bytes = json_number(json_member(status, "store"), "bytes_used");
	json_free(status);
	return bytes;
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
