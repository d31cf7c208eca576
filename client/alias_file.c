#include "config.h"

#include "alias_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "file_sync.h"

#define FILE_MAX (16 * 1024 * 1024)

static int read_old(const char *path, struct buffer *text,
                    struct stat *ret_status);
static int change(const struct buffer *old, const char *name,
                  const char *target, struct buffer *text);
static int replace(const char *path, const struct buffer *text,
                   const struct stat *status);

/* A new file beside it takes its place. */
static bool is_folder_writable(const char *path)
{
	char *copy = strdup(path);
	bool is_writable = copy && access(dirname(copy), W_OK | X_OK) == 0;

	free(copy);
	return is_writable;
}

bool alias_file_is_writable(const char *path)
{
	char *real = realpath(path, NULL);
	bool is_writable = is_folder_writable(real ? real : path) &&
	                   (!real || access(real, W_OK) == 0);

	free(real);
	return is_writable;
}

int alias_file_set(const char *path, const char *name, const char *target)
{
	char *real = realpath(path, NULL);
	struct buffer old, text;
	struct stat status;
	int r;

	buffer_init(&old, FILE_MAX);
	buffer_init(&text, FILE_MAX + 4096);
	r = read_old(real ? real : path, &old, &status);
	if (r == 0)
		r = change(&old, name, target, &text);
	if (r == 0)
		r = replace(real ? real : path, &text, &status);
	buffer_done(&old);
	buffer_done(&text);
	free(real);
	return r;
}

/* One that isn't there is empty, and everybody may read it. */
static int read_old(const char *path, struct buffer *text,
                    struct stat *ret_status)
{
	FILE *file = fopen(path, "re");
	int r = 0;

	memset(ret_status, 0, sizeof(*ret_status));
	ret_status->st_mode = S_IFREG | 0644;
	ret_status->st_uid = geteuid();
	ret_status->st_gid = getegid();
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fileno(file), ret_status) < 0)
		r = -errno;
	else if (!S_ISREG(ret_status->st_mode))
		r = -EINVAL;
	while (r == 0 && !feof(file)) {
		r = buffer_reserve(text, 8192);
		if (r == 0)
			buffer_grow(
			    text, fread(text->data + text->len, 1, 8192, file));
		if (r == 0 && ferror(file))
			r = -EIO;
	}
	(void)fclose(file);
	return r;
}

static bool is_of(const char *line, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	if (len < name_len || strncasecmp(line, name, name_len) != 0)
		return false;
	while (name_len < len &&
	       (line[name_len] == ' ' || line[name_len] == '\t'))
		name_len++;
	return name_len < len && line[name_len] == ':';
}

/* Lines that begin with a space go on with the one before (aliases(5)). */
static int change(const struct buffer *old, const char *name,
                  const char *target, struct buffer *text)
{
	const char *at = (const char *)old->data, *end = at + old->len;
	bool is_ours = false, is_put = false;
	int r = 0;

	while (at < end && r == 0) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len =
		    stop ? (size_t)(stop - at) + 1 : (size_t)(end - at);

		if (*at != ' ' && *at != '\t')
			is_ours = is_of(at, len, name);
		if (is_ours && !is_put)
			r = buffer_appendf(text, "%s: %s\n", name, target);
		else if (!is_ours)
			r = buffer_append(text, at, len);
		is_put |= is_ours;
		at += len;
	}
	if (r == 0 && text->len > 0 && text->data[text->len - 1] != '\n')
		r = buffer_append(text, "\n", 1);
	if (r == 0 && !is_put)
		r = buffer_appendf(text, "%s: %s\n", name, target);
	return r;
}

static int replace(const char *path, const struct buffer *text,
                   const struct stat *status)
{
	char *draft = NULL;
	int fd, r;

	if (asprintf(&draft, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(draft, O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		free(draft);
		return r;
	}
	r = file_write_synced(fd, text->data, text->len);
	if (r == 0 && (fchown(fd, status->st_uid, status->st_gid) < 0 ||
	               fchmod(fd, status->st_mode & 07777) < 0))
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(draft, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(draft);
	free(draft);
	return r == 0 ? file_sync_folder(path) : r;
}
