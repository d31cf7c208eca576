#include "config.h"

#include "ask.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "command.h"
#include "http.h"
#include "json.h"

static int read_answer(const struct invocation *invocation, struct http *http,
                       struct json **ret_answer);
static int refused(int status, const struct json *answer);

int ask(const struct invocation *invocation, const char *method,
        const char *target, const struct json *body, struct json **ret_answer)
{
	struct ask_text text = { .type = NULL };
	char *printed = NULL;
	int r;

	if (body) {
		printed = json_print(body);
		if (!printed)
			return ask_complain(invocation, -ENOMEM);
	}
	text.text = printed;
	r = ask_with(invocation, method, target, &text, ret_answer);
	if (printed)
		explicit_bzero(printed, strlen(printed));
	free(printed);
	return r;
}

static int open_http(struct http **ret_http,
                     const struct invocation *invocation, const char *method,
                     const char *target, const struct ask_text *body)
{
	struct http_question question = { .method = method, .target = target };

	if (body) {
		question.type = body->type;
		question.body = body->text;
		question.len = body->len;
		question.silence_s = body->silence_s;
		if (body->text && body->len == 0)
			question.len = strlen(body->text);
	}
	return http_ask(ret_http, invocation->socket, &question);
}

int ask_with(const struct invocation *invocation, const char *method,
             const char *target, const struct ask_text *body,
             struct json **ret_answer)
{
	struct http *http;
	int status;
	int r;

	r = open_http(&http, invocation, method, target, body);
	if (r < 0)
		return ask_complain(invocation, r);
	status = http_status(http);
	r = read_answer(invocation, http, ret_answer);
	http_close(http);
	if (r != EXIT_FINE || status < 400)
		return r;
	r = refused(status, *ret_answer);
	json_free(*ret_answer);
	*ret_answer = NULL;
	return r;
}

int ask_stream(const struct invocation *invocation, const char *method,
               const char *target, const struct ask_text *body,
               struct http **ret_http)
{
	struct json *answer = NULL;
	struct http *http;
	int r;

	r = open_http(&http, invocation, method, target, body);
	if (r < 0)
		return ask_complain(invocation, r);
	if (http_status(http) < 400) {
		*ret_http = http;
		return EXIT_FINE;
	}
	r = read_answer(invocation, http, &answer);
	if (r == EXIT_FINE)
		r = refused(http_status(http), answer);
	json_free(answer);
	http_close(http);
	return r;
}

static int read_answer(const struct invocation *invocation, struct http *http,
                       struct json **ret_answer)
{
	char *body;
	size_t len;
	int r;

	r = http_read_all(http, &body, &len);
	if (r < 0)
		return ask_complain(invocation, r);
	*ret_answer = json_parse(body, len);
	free(body);
	if (!*ret_answer)
		return ask_complain(invocation, -EPROTO);
	return EXIT_FINE;
}

int ask_complain(const struct invocation *invocation, int error)
{
	switch (-error) {
	case ENOENT:
	case ECONNREFUSED:
		command_complain("relaisd does not listen at %s",
		                 invocation->socket);
		fputs("  Does it run? systemctl status relaisd\n"
		      "  Elsewhere? --socket PATH, or RELAIS_CONTROL_SOCKET\n",
		      stderr);
		return EXIT_NO_SERVICE;
	case EACCES:
	case EPERM:
		command_complain("no permission to reach %s",
		                 invocation->socket);
		return EXIT_NO_PERMISSION;
	case EPROTO:
		command_complain("what answers at %s is not relaisd",
		                 invocation->socket);
		return EXIT_NO_SERVICE;
	case ETIMEDOUT:
		command_complain("relaisd says nothing for %d s",
		                 HTTP_SILENCE_S);
		return EXIT_NO_SERVICE;
	default:
		command_complain("cannot talk to relaisd at %s: %s",
		                 invocation->socket, strerror(-error));
		return EXIT_NO_SERVICE;
	}
}

static int refused(int status, const struct json *answer)
{
	const struct json *error = json_member(answer, "error");
	const struct json *details = json_member(error, "details");
	const char *message = json_text(error, "message");
	const char *next = json_text(error, "next");
	struct output output = { .file = stderr };
	size_t i;

	if (message)
		command_complain("%s", message);
	else
		command_complain("relaisd answers with %d", status);
	for (i = 0; i < json_count(details); i++) {
		fputs("  ", stderr);
		output_text(&output, STYLE_PLAIN, json_item_text(details, i));
		fputc('\n', stderr);
	}
	if (next) {
		fputs("  ", stderr);
		output_text(&output, STYLE_PLAIN, next);
		fputc('\n', stderr);
	}
	switch (status) {
	case 400:
		return EXIT_BAD_USAGE;
	case 403:
		return EXIT_NO_PERMISSION;
	case 404:
	case 409:
	case 410:
	case 413:
	case 422:
		return EXIT_NOT_SO;
	default:
		return EXIT_NO_SERVICE;
	}
}

int ask_add_query(struct buffer *target, const char *name, const char *value)
{
	int r;

	if (!value)
		return 0;
	r = buffer_appendf(
	    target, "%c%s=",
	    target->len > 0 && memchr(target->data, '?', target->len) ? '&'
								      : '?',
	    name);
	for (; r == 0 && *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (isalnum(c) || strchr("-._~@:,", c))
			r = buffer_append(target, value, 1);
		else
			r = buffer_appendf(target, "%%%02X", c);
	}
	return r;
}

int ask_parse_duration(const char *text, int64_t *ret_seconds)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	unsigned long number;
	char *end;
	size_t i;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || number == 0 || number > 1000000)
		return -EINVAL;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (end[0] == units[i].letter && end[1] == '\0') {
			*ret_seconds = (int64_t)number * units[i].seconds;
			return 0;
		}
	return -EINVAL;
}

int ask_parse_time(const char *text, int sign, char out[32])
{
	int64_t seconds;
	int64_t at_ms;

	if (ask_parse_duration(text, &seconds) == 0)
		at_ms = clock_wall_ms() + sign * seconds * 1000;
	else if (clock_parse_rfc3339(text, &at_ms) < 0)
		return -EINVAL;
	clock_format_rfc3339(at_ms, out);
	return 0;
}
