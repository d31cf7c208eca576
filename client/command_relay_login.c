/*
 * command_relay_login - relaisctl relay login
 *
 * relaisd talks to the service; what a person does goes through here. A browser
 * on this host comes back to a port of ours, and from another host the URL that
 * it ended at is pasted.
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "http.h"
#include "json.h"
#include "loopback.h"
#include "question.h"

struct login {
	struct invocation *invocation;
	const char *relay;
	struct http *http;
	int listener; /* -1: none */
	uint16_t port;
	bool has_stdin;  /* it may still say something */
	bool is_waiting; /* for what the browser is sent to */
	bool is_over;
	int status;
};

static int begin(struct login *login);
static int read_line(struct login *login);
static void show(struct login *login, const struct json *step);
static void show_page(const struct login *login, const struct json *step);
static void show_more(const struct output *output, enum output_style style,
                      const char *mark, const char *text);
static void show_result(struct login *login, const struct json *result);
static int wait_for_url(struct login *login);
static int hand_over(struct login *login, char *url_take);

int command_relay_login(struct invocation *invocation)
{
	struct login login = {
		.invocation = invocation,
		.relay = invocation->operands[0],
		.listener = -1,
		.has_stdin = true,
	};
	int r = 0;

	/* What is read ahead could not be polled for. */
	(void)setvbuf(stdin, NULL, _IONBF, 0);
	/* Without one the URL can still be pasted. */
	login.listener = loopback_open(&login.port);
	login.status = begin(&login);
	if (login.status != EXIT_FINE)
		goto out;
	while (r == 0 && !login.is_over) {
		if (login.is_waiting)
			r = wait_for_url(&login);
		else
			r = read_line(&login);
	}
	if (!login.is_over)
		login.status =
		    ask_complain(invocation, r == -ENODATA ? -EPROTO : r);
	http_close(login.http);
out:
	if (login.listener >= 0)
		(void)close(login.listener);
	return login.status;
}

static int begin(struct login *login)
{
	struct ask_text body = { .text = NULL };
	struct buffer target;
	char *path = NULL, order[48];
	int r;

	snprintf(order, sizeof(order), "{\"redirect_port\": %u}", login->port);
	if (login->listener >= 0)
		body.text = order;
	buffer_init(&target, 0);
	r = command_add_segment(&target, "/v1/relays/", login->relay, "/login");
	if (r == 0)
		r = buffer_take(&target, &path, NULL);
	buffer_done(&target);
	r = r < 0 ? ask_complain(login->invocation, r)
	          : ask_stream(login->invocation, "POST", path, &body,
	                       &login->http);
	free(path);
	return r;
}

/* ------------------------------------------------------------------- steps */

/* 0, or what is wrong with the connection. */
static int read_line(struct login *login)
{
	const struct invocation *invocation = login->invocation;
	struct json *json;
	const char *line;
	int r;

	r = http_read_line(login->http, &line);
	if (r < 0 || !*line)
		return r;
	if (invocation->is_json)
		fprintf(invocation->output.file, "%s\n", line);
	json = json_parse(line, strlen(line));
	if (json_text(json, "result"))
		show_result(login, json);
	else
		show(login, json);
	fflush(invocation->output.file);
	json_free(json);
	return 0;
}

static void show(struct login *login, const struct json *step)
{
	const struct output *output = &login->invocation->output;
	const char *name = json_text(step, "step");
	bool is_ok = json_flag(step, "ok");

	if (name && strcmp(name, "authorize") == 0)
		login->is_waiting = true;
	/* What was pasted was something else: it may come yet. */
	if (name && strcmp(name, "answer") == 0 && !json_text(step, "cause"))
		login->is_waiting = true;
	if (login->invocation->is_json)
		return;
	if (json_text(step, "url")) {
		show_page(login, step);
		return;
	}
	output_text(output, is_ok ? STYLE_GOOD : STYLE_BAD,
	            is_ok ? "ok  " : "FAIL");
	fputs("  ", output->file);
	output_text(output, STYLE_PLAIN, json_text(step, "detail"));
	fputc('\n', output->file);
	show_more(output, STYLE_WARNING, "", json_text(step, "cause"));
	show_more(output, STYLE_PLAIN, "-> ", json_text(step, "next"));
}

/* The URL is alone on its line, to be copied or clicked. */
static void show_page(const struct login *login, const struct json *step)
{
	const struct output *output = &login->invocation->output;
	const char *code = json_text(step, "code");
	int64_t minutes = (json_number(step, "expires_in") + 59) / 60;

	fputs("Open this page, in a browser on any machine:\n\n  ",
	      output->file);
	output_text(output, STYLE_BOLD, json_text(step, "url"));
	fputs("\n\n", output->file);
	if (code) {
		fputs("and enter the code  ", output->file);
		output_text(output, STYLE_BOLD, code);
		fprintf(output->file,
		        "\n\nThere are %" PRId64
		        " minutes for that; this waits.\n",
		        minutes);
		return;
	}
	if (login->listener >= 0)
		fputs("If the browser is on this host that is all. Else it "
		      "ends at a page that cannot be\nshown, whose address "
		      "begins with http://127.0.0.1 or http://localhost: paste "
		      "that\naddress here.\n",
		      output->file);
	else
		fputs("It ends at a page that cannot be shown; paste its "
		      "address here.\n",
		      output->file);
}

static void show_more(const struct output *output, enum output_style style,
                      const char *mark, const char *text)
{
	if (!text)
		return;
	fprintf(output->file, "      %s", mark);
	output_text(output, style, text);
	fputc('\n', output->file);
}

static void show_result(struct login *login, const struct json *result)
{
	const struct output *output = &login->invocation->output;
	bool is_good = strcmp(json_text(result, "result"), "logged-in") == 0;

	login->is_over = true;
	login->status = is_good ? EXIT_FINE : EXIT_NOT_SO;
	if (login->invocation->is_json)
		return;
	if (is_good) {
		output_format(output, STYLE_GOOD, "Relay %s is logged in.",
		              login->relay);
		fprintf(output->file,
		        "\n-> relaisctl relay test %s --to ADDRESS\n",
		        login->relay);
	} else {
		output_format(output, STYLE_BAD, "Relay %s is not logged in.",
		              login->relay);
		fputc('\n', output->file);
	}
}

/* ----------------------------------------------------------- the browser */

/* A pasted line, malloc'ed; or NULL, at the end for good. */
static char *read_pasted(struct login *login)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len = getline(&line, &size, stdin);

	if (len <= 0) {
		login->has_stdin = false;
		free(line);
		return NULL;
	}
	while (len > 0 && strchr(" \t\r\n", line[len - 1]))
		line[--len] = '\0';
	if (len > 0)
		return line;
	free(line);
	return NULL;
}

/* Until one of the three has something: the stream is read in its turn. */
static int wait_for_url(struct login *login)
{
	struct pollfd fds[] = {
		{ .fd = http_fd(login->http), .events = POLLIN },
		{ .fd = login->listener, .events = POLLIN },
		{ .fd = login->has_stdin ? STDIN_FILENO : -1,
		  .events = POLLIN },
	};
	char *url = NULL;

	if (http_is_ready(login->http))
		return read_line(login);
	if (poll(fds, 3, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[1].revents)
		url = loopback_accept(login->listener, login->port);
	else if (fds[2].revents)
		url = read_pasted(login);
	else
		return read_line(login);
	return url ? hand_over(login, url) : 0;
}

static int hand_over(struct login *login, char *url_take)
{
	struct json *order = json_make(), *answer = NULL;
	struct buffer target;
	char *path = NULL;
	int r;

	login->is_waiting = false;
	buffer_init(&target, 0);
	r = command_add_segment(&target, "/v1/relays/", login->relay,
	                        "/login/url");
	if (r == 0)
		r = buffer_take(&target, &path, NULL);
	buffer_done(&target);
	if (!order)
		r = -ENOMEM;
	if (r == 0) {
		json_put_text(order, "url", url_take);
		/* Whatever comes of it, the stream says. */
		(void)ask(login->invocation, "POST", path, order, &answer);
	}
	json_free(answer);
	json_free(order);
	question_wipe(url_take);
	free(path);
	return r;
}
