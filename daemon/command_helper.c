/*
 * command_helper - runs the administrator's commands apart from us
 */
#include "config.h"

#include "command_helper.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "command_runner.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"

struct command_helper {
	int fd; /* -1: the process is gone */
	pid_t pid;
	struct mailbox *inbox;
	struct event *readable;
	uint32_t last_id;
	struct command *running[COMMANDS_AT_A_TIME];
	struct letter *waiting, **waiting_tail; /* commands */
};

/* A letter that finds its way to the helper. */
struct request {
	struct letter letter;
	struct command_helper *helper;
	struct command *command;
};

static void on_request(struct letter *letter);
static void send_waiting(struct command_helper *helper);
static int send_request(struct command_helper *helper,
                        const struct command *command);
static void on_readable(evutil_socket_t fd, short what, void *argument);
static void on_result(struct command_helper *helper,
                      const struct command_result *result);
static void explain(struct command *command,
                    const struct command_result *result);
static void fail_all(struct command_helper *helper);
static void fail(struct command *command, const char *problem);

struct command *command_new(char *const *words)
{
	struct command *command = xcalloc(1, sizeof(*command));
	size_t count = 0, i;

	while (words[count])
		count++;
	assert(count > 0);
	command->words = xcalloc(count + 1, sizeof(*command->words));
	for (i = 0; i < count; i++)
		command->words[i] = xstrdup(words[i]);
	command->time_limit_ms = COMMAND_TIME_LIMIT_MS;
	return command;
}

void command_free(struct command *command)
{
	size_t i;

	if (!command)
		return;
	for (i = 0; command->words[i]; i++)
		free(command->words[i]);
	free(command->words);
	free(command->input);
	if (command->output)
		explicit_bzero(command->output, strlen(command->output));
	free(command->output);
	free(command);
}

int command_helper_new(struct command_helper **ret_helper)
{
	struct command_helper *helper;
	int fds[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		command_runner_main(fds[1]);
	r = -errno;
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		return r;
	}
	helper = xcalloc(1, sizeof(*helper));
	helper->fd = fds[0];
	helper->pid = pid;
	helper->waiting_tail = &helper->waiting;
	*ret_helper = helper;
	return 0;
}

int command_helper_attach(struct command_helper *helper, struct loop *loop)
{
	int r;

	r = mailbox_new(&helper->inbox, loop);
	if (r < 0)
		return r;
	helper->readable = event_new(loop_base(loop), helper->fd,
	                             EV_READ | EV_PERSIST, on_readable, helper);
	if (!helper->readable || event_add(helper->readable, NULL) < 0)
		return -ENOMEM;
	return 0;
}

void command_helper_run_take(struct command_helper *helper,
                             struct command *command)
{
	struct request *request = xcalloc(1, sizeof(*request));

	request->letter.open = on_request;
	request->helper = helper;
	request->command = command;
	mailbox_post_take(helper->inbox, &request->letter);
}

static void on_request(struct letter *letter)
{
	struct request *request = LETTER_OF(letter, struct request, letter);
	struct command_helper *helper = request->helper;
	struct command *command = request->command;

	free(request);
	command->letter.next = NULL;
	*helper->waiting_tail = &command->letter;
	helper->waiting_tail = &command->letter.next;
	send_waiting(helper);
}

/* As many as the process takes; the others wait here. */
static void send_waiting(struct command_helper *helper)
{
	size_t i;
	int r;

	for (i = 0; helper->waiting && i < COMMANDS_AT_A_TIME; i++) {
		struct command *command =
		    LETTER_OF(helper->waiting, struct command, letter);

		if (helper->running[i])
			continue;
		helper->waiting = command->letter.next;
		if (!helper->waiting)
			helper->waiting_tail = &helper->waiting;
		command->id = ++helper->last_id;
		r = send_request(helper, command);
		if (r == 0)
			helper->running[i] = command;
		else
			fail(command, r == -E2BIG ? "its words are too long"
			                          : "the helper process is "
			                            "gone; restart relaisd");
	}
}

static int send_request(struct command_helper *helper,
                        const struct command *command)
{
	struct command_request request = { .id = command->id,
		                           .time_limit_ms =
		                               command->time_limit_ms };
	size_t i, len;

	for (i = 0; command->words[i]; i++) {
		len = strlen(command->words[i]) + 1;
		if (len > COMMAND_WORDS_MAX - request.length)
			return -E2BIG;
		memcpy(request.bytes + request.length, command->words[i], len);
		request.length += (uint32_t)len;
	}
	if (command->input_len > COMMAND_INPUT_MAX)
		return -E2BIG;
	if (command->input_len > 0)
		memcpy(request.bytes + request.length, command->input,
		       command->input_len);
	request.input_length = (uint32_t)command->input_len;
	if (helper->fd < 0)
		return -EPIPE;
	len = offsetof(struct command_request, bytes) + request.length +
	      request.input_length;
	/* 16 packets without input, and one with, fit into its buffer. */
	if (send(helper->fd, &request, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	return 0;
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
	struct command_helper *helper = argument;
	struct command_result result;
	ssize_t n;

	(void)what;
	n = recv(fd, &result, sizeof(result), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == (ssize_t)sizeof(result)) {
		on_result(helper, &result);
		explicit_bzero(&result, sizeof(result));
		send_waiting(helper);
	} else {
		fail_all(helper);
	}
}

static void on_result(struct command_helper *helper,
                      const struct command_result *result)
{
	struct command *command;
	size_t i;

	for (i = 0; i < COMMANDS_AT_A_TIME; i++) {
		command = helper->running[i];
		if (!command || command->id != result->id)
			continue;
		helper->running[i] = NULL;
		if (result->end == COMMAND_PRINTED)
			command->output = xstrdup(result->text);
		else
			explain(command, result);
		command->has_succeeded =
		    result->end == COMMAND_PRINTED ||
		    result->end == COMMAND_PRINTED_NOTHING ||
		    result->end == COMMAND_PRINTED_TOO_MUCH;
		command->letter.open = command->on_done;
		mailbox_post_take(command->home, &command->letter);
		return;
	}
}

/* Without the output, which may be half a secret. */
static void explain(struct command *command,
                    const struct command_result *result)
{
	const char *name = command->words[0];
	char *text = command->problem;
	size_t size = sizeof(command->problem);

	switch ((enum command_end)result->end) {
	case COMMAND_PRINTED:
		break;
	case COMMAND_PRINTED_NOTHING:
		(void)snprintf(text, size, "%.100s printed nothing", name);
		break;
	case COMMAND_PRINTED_TOO_MUCH:
		(void)snprintf(text, size, "%.100s printed more than %d bytes",
		               name, SECRET_SIZE_MAX - 1);
		break;
	case COMMAND_TIMED_OUT:
		(void)snprintf(text, size, "%.100s did not end within %u s",
		               name, (command->time_limit_ms + 999) / 1000);
		break;
	case COMMAND_FAILED:
		(void)snprintf(text, size, "%.100s ended with status %d", name,
		               (int)result->number);
		break;
	case COMMAND_KILLED:
		(void)snprintf(text, size, "%.100s was ended by signal %d",
		               name, (int)result->number);
		break;
	case COMMAND_NOT_STARTED:
		(void)snprintf(text, size, "%.100s: %s", name,
		               strerror(result->number));
		break;
	}
}

/* It does not come back: a fork would copy threads' locks. */
static void fail_all(struct command_helper *helper)
{
	size_t i;

	event_free(helper->readable);
	helper->readable = NULL;
	(void)close(helper->fd);
	helper->fd = -1;
	for (i = 0; i < COMMANDS_AT_A_TIME; i++) {
		struct command *command = helper->running[i];

		helper->running[i] = NULL;
		if (command)
			fail(command, "the helper process is gone; restart "
			              "relaisd");
	}
	send_waiting(helper);
}

static void fail(struct command *command, const char *problem)
{
	(void)snprintf(command->problem, sizeof(command->problem), "%.60s: %s",
	               command->words[0], problem);
	command->letter.open = command->on_done;
	mailbox_post_take(command->home, &command->letter);
}

void command_helper_free(struct command_helper *helper)
{
	struct command *command;
	size_t i;

	if (!helper)
		return;
	if (helper->readable)
		event_free(helper->readable);
	mailbox_free(helper->inbox);
	if (helper->fd >= 0)
		(void)close(helper->fd);
	while (waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR)
		;
	for (i = 0; i < COMMANDS_AT_A_TIME; i++)
		command_free(helper->running[i]);
	while (helper->waiting) {
		command = LETTER_OF(helper->waiting, struct command, letter);
		helper->waiting = command->letter.next;
		command_free(command);
	}
	free(helper);
}
