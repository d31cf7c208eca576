#include "config.h"

#include "http.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "buffer.h"
#include "clock.h"

#define HEAD_MAX  (64 * 1024)
#define BODY_MAX  (1024 * 1024 * 1024)
#define READ_SIZE 65536

enum framing {
	UNTIL_CLOSE,
	BY_LENGTH,
	CHUNKED,
};

struct http {
	int fd;
	int status;
	enum framing framing;
	uint64_t left; /* of the body, or of the chunk */
	bool is_at_end;
	bool is_inside;    /* a chunk has been read: its line end comes first */
	int patience_ms;   /* -1: that of the socket */
	int64_t end_ms;    /* of boot time; 0: none */
	struct buffer raw; /* as received */
	struct buffer body; /* decoded and not yet given out */
	size_t line_len;    /* given out, to be dropped at the next call */
};

static int connect_to(const char *path, const struct timeval *silence);
static struct timeval silence_of(const struct http_question *question);
static int send_request(int fd, const struct http_question *question);
static int send_all(int fd, const char *data, size_t len);
static int read_head(struct http *http);
static int parse_head(struct http *http, char *head);
static void parse_field(struct http *http, const char *line);
static int receive(struct http *http);
static int await(const struct http *http);
static int decode_more(struct http *http);
static int decode_plain(struct http *http);
static int decode_chunk_head(struct http *http);
static int raw_line(struct http *http, char **ret_line);

int http_open(struct http **ret_http, const char *socket_path,
              const char *method, const char *target, const char *type,
              const char *body)
{
	const struct http_question question = {
		.method = method,
		.target = target,
		.type = type,
		.body = body,
		.len = body ? strlen(body) : 0,
	};

	return http_ask(ret_http, socket_path, &question);
}

int http_ask(struct http **ret_http, const char *socket_path,
             const struct http_question *question)
{
	struct http *http = calloc(1, sizeof(*http));
	struct timeval silence = silence_of(question);
	int r;

	if (!http)
		return -ENOMEM;
	http->patience_ms = -1;
	buffer_init(&http->raw, 0);
	buffer_init(&http->body, BODY_MAX);
	if (question->timeout_ms > 0)
		http->end_ms = clock_boottime_ms() + question->timeout_ms;
	r = http->fd = connect_to(socket_path, &silence);
	if (r < 0)
		goto out;
	r = send_request(http->fd, question);
	/* Who is refused hears so, even if the request did not get through. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		goto out;
	r = read_head(http);
	if (r < 0)
		goto out;

	*ret_http = http;
	http = NULL;
out:
	http_close(http);
	return r;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	if (http->fd >= 0)
		(void)close(http->fd);
	buffer_done(&http->raw);
	buffer_done(&http->body);
	free(http);
}

int http_status(const struct http *http)
{
	return http->status;
}

/* The line end behind a chunk is nothing yet. */
bool http_is_ready(const struct http *http)
{
	return http->raw.len > 2 || http->body.len > http->line_len;
}

int http_fd(const struct http *http)
{
	return http->fd;
}

/* ----------------------------------------------------------------- asking */

static struct timeval silence_of(const struct http_question *question)
{
	struct timeval silence = { 0 };
	unsigned timeout_ms = question->timeout_ms;

	silence.tv_sec =
	    question->silence_s ? question->silence_s : HTTP_SILENCE_S;
	if (timeout_ms > 0 && timeout_ms / 1000 < silence.tv_sec) {
		silence.tv_sec = timeout_ms / 1000;
		silence.tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000;
	}
	return silence;
}

static int connect_to(const char *path, const struct timeval *silence)
{
	struct sockaddr_un address;
	int fd;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, silence,
	                 sizeof(*silence));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, silence,
	                 sizeof(*silence));
	do
		r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	while (r < 0 && errno == EINTR);
	if (r < 0) {
		r = errno == EAGAIN ? -ETIMEDOUT : -errno;
		(void)close(fd);
		return r;
	}
	return fd;
}

static int send_request(int fd, const struct http_question *question)
{
	const char *type = question->type;
	struct buffer request;
	int r;

	buffer_init(&request, 0);
	r = buffer_appendf(
	    &request, "%s %s HTTP/1.1\r\nHost: relais\r\nConnection: close\r\n",
	    question->method, question->target);
	if (r == 0 && question->body)
		r = buffer_appendf(
		    &request, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n",
		    type ? type : "application/json", question->len);
	else if (r == 0)
		r = buffer_append_string(&request,
		                         strcmp(question->method, "GET") == 0
		                             ? "\r\n"
		                             : "Content-Length: 0\r\n\r\n");
	if (r == 0 && question->body)
		r = buffer_append(&request, question->body, question->len);
	if (r == 0)
		r = send_all(fd, request.data, request.len);
	/* A password may be among it. */
	if (request.data)
		explicit_bzero(request.data, request.len);
	buffer_done(&request);
	return r;
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		data += sent;
		len -= (size_t)sent;
	}
	return 0;
}

/* ------------------------------------------------------------- the answer */

static int read_head(struct http *http)
{
	for (;;) {
		char *end =
		    http->raw.len == 0
			? NULL
			: memmem(http->raw.data, http->raw.len, "\r\n\r\n", 4);
		int r;

		if (end) {
			size_t len = (size_t)(end - http->raw.data) + 4;

			end[2] = '\0';
			r = parse_head(http, http->raw.data);
			buffer_consume(&http->raw, len);
			return r;
		}
		if (http->raw.len > HEAD_MAX)
			return -EPROTO;
		r = receive(http);
		if (r < 0)
			return r == -ENODATA ? -EPROTO : r;
	}
}

static int parse_head(struct http *http, char *head)
{
	char *line = strsep(&head, "\r");

	if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12 ||
	    line[8] != ' ')
		return -EPROTO;
	http->status = atoi(line + 9);
	if (http->status < 200 || http->status > 599)
		return -EPROTO;
	while (head && (line = strsep(&head, "\r")))
		parse_field(http, line + (*line == '\n'));
	return 0;
}

static void parse_field(struct http *http, const char *line)
{
	const char *value = strchr(line, ':');
	size_t len;

	if (!value)
		return;
	len = (size_t)(value - line);
	value += 1 + strspn(value + 1, " \t");
	if (len == 14 && strncasecmp(line, "Content-Length", len) == 0) {
		http->framing = BY_LENGTH;
		http->left = strtoull(value, NULL, 10);
	} else if (len == 17 &&
	           strncasecmp(line, "Transfer-Encoding", len) == 0 &&
	           strcasecmp(value, "chunked") == 0) {
		http->framing = CHUNKED;
		http->left = 0;
	}
}

/* -ENODATA: the daemon has closed. */
static int receive(struct http *http)
{
	ssize_t got;
	int r = buffer_reserve(&http->raw, READ_SIZE);

	if (r < 0)
		return r;
	r = await(http);
	if (r < 0)
		return r;
	do
		got = recv(http->fd, http->raw.data + http->raw.len, READ_SIZE,
		           0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (got == 0)
		return -ENODATA;
	buffer_grow(&http->raw, (size_t)got);
	return 0;
}

/* 0: there is something, or the socket's own time-out is to be the limit. */
static int await(const struct http *http)
{
	struct pollfd readable = { .fd = http->fd, .events = POLLIN };
	int r;

	if (http->patience_ms < 0 && http->end_ms == 0)
		return 0;
	do {
		int64_t left_ms = http->patience_ms;

		if (http->end_ms > 0) {
			left_ms = http->end_ms - clock_boottime_ms();
			if (left_ms <= 0)
				return -ETIMEDOUT;
			if (left_ms > HTTP_SILENCE_S * 1000)
				left_ms = HTTP_SILENCE_S * 1000;
		}
		r = poll(&readable, 1, (int)left_ms);
	} while (r < 0 && errno == EINTR);
	return r == 0 ? -ETIMEDOUT : 0;
}

int http_read_all(struct http *http, char **ret_body, size_t *ret_len)
{
	int r;

	do
		r = decode_more(http);
	while (r == 0);
	if (r != -ENODATA)
		return r;
	return buffer_take(&http->body, ret_body, ret_len);
}

int http_read_some(struct http *http, const char **ret_data, size_t *ret_len)
{
	int r = 0;

	buffer_clear(&http->body);
	while (r == 0 && http->body.len == 0)
		r = decode_more(http);
	*ret_data = http->body.data;
	*ret_len = http->body.len;
	return r;
}

int http_read_line(struct http *http, const char **ret_line)
{
	buffer_consume(&http->body, http->line_len);
	http->line_len = 0;
	for (;;) {
		char *end = http->body.len == 0
		                ? NULL
		                : memchr(http->body.data, '\n', http->body.len);
		int r;

		if (end) {
			*end = '\0';
			*ret_line = http->body.data;
			http->line_len = (size_t)(end - http->body.data) + 1;
			return 0;
		}
		r = decode_more(http);
		if (r < 0)
			return r;
	}
}

void http_set_patience(struct http *http, int timeout_ms)
{
	http->patience_ms = timeout_ms;
}

/* Some more of the body; -ENODATA at its proper end, -EPROTO if cut. */
static int decode_more(struct http *http)
{
	int r;

	if (http->is_at_end)
		return -ENODATA;
	if (http->framing == CHUNKED && http->left == 0) {
		r = decode_chunk_head(http);
		if (r < 0 || http->left == 0)
			return r;
	}
	if (http->framing == BY_LENGTH && http->left == 0) {
		http->is_at_end = true;
		return -ENODATA;
	}
	if (http->raw.len == 0) {
		r = receive(http);
		if (r == -ENODATA && http->framing == UNTIL_CLOSE) {
			http->is_at_end = true;
			return r;
		}
		if (r < 0)
			return r == -ENODATA ? -EPROTO : r;
	}
	return decode_plain(http);
}

static int decode_plain(struct http *http)
{
	size_t len = http->raw.len;
	int r;

	if (http->framing != UNTIL_CLOSE && len > http->left)
		len = (size_t)http->left;
	r = buffer_append(&http->body, http->raw.data, len);
	if (r < 0)
		return r;
	buffer_consume(&http->raw, len);
	if (http->framing != UNTIL_CLOSE)
		http->left -= len;
	return 0;
}

/* RFC 9112 7.1. The chunk of length 0 is the end; trailers are not read. */
static int decode_chunk_head(struct http *http)
{
	char *line;
	char *end;
	int r;

	if (http->is_inside) {
		r = raw_line(http, &line);
		if (r < 0)
			return r;
		http->is_inside = false;
	}
	r = raw_line(http, &line);
	if (r < 0)
		return r;
	http->left = strtoull(line, &end, 16);
	if (end == line)
		return -EPROTO;
	if (http->left == 0) {
		http->is_at_end = true;
		return -ENODATA;
	}
	http->is_inside = true;
	return 0;
}

/* A line of the framing, consumed; valid until more is received. */
static int raw_line(struct http *http, char **ret_line)
{
	for (;;) {
		char *end = http->raw.len == 0
		                ? NULL
		                : memchr(http->raw.data, '\n', http->raw.len);
		int r;

		if (end) {
			*end = '\0';
			*ret_line = http->raw.data;
			buffer_consume(&http->raw,
			               (size_t)(end - http->raw.data) + 1);
			return 0;
		}
		r = receive(http);
		if (r < 0)
			return r == -ENODATA ? -EPROTO : r;
	}
}
