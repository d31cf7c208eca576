/*
 * token_store - where logins outlive us
 */
#include "config.h"

#include "deliver/token_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_sync.h"
#include "runtime/xalloc.h"

#define FOLDER    "logins"
#define FILE_SIZE 65536

static int open_folder(const char *directory, bool is_new);
static int read_file(int folder, const char *name, char *bytes, size_t size);
static const char *line_behind(const char *text, const char *word,
                               size_t *ret_len);

int token_store_read(const char *directory, const char *relay,
                     const char *purpose, char **ret_token)
{
	int folder = open_folder(directory, false);
	char *bytes;
	const char *line;
	size_t len;
	int r;

	if (folder < 0)
		return folder;
	bytes = xcalloc(1, FILE_SIZE);
	r = read_file(folder, relay, bytes, FILE_SIZE);
	(void)close(folder);
	if (r < 0)
		goto out;
	r = -ESTALE;
	line = line_behind(bytes, "\nfor ", &len);
	if (!line || strlen(purpose) != len || memcmp(line, purpose, len) != 0)
		goto out;
	r = -ENOENT;
	line = line_behind(bytes, "\nrefresh_token ", &len);
	if (!line || len == 0)
		goto out;
	*ret_token = xasprintf("%.*s", (int)len, line);
	r = 0;
out:
	explicit_bzero(bytes, FILE_SIZE);
	free(bytes);
	return r;
}

static const char *line_behind(const char *text, const char *word,
                               size_t *ret_len)
{
	const char *at = strstr(text, word);

	if (!at)
		return NULL;
	at += strlen(word);
	*ret_len = strcspn(at, "\n");
	return at;
}

int token_store_write(const char *directory, const char *relay,
                      const char *purpose, const char *token)
{
	char *new_name = xasprintf(".%s.new", relay);
	char *text = xasprintf("# Made by relaisctl relay login %s.\n"
	                       "for %s\n"
	                       "refresh_token %s\n",
	                       relay, purpose, token);
	int folder = open_folder(directory, true);
	int r = folder < 0 ? folder : 0;

	if (r == 0)
		r = file_create_synced(folder, new_name, text);
	if (r == 0 && renameat(folder, new_name, folder, relay) < 0)
		r = -errno;
	if (r < 0 && folder >= 0)
		(void)unlinkat(folder, new_name, 0);
	if (r == 0 && fsync(folder) < 0)
		r = -errno;
	if (folder >= 0)
		(void)close(folder);
	explicit_bzero(text, strlen(text));
	free(text);
	free(new_name);
	return r;
}

int token_store_remove(const char *directory, const char *relay)
{
	int folder = open_folder(directory, false);
	int r = 0;

	if (folder < 0)
		return folder == -ENOENT ? 0 : folder;
	if (unlinkat(folder, relay, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0 && fsync(folder) < 0)
		r = -errno;
	(void)close(folder);
	return r;
}

/* A new one is on disk before anything is in it. */
static int open_folder(const char *directory, bool is_new)
{
	int above = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int folder, r = 0;

	if (above < 0)
		return -errno;
	if (is_new && mkdirat(above, FOLDER, 0700) == 0 && fsync(above) < 0)
		r = -errno;
	folder = r < 0
	             ? r
	             : openat(above, FOLDER,
	                      O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (r == 0 && folder < 0)
		folder = -errno;
	(void)close(above);
	return folder;
}

/* Leaves room for a NUL. */
static int read_file(int folder, const char *name, char *bytes, size_t size)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && len < size - 1) {
		n = read(fd, bytes + len, size - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	n = n < 0 ? -errno : 0;
	(void)close(fd);
	return (int)n;
}
