#include "config.h"

#include "sendmail_message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static ssize_t fill(struct sendmail_message *message);
static void hold_back(struct sendmail_message *message, size_t *len);
static bool find_dot(const struct sendmail_message *message, size_t len,
                     size_t *ret_start);
static bool is_sendable(const char *data, size_t len);

void sendmail_message_init(struct sendmail_message *message, int fd,
                           bool ends_at_dot)
{
	message->fd = fd;
	message->ends_at_dot = ends_at_dot;
	message->is_at_end = false;
	message->is_at_line = true;
	message->held_len = 0;
}

int sendmail_message_next(struct sendmail_message *message,
                          const char **ret_data, size_t *ret_len)
{
	size_t len = 0, start;

	*ret_data = message->buffer;
	while (len == 0 && !message->is_at_end) {
		ssize_t got = fill(message);

		if (got < 0)
			return -errno;
		message->is_at_end = got == 0;
		len = message->held_len + (size_t)got;
		message->held_len = 0;
		if (!message->is_at_end)
			hold_back(message, &len);
	}
	if (message->ends_at_dot && find_dot(message, len, &start)) {
		len = start;
		sendmail_message_drain(message);
	}
	if (!is_sendable(message->buffer, len))
		return -EILSEQ;
	if (len > 0)
		message->is_at_line = message->buffer[len - 1] == '\n';
	*ret_len = len;
	return 0;
}

/* Reads behind what was held back. */
static ssize_t fill(struct sendmail_message *message)
{
	ssize_t got;

	memcpy(message->buffer, message->held, message->held_len);
	do
		got = read(message->fd, message->buffer + message->held_len,
		           sizeof(message->buffer) - message->held_len);
	while (got < 0 && errno == EINTR);
	return got;
}

static bool is_line_start(const struct sendmail_message *message, size_t at)
{
	return at == 0 ? message->is_at_line : message->buffer[at - 1] == '\n';
}

/* What can be judged only by what follows is left for the next piece. */
static void hold_back(struct sendmail_message *message, size_t *len)
{
	size_t end = *len;

	if (end > 0 && message->buffer[end - 1] == '\r')
		end--;
	if (message->ends_at_dot && end > 0 &&
	    message->buffer[end - 1] == '.' && is_line_start(message, end - 1))
		end--;
	message->held_len = *len - end;
	memcpy(message->held, message->buffer + end, message->held_len);
	*len = end;
}

/* A line that is a dot. No line end is needed at the end of the input. */
static bool find_dot(const struct sendmail_message *message, size_t len,
                     size_t *ret_start)
{
	const char *data = message->buffer;
	size_t at = 0;

	while (at < len) {
		const char *lf = memchr(data + at, '\n', len - at);
		size_t line_len = (lf ? (size_t)(lf - data) : len) - at;

		bool is_dot =
		    data[at] == '.' &&
		    (line_len == 1 || (line_len == 2 && data[at + 1] == '\r'));

		if (is_dot && is_line_start(message, at) &&
		    (lf || message->is_at_end)) {
			*ret_start = at;
			return true;
		}
		at += line_len + 1;
	}
	return false;
}

static bool is_sendable(const char *data, size_t len)
{
	const char *end = data + len;

	if (memchr(data, '\0', len))
		return false;
	for (const char *at = data; at < end; at++) {
		at = memchr(at, '\r', (size_t)(end - at));
		if (!at)
			return true;
		if (at + 1 == end || at[1] != '\n')
			return false;
	}
	return true;
}

void sendmail_message_drain(struct sendmail_message *message)
{
	char rest[4096];
	ssize_t got;

	message->is_at_end = true;
	message->held_len = 0;
	/* A person at a terminal has seen the end, or the error. */
	if (isatty(message->fd))
		return;
	do
		got = read(message->fd, rest, sizeof(rest));
	while (got > 0 || (got < 0 && errno == EINTR));
}
