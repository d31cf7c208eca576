#include "config.h"

#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PASSED_FD 3 /* sd_listen_fds(3) */

static void send_to(const char *path, const char *text, size_t len);
static unsigned passed_count(void);

void service_notify(const char *format, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	va_list arguments;
	char text[512];
	int len;

	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return;
	va_start(arguments, format);
	len = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (len > 0 && (size_t)len < sizeof(text))
		send_to(path, text, (size_t)len);
}

static void send_to(const char *path, const char *text, size_t len)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t path_len = strlen(path);
	int fd;

	if (path_len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, path_len);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* abstract */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(
	    fd, text, len, MSG_NOSIGNAL, (struct sockaddr *)&address,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len));
	(void)close(fd);
}

void service_notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	service_notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
	               (uint64_t)now.tv_sec * 1000000 +
	                   (uint64_t)now.tv_nsec / 1000);
}

static bool is_for_us(const char *variable)
{
	const char *pid = getenv(variable);

	return pid != NULL && strtol(pid, NULL, 10) == (long)getpid();
}

uint64_t service_watchdog_us(void)
{
	const char *us = getenv("WATCHDOG_USEC");

	if (us == NULL ||
	    (getenv("WATCHDOG_PID") != NULL && !is_for_us("WATCHDOG_PID")))
		return 0;
	return strtoull(us, NULL, 10);
}

static unsigned passed_count(void)
{
	const char *count = getenv("LISTEN_FDS");

	if (count == NULL || !is_for_us("LISTEN_PID"))
		return 0;
	return (unsigned)strtoul(count, NULL, 10);
}

int service_take_socket(const char *name)
{
	const char *names = getenv("LISTEN_FDNAMES");
	size_t len = strlen(name);
	unsigned count = passed_count();
	unsigned i;
	int fd;

	for (i = 0; i < count && names != NULL; i++) {
		if (strncmp(names, name, len) == 0 &&
		    (names[len] == ':' || names[len] == '\0')) {
			fd = FIRST_PASSED_FD + (int)i;
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
			return fd;
		}
		names = strchr(names, ':');
		if (names != NULL)
			names++;
	}
	return -1;
}

void service_forget_sockets(void)
{
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
}
