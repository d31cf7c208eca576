/*
 * http - one HTTP/1.1 request over a Unix socket, blocking
 *
 * As much of the protocol as the control API speaks: a status, a body with a
 * length, in chunks, or up to the end of the connection.
 */
#ifndef RELAIS_HTTP_H
#define RELAIS_HTTP_H

#include <stdbool.h>
#include <stddef.h>

/* The daemon says something at least this often, if only a heartbeat. */
#define HTTP_SILENCE_S 60

struct http;

/*
 * Connects and sends; body NULL: none, type: the body's, NULL stands for JSON.
 * 0 or -errno (-ENOENT, -ECONNREFUSED:
 * nobody listens; -EPROTO: no HTTP; -ETIMEDOUT).
 */
int http_open(struct http **ret_http, const char *socket_path,
              const char *method, const char *target, const char *type,
              const char *body);

/* The same for a body of any octets, and an answer that may take longer. */
struct http_question {
	const char *method;
	const char *target;
	const char *type; /* NULL: JSON */
	const char *body; /* NULL: none */
	size_t len;
	unsigned silence_s;  /* 0: HTTP_SILENCE_S */
	unsigned timeout_ms; /* of all of it, to the body's end; 0: none */
};
int http_ask(struct http **ret_http, const char *socket_path,
             const struct http_question *question);
void http_close(struct http *http);

int http_status(const struct http *http);

/* Has something come that was not given out? Else the descriptor can be polled
 * for it; borrowed. */
bool http_is_ready(const struct http *http);
int http_fd(const struct http *http);

/* All of the body with a NUL behind it, malloc'ed. 0 or -errno. */
int http_read_all(struct http *http, char **ret_body, size_t *ret_len);

/*
 * The next octets of the body, borrowed until the next call; not to be mixed
 * with lines. 0, -ENODATA at the end, -EPROTO if it is cut, -errno.
 */
int http_read_some(struct http *http, const char **ret_data, size_t *ret_len);

/*
 * The next line of the body without its line end, borrowed until the next
 * call. 0, -ENODATA at the end, -errno.
 */
int http_read_line(struct http *http, const char **ret_line);

/*
 * From now on -ETIMEDOUT comes after so many milliseconds of silence, and
 * reading may go on afterwards; -1: after HTTP_SILENCE_S, as at first.
 */
void http_set_patience(struct http *http, int timeout_ms);

#endif
