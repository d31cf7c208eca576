/*
 * command_runner - the process that runs commands for command_helper
 */
#include "config.h"

#include "command_runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX    256
#define REQUEST_HEAD offsetof(struct command_request, bytes)

/* One running program; pid 0: the place is free. */
struct child {
	pid_t pid;
	int fd; /* its output; -1: it has closed it */
	bool is_reaped;
	bool is_overdue;
	bool is_verbose; /* printed more than there is room for */
	int status;
	uint64_t deadline_ms;
	size_t length;
	struct command_result result;
};

static struct child children[COMMANDS_AT_A_TIME];

static void set_up(int *fd, int *ret_signal_fd);
static void serve(int fd, int signal_fd);
static bool accept_request(int fd);
static void start(int fd, const struct command_request *request);
static int spawn(const struct command_request *request, pid_t *ret_pid,
                 int *ret_output);
static int split_words(const struct command_request *request, char **words);
static int open_input(const struct command_request *request);
static void read_output(struct child *child);
static void reap(int signal_fd);
static void kill_overdue(uint64_t now_ms);
static void finish(int fd, struct child *child);
static void send_result(int fd, struct command_result *result);
static struct child *free_place(void);
static int wait_ms(uint64_t now_ms);
static uint64_t clock_ms(void);

void command_runner_main(int fd)
{
	int signal_fd;
	size_t i;

	set_up(&fd, &signal_fd);
	serve(fd, signal_fd);
	for (i = 0; i < COMMANDS_AT_A_TIME; i++)
		if (children[i].pid > 0 && !children[i].is_reaped)
			(void)kill(-children[i].pid, SIGKILL);
	_exit(0);
}

/* Nothing of the daemon is inherited but the socket, stdout and stderr. */
static void set_up(int *fd, int *ret_signal_fd)
{
	sigset_t signals;

	(void)prctl(PR_SET_NAME, "relais-commands", 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* What a program leaves running comes to us, to be reaped. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (*fd != 3) {
		if (dup2(*fd, 3) < 0)
			_exit(1);
		*fd = 3;
	}
	(void)close_range(4, ~0U, 0);
	(void)fcntl(3, F_SETFD, FD_CLOEXEC);
	/* The daemon decides when to stop; then the socket closes. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGCHLD);
	(void)sigprocmask(SIG_SETMASK, &signals, NULL);
	*ret_signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (*ret_signal_fd < 0)
		_exit(1);
}

static void serve(int fd, int signal_fd)
{
	struct pollfd polls[2 + COMMANDS_AT_A_TIME];
	size_t i;

	for (;;) {
		polls[0].fd = free_place() ? fd : -1;
		polls[1].fd = signal_fd;
		for (i = 0; i < COMMANDS_AT_A_TIME; i++)
			polls[2 + i].fd =
			    children[i].pid > 0 ? children[i].fd : -1;
		for (i = 0; i < 2 + COMMANDS_AT_A_TIME; i++) {
			polls[i].events = POLLIN;
			polls[i].revents = 0;
		}
		if (poll(polls, 2 + COMMANDS_AT_A_TIME, wait_ms(clock_ms())) <
		        0 &&
		    errno != EINTR)
			return;
		for (i = 0; i < COMMANDS_AT_A_TIME; i++)
			if (polls[2 + i].fd >= 0 && polls[2 + i].revents)
				read_output(&children[i]);
		reap(signal_fd);
		kill_overdue(clock_ms());
		for (i = 0; i < COMMANDS_AT_A_TIME; i++)
			if (children[i].pid > 0 && children[i].is_reaped &&
			    children[i].fd < 0)
				finish(fd, &children[i]);
		if (polls[0].revents && !accept_request(fd))
			return;
	}
}

/* False: the daemon is gone. */
static bool accept_request(int fd)
{
	static struct command_request request;
	ssize_t n;

	n = recv(fd, &request, sizeof(request), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if ((size_t)n < REQUEST_HEAD ||
	    (size_t)request.length + request.input_length !=
	        (size_t)n - REQUEST_HEAD)
		return false;
	start(fd, &request);
	return true;
}

static void start(int fd, const struct command_request *request)
{
	struct child *child = free_place();
	int r;

	memset(child, 0, sizeof(*child));
	child->result.id = request->id;
	r = spawn(request, &child->pid, &child->fd);
	if (r < 0) {
		child->pid = 0;
		child->result.end = COMMAND_NOT_STARTED;
		child->result.number = -r;
		send_result(fd, &child->result);
		return;
	}
	child->deadline_ms = clock_ms() + request->time_limit_ms;
}

/* A process group of its own, so that the time limit ends its children too. */
static int spawn(const struct command_request *request, pid_t *ret_pid,
                 int *ret_output)
{
	char *words[WORDS_MAX + 1], *no_environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int output[2], input, r;

	r = split_words(request, words);
	if (r < 0)
		return r;
	input = open_input(request);
	if (input < 0)
		return input;
	if (pipe2(output, O_CLOEXEC) < 0) {
		r = -errno;
		(void)close(input);
		return r;
	}
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	r = posix_spawn_file_actions_init(&actions);
	if (r == 0) {
		r = posix_spawnattr_init(&attributes);
		if (r != 0)
			(void)posix_spawn_file_actions_destroy(&actions);
	}
	if (r == 0) {
		(void)posix_spawn_file_actions_adddup2(&actions, input, 0);
		(void)posix_spawn_file_actions_adddup2(&actions, output[1], 1);
		(void)posix_spawnattr_setflags(&attributes,
		                               POSIX_SPAWN_SETPGROUP |
		                                   POSIX_SPAWN_SETSIGMASK |
		                                   POSIX_SPAWN_SETSIGDEF);
		(void)posix_spawnattr_setpgroup(&attributes, 0);
		(void)posix_spawnattr_setsigmask(&attributes, &none);
		(void)posix_spawnattr_setsigdefault(&attributes, &all);
		r = posix_spawn(ret_pid, words[0], &actions, &attributes, words,
		                no_environment);
		(void)posix_spawn_file_actions_destroy(&actions);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)close(output[1]);
	(void)close(input);
	if (r != 0) {
		(void)close(output[0]);
		return -r;
	}
	(void)fcntl(output[0], F_SETFL, O_NONBLOCK);
	*ret_output = output[0];
	return 0;
}

/* What it reads; in memory, so that a program that does not read holds up
 * nobody. */
static int open_input(const struct command_request *request)
{
	const char *bytes = request->bytes + request->length;
	size_t len = request->input_length;
	int fd, r;

	if (len == 0) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, bytes, len) == (ssize_t)len &&
	    lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	r = errno != 0 ? -errno : -EIO;
	(void)close(fd);
	return r;
}

static int split_words(const struct command_request *request, char **words)
{
	static char copy[COMMAND_WORDS_MAX];
	size_t at = 0, count = 0;

	if (request->length == 0 || request->length > COMMAND_WORDS_MAX ||
	    request->bytes[request->length - 1] != '\0')
		return -EINVAL;
	memcpy(copy, request->bytes, request->length);
	while (at < request->length) {
		if (count == WORDS_MAX)
			return -E2BIG;
		words[count++] = copy + at;
		at += strlen(copy + at) + 1;
	}
	words[count] = NULL;
	return 0;
}

/* What is too much is read, too, so that the program can end. */
static void read_output(struct child *child)
{
	char rest[1024], *target = rest;
	size_t room = sizeof(rest);
	ssize_t n;

	if (child->length < SECRET_SIZE_MAX - 1) {
		target = child->result.text + child->length;
		room = SECRET_SIZE_MAX - 1 - child->length;
	}
	n = read(child->fd, target, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		(void)close(child->fd);
		child->fd = -1;
	} else if (target == rest) {
		child->is_verbose = true;
		explicit_bzero(rest, (size_t)n);
	} else {
		child->length += (size_t)n;
	}
}

static void reap(int signal_fd)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;
	size_t i;

	while (read(signal_fd, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < COMMANDS_AT_A_TIME; i++) {
			if (children[i].pid != pid)
				continue;
			children[i].is_reaped = true;
			children[i].status = status;
		}
	}
}

/* Its descendants may hold the pipe open: nobody waits for them. */
static void kill_overdue(uint64_t now_ms)
{
	size_t i;

	for (i = 0; i < COMMANDS_AT_A_TIME; i++) {
		struct child *child = &children[i];

		if (child->pid <= 0 || now_ms < child->deadline_ms)
			continue;
		child->is_overdue = true;
		(void)kill(-child->pid, SIGKILL);
		if (child->fd >= 0)
			(void)close(child->fd);
		child->fd = -1;
	}
}

static void finish(int fd, struct child *child)
{
	struct command_result *result = &child->result;
	size_t line;

	result->text[child->length] = '\0';
	line = strcspn(result->text, "\r\n");
	explicit_bzero(result->text + line, SECRET_SIZE_MAX - line);
	if (child->is_overdue) {
		result->end = COMMAND_TIMED_OUT;
	} else if (WIFSIGNALED(child->status)) {
		result->end = COMMAND_KILLED;
		result->number = WTERMSIG(child->status);
	} else if (WEXITSTATUS(child->status) != 0) {
		result->end = COMMAND_FAILED;
		result->number = WEXITSTATUS(child->status);
	} else if (child->is_verbose) {
		result->end = COMMAND_PRINTED_TOO_MUCH;
	} else if (line == 0) {
		result->end = COMMAND_PRINTED_NOTHING;
	}
	child->pid = 0;
	send_result(fd, result);
}

/* Blocks while the daemon is slow to read: its commands wait, not it. */
static void send_result(int fd, struct command_result *result)
{
	if (result->end != COMMAND_PRINTED)
		explicit_bzero(result->text, sizeof(result->text));
	while (send(fd, result, sizeof(*result), 0) < 0 && errno == EINTR)
		;
	explicit_bzero(result->text, sizeof(result->text));
}

static struct child *free_place(void)
{
	size_t i;

	for (i = 0; i < COMMANDS_AT_A_TIME; i++)
		if (children[i].pid == 0)
			return &children[i];
	return NULL;
}

static int wait_ms(uint64_t now_ms)
{
	uint64_t next_ms = UINT64_MAX;
	size_t i;

	for (i = 0; i < COMMANDS_AT_A_TIME; i++)
		if (children[i].pid > 0 && !children[i].is_overdue &&
		    children[i].deadline_ms < next_ms)
			next_ms = children[i].deadline_ms;
	if (next_ms == UINT64_MAX)
		return -1;
	if (next_ms <= now_ms)
		return 0;
	return next_ms - now_ms > 60000 ? 60000 : (int)(next_ms - now_ms);
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
