#include "config.h"

#include "smtp_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define ANSWERS_MAX     32
#define CONNECTIONS_MAX 64
#define COMMANDS_MAX    4096

struct answer {
	const char *command;
	const char *reply;
	unsigned times;
	bool is_limited;
	bool is_silent;
};

struct connection {
	struct smtp_peer *peer;
	pthread_t thread;
	int fd;
	FILE *in, *out;
};

struct smtp_peer {
	int fd;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t news;
	struct answer answers[ANSWERS_MAX];
	unsigned answer_count;
	struct connection connections[CONNECTIONS_MAX];
	unsigned connection_count;
	char *commands[COMMANDS_MAX];
	unsigned command_count;
	unsigned messages;
	char *last_message;
	bool may_speak, is_over;
};

static bool begins_with(const char *text, const char *start)
{
	return strncasecmp(text, start, strlen(start)) == 0;
}

static const char *usual_reply(const char *command)
{
	if (!*command)
		return "220 peer.test ESMTP";
	if (begins_with(command, "EHLO"))
		return "250-peer.test\r\n250-PIPELINING\r\n"
		       "250 ENHANCEDSTATUSCODES";
	if (begins_with(command, "DATA"))
		return "354 go on";
	if (begins_with(command, "QUIT"))
		return "221 2.0.0 bye";
	return "250 2.0.0 ok";
}

static void note(struct smtp_peer *peer, const char *command)
{
	pthread_mutex_lock(&peer->lock);
	if (peer->command_count < COMMANDS_MAX)
		peer->commands[peer->command_count++] = strdup(command);
	pthread_cond_broadcast(&peer->news);
	pthread_mutex_unlock(&peer->lock);
}

/* The answer told last that fits. */
static struct answer choose(struct smtp_peer *peer, const char *command)
{
	struct answer chosen = { .reply = usual_reply(command) };

	pthread_mutex_lock(&peer->lock);
	for (unsigned i = peer->answer_count; i-- > 0;) {
		struct answer *answer = &peer->answers[i];

		if ((*answer->command ? !begins_with(command, answer->command)
		                      : *command != '\0') ||
		    (answer->is_limited && answer->times == 0))
			continue;
		if (answer->is_limited)
			answer->times--;
		chosen = *answer;
		break;
	}
	pthread_mutex_unlock(&peer->lock);
	return chosen;
}

static const char *await_speech(struct smtp_peer *peer, const char *command)
{
	pthread_mutex_lock(&peer->lock);
	while (!peer->may_speak && !peer->is_over)
		pthread_cond_wait(&peer->news, &peer->lock);
	pthread_mutex_unlock(&peer->lock);
	return usual_reply(command);
}

/* False: the connection is over. */
static bool respond(struct connection *connection, const char *command,
                    char *ret_first)
{
	struct answer answer;

	answer = choose(connection->peer, command);
	*ret_first = answer.reply ? answer.reply[0] : '\0';
	if (answer.is_silent)
		answer.reply = await_speech(connection->peer, command);
	if (!answer.reply)
		return false;
	if (fprintf(connection->out, "%s\r\n", answer.reply) < 0 ||
	    fflush(connection->out) != 0)
		return false;
	return !begins_with(command, "QUIT");
}

static bool take_message(struct connection *connection)
{
	struct smtp_peer *peer = connection->peer;
	char *line = NULL, *text = NULL;
	size_t size = 0, text_len = 0;
	bool is_whole = false;
	FILE *message = open_memstream(&text, &text_len);
	ssize_t n;

	while (!is_whole && (n = getline(&line, &size, connection->in)) > 0)
		if (strcmp(line, ".\r\n") == 0)
			is_whole = true;
		else
			(void)fwrite(line, 1, (size_t)n, message);
	(void)fclose(message);
	free(line);
	if (!is_whole) {
		free(text);
		return false;
	}
	pthread_mutex_lock(&peer->lock);
	peer->messages++;
	free(peer->last_message);
	peer->last_message = text;
	pthread_mutex_unlock(&peer->lock);
	return true;
}

static void *serve(void *context)
{
	struct connection *connection = context;
	char *line = NULL;
	size_t size = 0;
	char first;
	bool is_open;

	is_open = respond(connection, "", &first);
	while (is_open && getline(&line, &size, connection->in) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		note(connection->peer, line);
		is_open = respond(connection, line, &first);
		if (!is_open || !begins_with(line, "DATA") || first != '3')
			continue;
		is_open = take_message(connection);
		if (!is_open)
			break;
		note(connection->peer, ".");
		is_open = respond(connection, ".", &first);
	}
	free(line);
	(void)shutdown(connection->fd, SHUT_RDWR);
	return NULL;
}

static void *accept_all(void *context)
{
	struct smtp_peer *peer = context;
	int fd;

	while ((fd = accept(peer->fd, NULL, NULL)) >= 0) {
		struct connection *connection;

		pthread_mutex_lock(&peer->lock);
		assert_true(peer->connection_count < CONNECTIONS_MAX);
		connection = &peer->connections[peer->connection_count++];
		connection->peer = peer;
		connection->fd = fd;
		connection->in = fdopen(fd, "r");
		connection->out = fdopen(dup(fd), "w");
		assert_int_equal(pthread_create(&connection->thread, NULL,
		                                serve, connection),
		                 0);
		pthread_cond_broadcast(&peer->news);
		pthread_mutex_unlock(&peer->lock);
	}
	return NULL;
}

struct smtp_peer *smtp_peer_new(const char *address, uint16_t port)
{
	struct smtp_peer *peer = calloc(1, sizeof(*peer));
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int on = 1;

	assert_non_null(peer);
	at.sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, address, &at.sin_addr), 1);
	peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(peer->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(peer->fd, (struct sockaddr *)&at, len) < 0 ||
	    listen(peer->fd, 64) < 0 ||
	    getsockname(peer->fd, (struct sockaddr *)&at, &len) < 0) {
		(void)close(peer->fd);
		free(peer);
		return NULL;
	}
	peer->port = ntohs(at.sin_port);
	assert_int_equal(pthread_mutex_init(&peer->lock, NULL), 0);
	assert_int_equal(pthread_cond_init(&peer->news, NULL), 0);
	assert_int_equal(pthread_create(&peer->thread, NULL, accept_all, peer),
	                 0);
	return peer;
}

void smtp_peer_hang_up(struct smtp_peer *peer)
{
	pthread_mutex_lock(&peer->lock);
	for (unsigned i = 0; i < peer->connection_count; i++)
		(void)shutdown(peer->connections[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&peer->lock);
}

void smtp_peer_free(struct smtp_peer *peer)
{
	if (!peer)
		return;
	(void)shutdown(peer->fd, SHUT_RDWR);
	assert_int_equal(pthread_join(peer->thread, NULL), 0);
	pthread_mutex_lock(&peer->lock);
	peer->is_over = true;
	pthread_cond_broadcast(&peer->news);
	pthread_mutex_unlock(&peer->lock);
	smtp_peer_hang_up(peer);
	for (unsigned i = 0; i < peer->connection_count; i++) {
		pthread_join(peer->connections[i].thread, NULL);
		(void)fclose(peer->connections[i].in);
		(void)fclose(peer->connections[i].out);
	}
	for (unsigned i = 0; i < peer->command_count; i++)
		free(peer->commands[i]);
	(void)close(peer->fd);
	free(peer->last_message);
	pthread_cond_destroy(&peer->news);
	pthread_mutex_destroy(&peer->lock);
	free(peer);
}

uint16_t smtp_peer_port(const struct smtp_peer *peer)
{
	return peer->port;
}

static void add_answer(struct smtp_peer *peer, struct answer answer)
{
	pthread_mutex_lock(&peer->lock);
	assert_true(peer->answer_count < ANSWERS_MAX);
	peer->answers[peer->answer_count++] = answer;
	pthread_mutex_unlock(&peer->lock);
}

void smtp_peer_answer(struct smtp_peer *peer, const char *command,
                      const char *reply, unsigned times)
{
	add_answer(peer, (struct answer){
			     .command = command,
			     .reply = reply,
			     .times = times,
			     .is_limited = times > 0,
			 });
}

void smtp_peer_speak(struct smtp_peer *peer)
{
	pthread_mutex_lock(&peer->lock);
	peer->may_speak = true;
	pthread_cond_broadcast(&peer->news);
	pthread_mutex_unlock(&peer->lock);
}

void smtp_peer_keep_silent(struct smtp_peer *peer, const char *command)
{
	add_answer(peer, (struct answer){
			     .command = command,
			     .is_silent = true,
			 });
}

unsigned smtp_peer_connections(struct smtp_peer *peer)
{
	unsigned count;

	pthread_mutex_lock(&peer->lock);
	count = peer->connection_count;
	pthread_mutex_unlock(&peer->lock);
	return count;
}

unsigned smtp_peer_messages(struct smtp_peer *peer)
{
	unsigned count;

	pthread_mutex_lock(&peer->lock);
	count = peer->messages;
	pthread_mutex_unlock(&peer->lock);
	return count;
}

static unsigned count_commands(const struct smtp_peer *peer,
                               const char *command)
{
	unsigned count = 0;

	for (unsigned i = 0; i < peer->command_count; i++)
		count += begins_with(peer->commands[i], command);
	return count;
}

unsigned smtp_peer_count(struct smtp_peer *peer, const char *command)
{
	unsigned count;

	pthread_mutex_lock(&peer->lock);
	count = count_commands(peer, command);
	pthread_mutex_unlock(&peer->lock);
	return count;
}

void smtp_peer_await(struct smtp_peer *peer, const char *command)
{
	pthread_mutex_lock(&peer->lock);
	while (count_commands(peer, command) == 0)
		pthread_cond_wait(&peer->news, &peer->lock);
	pthread_mutex_unlock(&peer->lock);
}

char *smtp_peer_last_message(struct smtp_peer *peer)
{
	char *copy;

	pthread_mutex_lock(&peer->lock);
	copy = peer->last_message ? strdup(peer->last_message) : NULL;
	pthread_mutex_unlock(&peer->lock);
	return copy;
}
