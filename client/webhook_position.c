#include "config.h"

#include "webhook_position.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "file_sync.h"

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
	r = file_create_synced(AT_FDCWD, new, text);
	if (r == 0 && rename(new, path) < 0)
		r = -errno;
	if (r == 0)
		r = file_sync_folder(path);
	free(new);
	return r;
}
