/*
 * ask - what the commands share: a question to relaisd, and what a refusal
 * means to whoever asked
 */
#ifndef RELAIS_ASK_H
#define RELAIS_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

struct http;
struct invocation;
struct json;

/*
 * Asks and takes the answer apart. body: an order, borrowed; or NULL. An exit
 * code; but for EXIT_FINE it has been said on stderr why, and what to do.
 */
int ask(const struct invocation *invocation, const char *method,
        const char *target, const struct json *body, struct json **ret_answer);

/* What is sent along as it is; both NULL: nothing. */
struct ask_text {
	const char *type; /* NULL: JSON */
	const char *text;
	size_t len;         /* 0: up to its NUL */
	unsigned silence_s; /* until the answer comes; 0: the usual time */
};
int ask_with(const struct invocation *invocation, const char *method,
             const char *target, const struct ask_text *body,
             struct json **ret_answer);

/* The same for an answer that is read line by line. body: NULL: nothing. */
int ask_stream(const struct invocation *invocation, const char *method,
               const char *target, const struct ask_text *body,
               struct http **ret_http);

/* Says what went wrong with the connection; an exit code. */
int ask_complain(const struct invocation *invocation, int error);

/* Adds `?name=value` or `&name=value`, encoded; value NULL: nothing. */
int ask_add_query(struct buffer *target, const char *name, const char *value);

/* "2h" or "45s" to seconds; -EINVAL. */
int ask_parse_duration(const char *text, int64_t *ret_seconds);

/*
 * A time as options give it, as RFC 3339: itself, or a duration from now,
 * `sign` 1 ahead or -1 back. -EINVAL; `out` has 32 octets.
 */
int ask_parse_time(const char *text, int sign, char out[32]);

#endif
