/*
 * bench_sink - a relay that takes mail as fast as it can, and notes when
 *
 * usage: bench_sink [-c CERTIFICATE] [-k KEY] -n MESSAGES PORT
 *
 * Listens on 127.0.0.1; PORT 0 is any, and the one it has is printed first.
 * With a certificate STARTTLS is offered, and sessions may be resumed. One
 * thread, epoll. After so many messages, or SIGTERM, it prints one line and
 * ends: messages= sessions= tls= resumed= and the CLOCK_MONOTONIC seconds at
 * which the first and each tenth of all was complete: first= t10= … t100=
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define READ_SIZE   65536
#define OUTPUT_SIZE 8192
#define DOT         "\r\n.\r\n"
#define DOT_SIZE    5

struct client {
	int fd;
	SSL *tls;
	bool is_content;
	unsigned matched; /* octets of DOT seen */
	char line[1024];
	size_t line_len;
	char output[OUTPUT_SIZE];
	size_t output_len;
	bool is_ending;
};

static SSL_CTX *context;
static unsigned long wanted, received, sessions, handshakes, resumed;
static int64_t *times_us;
static volatile sig_atomic_t is_over;
static int epoll;

static void on_signal(int number)
{
	(void)number;
	is_over = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ------------------------------------------------------------------ bytes */

static ssize_t client_read(struct client *client, char *data, size_t size)
{
	int len;

	if (client->tls == NULL)
		return read(client->fd, data, size);
	len = SSL_read(client->tls, data, (int)size);
	if (len > 0)
		return len;
	errno = SSL_get_error(client->tls, len) == SSL_ERROR_WANT_READ ? EAGAIN
	                                                               : EIO;
	return -1;
}

/* Replies are short and the other side reads them: they always fit. */
static void client_flush(struct client *client)
{
	if (client->output_len == 0)
		return;
	if (client->tls != NULL)
		(void)SSL_write(client->tls, client->output,
		                (int)client->output_len);
	else if (write(client->fd, client->output, client->output_len) < 0)
		client->is_ending = true;
	client->output_len = 0;
}

static void say(struct client *client, const char *words)
{
	size_t len = strlen(words);

	if (client->output_len + len > OUTPUT_SIZE)
		client_flush(client);
	memcpy(client->output + client->output_len, words, len);
	client->output_len += len;
}

/* --------------------------------------------------------------- dialogue */

static void start_tls(struct client *client)
{
	say(client, "220 2.0.0 go ahead\r\n");
	client_flush(client);
	client->tls = SSL_new(context);
	if (client->tls == NULL || SSL_set_fd(client->tls, client->fd) != 1)
		die("SSL_new");
	SSL_set_accept_state(client->tls);
}

static void note_handshake(struct client *client)
{
	if (client->tls == NULL || !SSL_is_init_finished(client->tls))
		return;
	handshakes++;
	resumed += (unsigned long)SSL_session_reused(client->tls);
}

static void on_line(struct client *client, const char *line)
{
	if (strncasecmp(line, "EHLO", 4) == 0) {
		note_handshake(client);
		say(client, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n");
		if (context != NULL && client->tls == NULL)
			say(client, "250-STARTTLS\r\n");
		say(client, "250 ENHANCEDSTATUSCODES\r\n");
	} else if (strncasecmp(line, "STARTTLS", 8) == 0 && context != NULL) {
		start_tls(client);
	} else if (strncasecmp(line, "DATA", 4) == 0) {
		say(client, "354 go ahead\r\n");
		client->is_content = true;
		client->matched = 2; /* the line end of DATA */
	} else if (strncasecmp(line, "QUIT", 4) == 0) {
		say(client, "221 2.0.0 bye\r\n");
		client->is_ending = true;
	} else {
		say(client, "250 2.0.0 ok\r\n");
	}
}

static size_t take_content(struct client *client, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const char *next;

		if (client->matched == 0) {
			next = memchr(data + i, '\r', len - i);
			if (next == NULL)
				return len;
			i = (size_t)(next - data);
		}
		if (data[i] == DOT[client->matched])
			client->matched++;
		else
			client->matched = data[i] == '\r';
		if (client->matched < DOT_SIZE)
			continue;
		client->is_content = false;
		if (received < wanted)
			times_us[received] = clock_monotonic_us();
		received++;
		say(client, "250 2.0.0 taken\r\n");
		return i + 1;
	}
	return len;
}

static size_t take_line(struct client *client, const char *data, size_t len)
{
	const char *end = memchr(data, '\n', len);
	size_t used = end == NULL ? len : (size_t)(end - data) + 1;

	if (client->line_len + used >= sizeof(client->line)) {
		client->is_ending = true;
		return len;
	}
	memcpy(client->line + client->line_len, data, used);
	client->line_len += used;
	if (end == NULL)
		return used;
	client->line[client->line_len] = '\0';
	client->line_len = 0;
	on_line(client, client->line);
	return used;
}

static void on_readable(struct client *client)
{
	static char data[READ_SIZE];
	ssize_t len;

	while (!client->is_ending &&
	       (len = client_read(client, data, sizeof(data))) > 0) {
		size_t used = 0;

		while (used < (size_t)len && !client->is_ending)
			used += client->is_content
			            ? take_content(client, data + used,
			                           (size_t)len - used)
			            : take_line(client, data + used,
			                        (size_t)len - used);
		client_flush(client);
		if (client->tls == NULL && (size_t)len < sizeof(data))
			return;
	}
	if (client->is_ending || len == 0 || errno != EAGAIN) {
		SSL_free(client->tls);
		(void)close(client->fd);
		free(client);
	}
}

/* ----------------------------------------------------------- beginning, end */

static void on_connection(int listener)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct client *client;
	int one = 1;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	client = calloc(1, sizeof(*client));
	if (client == NULL)
		die("calloc");
	client->fd = fd;
	event.data.ptr = client;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl");
	sessions++;
	say(client, "220 sink ESMTP\r\n");
	client_flush(client);
}

static int start_listening(const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	struct epoll_event event = { .events = EPOLLIN };
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_port = htons((uint16_t)atoi(port));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
	    listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		die("listen");
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll");
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void use_certificate(const char *certificate, const char *key)
{
	static const unsigned char id[] = "sink";

	context = SSL_CTX_new(TLS_server_method());
	if (context == NULL ||
	    SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "bench_sink: no certificate %s\n", certificate);
		exit(1);
	}
	(void)SSL_CTX_set_session_id_context(context, id, sizeof(id));
}

static double time_of(unsigned long tenths)
{
	unsigned long count = received < wanted ? received : wanted;
	unsigned long index = tenths == 0 ? 0 : count * tenths / 10 - 1;

	return count < 10 && tenths > 0 && tenths < 10
	           ? 0
	           : (double)times_us[count == 0 ? 0 : index] / 1e6;
}

static void report(void)
{
	printf("messages=%lu sessions=%lu tls=%lu resumed=%lu first=%.6f",
	       received, sessions, handshakes, resumed, time_of(0));
	for (unsigned long tenths = 1; tenths <= 10; tenths++)
		printf(" t%lu=%.6f", 10 * tenths, time_of(tenths));
	printf("\n");
}

int main(int argc, char **argv)
{
	const char *certificate = NULL, *key = NULL;
	struct sigaction action = { .sa_handler = on_signal };
	int option, listener;

	while ((option = getopt(argc, argv, "c:k:n:")) != -1) {
		if (option == 'c')
			certificate = optarg;
		else if (option == 'k')
			key = optarg;
		else if (option == 'n')
			wanted = strtoul(optarg, NULL, 10);
	}
	times_us = calloc(wanted + 1, sizeof(*times_us));
	if (optind + 1 != argc || wanted == 0 || times_us == NULL) {
		fprintf(stderr, "usage: bench_sink [-c CERTIFICATE] [-k KEY] "
		                "-n MESSAGES PORT\n");
		return 64;
	}
	(void)sigaction(SIGTERM, &action, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	if (certificate != NULL)
		use_certificate(certificate, key);
	listener = start_listening(argv[optind]);
	while (!is_over && received < wanted) {
		struct epoll_event events[64];
		int count = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == NULL)
				on_connection(listener);
			else
				on_readable(events[i].data.ptr);
		}
	}
	report();
	return 0;
}
