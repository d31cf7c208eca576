#include "config.h"

#include "queue/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/store.h"
#include "runtime/xalloc.h"

#define PIECE_SIZE (1024 * 1024)

static int copy_file(const char *from, const char *to);
static int own_as(const char *directory, const char *path);
static int sync_directory(const char *directory);

int queue_restore(const char *directory, const char *path, char **ret_error)
{
	char *data = xasprintf("%s/data.mdb", directory);
	char *draft = xasprintf("%s/data.restored", directory);
	char *marks = xasprintf("%s/inflight", directory);
	int r = 0;

	if (access(data, F_OK) == 0) {
		r = -EEXIST;
		*ret_error = xasprintf("there is a queue in %s: stop relaisd "
		                       "and move it away first",
		                       directory);
		goto out;
	}
	r = copy_file(path, draft);
	if (r == 0)
		r = store_verify(draft);
	if (r == 0)
		r = own_as(directory, draft);
	/* They are of another queue, or of a later time of this one. */
	if (r == 0 && unlink(marks) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0 && rename(draft, data) < 0)
		r = -errno;
	if (r == 0)
		r = sync_directory(directory);
	if (r < 0) {
		(void)unlink(draft);
		*ret_error = xasprintf("%s was not restored: %s", path,
		                       r == -EBADMSG ? "it is no whole backup"
		                                     : strerror(-r));
	}
out:
	free(data);
	free(draft);
	free(marks);
	return r;
}

static int copy_file(const char *from, const char *to)
{
	char *piece = xmalloc(PIECE_SIZE);
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t got = 0, written;
	int r = in < 0 || out < 0 ? -errno : 0;

	while (r == 0 && (got = read(in, piece, PIECE_SIZE)) > 0) {
		written = write(out, piece, (size_t)got);
		if (written < got)
			r = written < 0 ? -errno : -ENOSPC;
	}
	if (r == 0 && got < 0)
		r = -errno;
	if (r == 0 && fsync(out) < 0)
		r = -errno;
	if (in >= 0)
		(void)close(in);
	if (out >= 0)
		(void)close(out);
	free(piece);
	return r;
}

/* root restores, and relaisd runs as somebody else. */
static int own_as(const char *directory, const char *path)
{
	struct stat status;

	if (stat(directory, &status) < 0)
		return -errno;
	if (geteuid() == 0 && chown(path, status.st_uid, status.st_gid) < 0)
		return -errno;
	return 0;
}

static int sync_directory(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	(void)close(fd);
	return r;
}
