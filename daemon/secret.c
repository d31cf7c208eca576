/*
 * secret - a password or token: kept apart, and wiped when it goes
 */
#include "config.h"

#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/xalloc.h"

/* More than TLS, HTTP and SASL need. */
#define STACK_BYTES (32 * 1024)

struct secret {
	char *text;
	char **command;
};

static int new_file(struct secret **ret_secret, const char *path,
                    const char *ends);
static int read_whole(int fd, char *buffer, size_t size, size_t *ret_len);

const char *secret_text_borrow(const struct secret *secret)
{
	return secret->text;
}

char *const *secret_command_borrow(const struct secret *secret)
{
	return secret->command;
}

struct secret *secret_new_text(const char *text)
{
	struct secret *secret = xcalloc(1, sizeof(*secret));

	secret->text = xstrdup(text);
	return secret;
}

struct secret *secret_new_command(char *const *words)
{
	struct secret *secret = xcalloc(1, sizeof(*secret));
	size_t count = 0, i;

	while (words[count])
		count++;
	secret->command = xcalloc(count + 1, sizeof(*secret->command));
	for (i = 0; i < count; i++)
		secret->command[i] = xstrdup(words[i]);
	return secret;
}

int secret_new_file(struct secret **ret_secret, const char *path)
{
	return new_file(ret_secret, path, "\r\n");
}

int secret_new_whole_file(struct secret **ret_secret, const char *path)
{
	return new_file(ret_secret, path, "");
}

/* What is in front of any of `ends`. */
static int new_file(struct secret **ret_secret, const char *path,
                    const char *ends)
{
	char buffer[SECRET_SIZE_MAX];
	size_t len = 0;
	int fd, r;

	/* A FIFO nobody writes to must not hold up the start. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = read_whole(fd, buffer, sizeof(buffer), &len);
	(void)close(fd);
	if (r < 0)
		goto out;
	r = -EINVAL;
	if (memchr(buffer, '\0', len))
		goto out;
	buffer[len] = '\0';
	buffer[strcspn(buffer, ends)] = '\0';
	r = -ENODATA;
	if (buffer[0] == '\0')
		goto out;
	*ret_secret = secret_new_text(buffer);
	r = 0;
out:
	explicit_bzero(buffer, sizeof(buffer));
	return r;
}

/* Leaves room for a NUL. */
static int read_whole(int fd, char *buffer, size_t size, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, buffer + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len == size)
			return -EFBIG;
	} while (n != 0);
	*ret_len = len;
	return 0;
}

void secret_free(struct secret *secret)
{
	size_t i;

	if (!secret)
		return;
	if (secret->text)
		explicit_bzero(secret->text, strlen(secret->text));
	free(secret->text);
	for (i = 0; secret->command && secret->command[i]; i++)
		free(secret->command[i]);
	free(secret->command);
	free(secret);
}

void secret_wipe_stack(void)
{
	char below[STACK_BYTES];

	explicit_bzero(below, sizeof(below));
}

void secret_forbid_dumps(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
