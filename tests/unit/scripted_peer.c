/*
 * scripted_peer - a mail server that says exactly what a test wants
 */
#include "config.h"

#include "scripted_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "buffer.h"

/* A test that hangs is a test that fails. */
#define PATIENCE_S 20

struct scripted_peer {
	struct peer_script script;
	pthread_t thread;
	int listener;
	uint16_t port;
	SSL_CTX *context;
	/* the connection being played */
	int fd;
	SSL *ssl;
	struct buffer in;
	struct buffer out;
	/* what the test asks for afterwards */
	struct buffer body;
	bool is_resumed;
	bool is_cut;
	char failure[1024];
};

static void *run(void *context);

static void say_failure(struct scripted_peer *peer, const char *line,
                        const char *what)
{
	if (!peer->failure[0])
		snprintf(peer->failure, sizeof peer->failure, "at \"%s\": %s",
		         line, what);
}

struct scripted_peer *scripted_peer_start(const struct peer_script *script)
{
	struct scripted_peer *peer = calloc(1, sizeof *peer);
	struct sockaddr_in address = { .sin_family = AF_INET };
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	socklen_t len = sizeof address;

	assert_non_null(peer);
	peer->script = *script;
	buffer_init(&peer->in, 0);
	buffer_init(&peer->out, 0);
	buffer_init(&peer->body, 0);
	peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(
	    bind(peer->listener, (struct sockaddr *)&address, sizeof address),
	    0);
	assert_int_equal(listen(peer->listener, 8), 0);
	setsockopt(peer->listener, SOL_SOCKET, SO_RCVTIMEO, &patience,
	           sizeof patience);
	assert_int_equal(
	    getsockname(peer->listener, (struct sockaddr *)&address, &len), 0);
	peer->port = ntohs(address.sin_port);
	if (script->certificate) {
		peer->context = SSL_CTX_new(TLS_server_method());
		assert_int_equal(SSL_CTX_use_certificate_chain_file(
				     peer->context, script->certificate),
		                 1);
		assert_int_equal(
		    SSL_CTX_use_PrivateKey_file(
			peer->context, script->certificate, SSL_FILETYPE_PEM),
		    1);
		SSL_CTX_set_security_level(peer->context, 0);
		if (script->tls_version) {
			SSL_CTX_set_min_proto_version(peer->context,
			                              script->tls_version);
			SSL_CTX_set_max_proto_version(peer->context,
			                              script->tls_version);
		}
	}
	assert_int_equal(pthread_create(&peer->thread, NULL, run, peer), 0);
	return peer;
}

uint16_t scripted_peer_port(const struct scripted_peer *peer)
{
	return peer->port;
}

void scripted_peer_finish(struct scripted_peer *peer)
{
	pthread_join(peer->thread, NULL);
	if (peer->failure[0])
		fail_msg("the peer: %s", peer->failure);
}

const char *scripted_peer_body(const struct scripted_peer *peer,
                               size_t *ret_len)
{
	*ret_len = peer->body.len;
	return peer->body.data;
}

bool scripted_peer_is_resumed(const struct scripted_peer *peer)
{
	return peer->is_resumed;
}

void scripted_peer_free(struct scripted_peer *peer)
{
	close(peer->listener);
	SSL_CTX_free(peer->context);
	buffer_done(&peer->in);
	buffer_done(&peer->out);
	buffer_done(&peer->body);
	free(peer);
}

/* --- The thread ---------------------------------------------------------- */

static ssize_t receive(struct scripted_peer *peer)
{
	char data[65536];
	ssize_t n;

	if (peer->ssl)
		n = SSL_read(peer->ssl, data, sizeof data);
	else
		n = read(peer->fd, data, sizeof data);
	if (n > 0)
		buffer_append(&peer->in, data, (size_t)n);
	return n;
}

static void flush(struct scripted_peer *peer)
{
	while (peer->out.len > 0) {
		ssize_t n;

		if (peer->ssl)
			n = SSL_write(peer->ssl, peer->out.data,
			              (int)peer->out.len);
		else
			n = send(peer->fd, peer->out.data, peer->out.len,
			         MSG_NOSIGNAL);
		if (n <= 0)
			break;
		buffer_consume(&peer->out, (size_t)n);
	}
	buffer_clear(&peer->out);
}

static void hear(struct scripted_peer *peer, const char *line)
{
	const char *expected = line + 3;
	size_t want = strlen(expected);
	bool is_prefix = line[1] == '~';
	const char *end = NULL;

	while (!end) {
		end = peer->in.len > 0
		          ? memchr(peer->in.data, '\n', peer->in.len)
		          : NULL;
		if (!end && receive(peer) <= 0) {
			say_failure(peer, line, "the connection ended");
			return;
		}
	}
	if (end == peer->in.data || end[-1] != '\r')
		say_failure(peer, line, "no CRLF");
	else if ((size_t)(end - 1 - peer->in.data) < want ||
	         (!is_prefix && (size_t)(end - 1 - peer->in.data) != want) ||
	         memcmp(peer->in.data, expected, want) != 0) {
		char got[400];

		snprintf(got, sizeof got, "heard \"%.*s\"",
		         (int)(end - 1 - peer->in.data), peer->in.data);
		say_failure(peer, line, got);
	}
	buffer_consume(&peer->in, (size_t)(end + 1 - peer->in.data));
}

static void hear_body(struct scripted_peer *peer)
{
	const char *end = NULL;
	size_t len;

	buffer_clear(&peer->body);
	while (!end) {
		end = peer->in.len >= 5
		          ? memmem(peer->in.data, peer->in.len, "\r\n.\r\n", 5)
		          : NULL;
		if (!end && receive(peer) <= 0) {
			say_failure(peer, "body", "the connection ended");
			return;
		}
	}
	len = (size_t)(end + 5 - peer->in.data);
	buffer_append(&peer->body, peer->in.data, len);
	buffer_consume(&peer->in, len);
}

static void shake_hands(struct scripted_peer *peer)
{
	peer->ssl = SSL_new(peer->context);
	SSL_set_fd(peer->ssl, peer->fd);
	ERR_clear_error();
	/* Whether it should succeed is for the client's side to say. */
	if (SSL_accept(peer->ssl) == 1)
		peer->is_resumed = SSL_session_reused(peer->ssl);
	else
		peer->is_cut = true;
}

static void expect_end(struct scripted_peer *peer)
{
	ssize_t n = receive(peer);

	if (n > 0) {
		say_failure(peer, "eof", peer->in.data);
	} else if (peer->ssl &&
	           SSL_get_error(peer->ssl, (int)n) != SSL_ERROR_ZERO_RETURN) {
		say_failure(peer, "eof", "no close_notify");
	}
}

static void play(struct scripted_peer *peer, const char *line)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (strncmp(line, "S: ", 3) == 0) {
		buffer_append_string(&peer->out, line + 3);
		buffer_append_string(&peer->out, "\r\n");
		return;
	}
	flush(peer);
	if (line[0] == 'C')
		hear(peer, line);
	else if (strcmp(line, "body") == 0)
		hear_body(peer);
	else if (strcmp(line, "tls") == 0)
		shake_hands(peer);
	else if (strcmp(line, "eof") == 0)
		expect_end(peer);
	else if (strcmp(line, "drain") == 0)
		while (receive(peer) > 0)
			continue;
	else if (strcmp(line, "cut") == 0)
		peer->is_cut = true;
	else if (strcmp(line, "reset") == 0) {
		setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset,
		           sizeof reset);
		peer->is_cut = true;
	} else
		say_failure(peer, line, "not a word of scripts");
}

static void play_connection(struct scripted_peer *peer,
                            const char *const *lines)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };

	peer->fd = accept(peer->listener, NULL, NULL);
	if (peer->fd < 0) {
		say_failure(peer, lines[0], "nobody came");
		return;
	}
	setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	           sizeof patience);
	peer->is_cut = false;
	buffer_clear(&peer->in);
	for (; *lines && !peer->is_cut && !peer->failure[0]; lines++)
		play(peer, *lines);
	flush(peer);
	if (peer->ssl) {
		if (!peer->is_cut && !peer->failure[0])
			SSL_shutdown(peer->ssl);
		SSL_free(peer->ssl);
		ERR_clear_error();
	}
	peer->ssl = NULL;
	close(peer->fd);
}

static void *run(void *context)
{
	struct scripted_peer *peer = context;
	size_t most = sizeof peer->script.connections /
	              sizeof peer->script.connections[0];

	for (size_t i = 0; i < most && peer->script.connections[i]; i++)
		play_connection(peer, peer->script.connections[i]);
	return NULL;
}
