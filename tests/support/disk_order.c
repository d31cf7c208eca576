/*
 * disk_order - a preloaded library that tells what a program does to files
 *
 * $DISK_ORDER names a file to which a line is appended for each write, sync,
 * rename and unlink, in their order: the word and the paths. It is there when
 * the call has returned.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEXT(type, name, ...)                                                  \
	static type (*next)(__VA_ARGS__);                                      \
	if (next == NULL)                                                      \
	next = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static void tell(const char *format, ...)
{
	const char *path = getenv("DISK_ORDER");
	int fd =
	    path != NULL ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
	char line[8192 + 16];
	va_list arguments;
	int len;

	if (fd < 0)
		return;
	va_start(arguments, format);
	len = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	/* Not by write(), which is ours. */
	(void)!syscall(SYS_write, fd, line, (size_t)len);
	(void)close(fd);
}

static void path_of(char path[4096], int fd, const char *name)
{
	char link[32];
	ssize_t len = 0;

	path[0] = '\0';
	if (name == NULL || name[0] != '/') {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(fd == AT_FDCWD ? "/proc/self/cwd" : link, path,
		               2048);
		path[len < 0 ? 0 : len] = '\0';
	}
	if (name != NULL)
		(void)snprintf(path + strlen(path), 2048, "%s%s",
		               name[0] != '/' ? "/" : "", name);
}

static void tell_of(const char *word, int fd, const char *name)
{
	char path[4096];

	path_of(path, fd, name);
	tell("%s %s\n", word, path);
}

ssize_t write(int fd, const void *data, size_t len)
{
	NEXT(ssize_t, "write", int, const void *, size_t);
	ssize_t n = next(fd, data, len);

	tell_of("write", fd, NULL);
	return n;
}

int fsync(int fd)
{
	NEXT(int, "fsync", int);
	int r = next(fd);

	if (r == 0)
		tell_of("sync", fd, NULL);
	return r;
}

static int tell_rename(int r, int from_fd, const char *from, int to_fd,
                       const char *to)
{
	char old[4096], new[4096];

	path_of(old, from_fd, from);
	path_of(new, to_fd, to);
	if (r == 0)
		tell("rename %s %s\n", old, new);
	return r;
}

int rename(const char *from, const char *to)
{
	NEXT(int, "rename", const char *, const char *);

	return tell_rename(next(from, to), AT_FDCWD, from, AT_FDCWD, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	NEXT(int, "renameat", int, const char *, int, const char *);

	return tell_rename(next(from_fd, from, to_fd, to), from_fd, from, to_fd,
	                   to);
}

int unlink(const char *path)
{
	NEXT(int, "unlink", const char *);
	int r = next(path);

	if (r == 0)
		tell_of("unlink", AT_FDCWD, path);
	return r;
}

int unlinkat(int fd, const char *name, int flags)
{
	NEXT(int, "unlinkat", int, const char *, int);
	int r = next(fd, name, flags);

	if (r == 0)
		tell_of("unlink", fd, name);
	return r;
}
