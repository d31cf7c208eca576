#include "config.h"

#include "loopback.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define REQUEST_MAX 16384
#define PATIENCE_S  5

int loopback_open(uint16_t *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 8) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	*ret_port = ntohs(address.sin_port);
	return fd;
}

/* The head of the request, up to its empty line. */
static bool read_request(int fd, char *request, size_t size)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = recv(fd, request + len, size - 1 - len, 0);
		if (n <= 0)
			return false;
		len += (size_t)n;
		request[len] = '\0';
	} while (!strstr(request, "\r\n\r\n") && len < size - 1);
	return true;
}

static void answer(int fd, const char *status, const char *text)
{
	char *page;
	int len;

	len = asprintf(&page,
	               "HTTP/1.1 %s\r\n"
	               "Content-Type: text/plain; charset=utf-8\r\n"
	               "Cache-Control: no-store\r\n"
	               "Connection: close\r\n"
	               "Content-Length: %zu\r\n\r\n%s",
	               status, strlen(text), text);
	if (len < 0)
		return;
	(void)send(fd, page, (size_t)len, MSG_NOSIGNAL);
	free(page);
}

/* `GET /?code=… HTTP/1.1`; a browser also asks for an icon. */
static char *take_url(const char *request, uint16_t port)
{
	const char *target = request + strlen("GET ");
	size_t len;
	char *url;

	if (strncmp(request, "GET /", strlen("GET /")) != 0)
		return NULL;
	len = strcspn(target, " \r\n");
	if (!memmem(target, len, "state=", 6) ||
	    asprintf(&url, "http://127.0.0.1:%u%.*s", port, (int)len, target) <
	        0)
		return NULL;
	return url;
}

char *loopback_accept(int fd, uint16_t port)
{
	const struct timeval patience = { PATIENCE_S, 0 };
	char request[REQUEST_MAX];
	char *url = NULL;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	if (peer < 0)
		return NULL;
	(void)setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience,
	                 sizeof(patience));
	(void)setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience,
	                 sizeof(patience));
	if (read_request(peer, request, sizeof(request)))
		url = take_url(request, port);
	if (url)
		answer(peer, "200 OK",
		       "relaisctl has got the answer and says how it goes on. "
		       "You can close this page.\n");
	else
		answer(peer, "404 Not Found", "Nothing is here.\n");
	explicit_bzero(request, sizeof(request));
	(void)close(peer);
	return url;
}
