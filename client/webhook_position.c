#include "config.h"

#include "webhook_position.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int write_synced(const char *path, const char *text);
static int sync_folder(const char *path);

int webhook_position_lock(const char *path)
{
	char *lock;
	int fd, r = 0;

	if (asprintf(&lock, "%s.lock", path) < 0)
		return -ENOMEM;
	/* Open until the process ends. */
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = -errno;
	free(lock);
	return r;
}

int webhook_position_load(const char *path, uint64_t *ret_position)
{
	FILE *file = fopen(path, "re");
	uint64_t position;
	int r;

	if (!file)
		return -errno;
	r = fscanf(file, "%" SCNu64, &position) == 1 ? 0 : -EBADMSG;
	(void)fclose(file);
	if (r == 0)
		*ret_position = position;
	return r;
}

int webhook_position_save(const char *path, uint64_t position)
{
	char text[32], *new;
	int r;

	(void)snprintf(text, sizeof(text), "%" PRIu64 "\n", position);
	if (asprintf(&new, "%s.new", path) < 0)
		return -ENOMEM;
	r = write_synced(new, text);
	if (r == 0 && rename(new, path) < 0)
		r = -errno;
	if (r == 0)
		r = sync_folder(path);
	free(new);
	return r;
}

static int write_synced(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = 0;

	if (fd < 0)
		return -errno;
	errno = EIO; /* of a short write */
	if (write(fd, text, len) != (ssize_t)len || fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

static int sync_folder(const char *path)
{
	char *copy = strdup(path);
	int fd, r = 0;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		r = -errno;
	if (fd >= 0)
		(void)close(fd);
	free(copy);
	return r;
}
