#include "config.h"

#include "runtime/journal.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define PREFIX         "RELAIS_"

static char field_letter(char c);

bool journal_is_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;

	return stream != NULL &&
	       sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

int journal_open(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;
	int r;

	if (path == NULL)
		path = JOURNAL_SOCKET;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	return fd;
}

size_t journal_put_field(char *fields, size_t len, size_t size, const char *key,
                         const char *value, size_t value_len)
{
	size_t key_len, i;

	if (strcmp(key, "id") == 0)
		key = "queue_id";
	key_len = strlen(key);
	if (size - len < sizeof(PREFIX) + key_len + value_len + 1)
		return len;
	memcpy(fields + len, PREFIX, sizeof(PREFIX) - 1);
	len += sizeof(PREFIX) - 1;
	for (i = 0; i < key_len; i++)
		fields[len++] = field_letter(key[i]);
	fields[len++] = '=';
	memcpy(fields + len, value, value_len);
	len += value_len;
	fields[len++] = '\n';
	return len;
}

/* The journal drops fields whose names have anything else. */
static char field_letter(char c)
{
	if (c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return c;
	return '_';
}

int journal_send(int fd, int level, const char *text, size_t len,
                 const char *fields, size_t fields_len)
{
	static const char opening[] = "SYSLOG_IDENTIFIER=relaisd\nMESSAGE=";
	char priority[sizeof("PRIORITY=-2147483648\n")];
	int priority_len =
	    snprintf(priority, sizeof(priority), "PRIORITY=%d\n", level);
	struct iovec parts[] = {
		{ priority, (size_t)priority_len },
		{ (void *)(uintptr_t)opening, sizeof(opening) - 1 },
		{ (void *)(uintptr_t)text, len },
		{ (void *)(uintptr_t)fields, fields_len },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 4 };
	ssize_t sent;

	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}
