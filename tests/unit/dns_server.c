#include "config.h"

#include "dns_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MESSAGE_MAX 16384
#define UDP_MAX     512
#define ASKED_MAX   1000

struct asked {
	char name[256];
	int type;
};

struct dns_server {
	int udp, tcp, stop[2];
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	const struct dns_row *rows;
	struct asked asked[ASKED_MAX];
	unsigned asked_count, asked_by_tcp;
};

struct reply {
	unsigned char octets[MESSAGE_MAX];
	size_t len;
};

static void put_number(struct reply *reply, uint32_t value, unsigned size)
{
	while (size-- > 0)
		reply->octets[reply->len++] =
		    (unsigned char)(value >> (8 * size));
}

static void put_name(struct reply *reply, const char *name)
{
	while (*name && strcmp(name, ".") != 0) {
		size_t len = strcspn(name, ".");

		put_number(reply, (uint32_t)len, 1);
		memcpy(reply->octets + reply->len, name, len);
		reply->len += len;
		name += len + (name[len] == '.');
	}
	put_number(reply, 0, 1);
}

/* From the question, which is never compressed. Its end, or 0. */
static size_t get_name(const unsigned char *message, size_t len, size_t at,
                       char name[256])
{
	size_t used = 0;

	while (at < len && message[at] != 0) {
		size_t label = message[at];

		if (at + 1 + label >= len || used + label + 1 >= 256)
			return 0;
		if (used > 0)
			name[used++] = '.';
		memcpy(name + used, message + at + 1, label);
		used += label;
		at += 1 + label;
	}
	name[used] = '\0';
	return at + 1;
}

static void put_data(struct reply *reply, const struct dns_row *row)
{
	size_t length_at = reply->len;
	const char *data = row->data;
	size_t len;

	put_number(reply, 0, 2);
	if (row->type == ROW_MX) {
		put_number(reply, (uint32_t)strtoul(data, NULL, 10), 2);
		put_name(reply, strchr(data, ' ') + 1);
	} else if (row->type == ROW_CNAME) {
		put_name(reply, data);
	} else {
		int family = row->type == ROW_A ? AF_INET : AF_INET6;

		assert_int_equal(
		    inet_pton(family, data, reply->octets + reply->len), 1);
		reply->len += row->type == ROW_A ? 4 : 16;
	}
	len = reply->len - length_at - 2;
	reply->octets[length_at] = (unsigned char)(len >> 8);
	reply->octets[length_at + 1] = (unsigned char)len;
}

static void put_soa(struct reply *reply)
{
	size_t length_at;

	put_name(reply, "test");
	put_number(reply, 6, 2);
	put_number(reply, 1, 2);
	put_number(reply, 60, 4);
	length_at = reply->len;
	put_number(reply, 0, 2);
	put_name(reply, "ns.test");
	put_name(reply, "root.test");
	for (unsigned i = 0; i < 5; i++)
		put_number(reply, 60, 4);
	reply->octets[length_at + 1] =
	    (unsigned char)(reply->len - length_at - 2);
}

static const struct dns_row *find_cname(const struct dns_row *row,
                                        const char *name)
{
	for (; row->name; row++)
		if (row->type == ROW_CNAME && strcasecmp(row->name, name) == 0)
			return row;
	return NULL;
}

/* The records of the type, behind the CNAMEs that lead to them. */
static unsigned put_answers(struct reply *reply, const struct dns_row *rows,
                            const char *name, int type, bool *ret_is_known)
{
	const struct dns_row *row = find_cname(rows, name);
	unsigned count = 0;

	if (row && type != ROW_CNAME) {
		put_name(reply, row->name);
		put_number(reply, ROW_CNAME, 2);
		put_number(reply, 1, 2);
		put_number(reply, row->ttl_s, 4);
		put_data(reply, row);
		return 1 +
		       put_answers(reply, rows, row->data, type, ret_is_known);
	}
	for (row = rows; row->name; row++) {
		if (strcasecmp(row->name, name) != 0)
			continue;
		*ret_is_known = true;
		if (row->type != type)
			continue;
		put_name(reply, row->name);
		put_number(reply, (uint32_t)type, 2);
		put_number(reply, 1, 2);
		put_number(reply, row->ttl_s, 4);
		put_data(reply, row);
		count++;
	}
	return count;
}

static const struct dns_row *find_trouble(const struct dns_row *row,
                                          const char *name)
{
	for (; row->name; row++)
		if (row->type >= ROW_RCODE && strcasecmp(row->name, name) == 0)
			return row;
	return NULL;
}

static void note(struct dns_server *server, const char *name, int type,
                 bool is_tcp)
{
	struct asked *asked = &server->asked[server->asked_count];

	server->asked_by_tcp += is_tcp;
	if (server->asked_count == ASKED_MAX)
		return;
	(void)snprintf(asked->name, sizeof(asked->name), "%s", name);
	asked->type = type;
	server->asked_count++;
}

static void set_header(struct reply *reply, unsigned rcode, unsigned answers,
                       unsigned authorities, bool is_truncated)
{
	unsigned char *octets = reply->octets;

	octets[2] = (unsigned char)(0x81 | (is_truncated ? 0x02 : 0));
	octets[3] = (unsigned char)(0x80 | rcode);
	octets[6] = (unsigned char)(answers >> 8);
	octets[7] = (unsigned char)answers;
	octets[8] = 0;
	octets[9] = (unsigned char)authorities;
	octets[10] = octets[11] = 0;
}

/* False: no answer. */
static bool answer(struct dns_server *server, const unsigned char *question,
                   size_t len, bool is_tcp, struct reply *reply)
{
	const struct dns_row *trouble;
	bool is_known = false;
	unsigned count, rcode;
	char name[256];
	size_t end;
	int type;

	end = len > 12 ? get_name(question, len, 12, name) : 0;
	if (end == 0 || end + 4 > len)
		return false;
	type = question[end] << 8 | question[end + 1];
	memcpy(reply->octets, question, end + 4);
	reply->len = end + 4;
	note(server, name, type, is_tcp);
	trouble = find_trouble(server->rows, name);
	if (trouble && trouble->type == ROW_SILENCE)
		return false;
	if (trouble && trouble->type == ROW_NONSENSE) {
		set_header(reply, 0, 1, 0, false);
		return true;
	}
	if (trouble) {
		rcode = (unsigned)strtoul(trouble->data, NULL, 10);
		set_header(reply, rcode, 0, 0, false);
		return true;
	}
	count = put_answers(reply, server->rows, name, type, &is_known);
	if (!is_tcp && reply->len > UDP_MAX) {
		reply->len = end + 4;
		set_header(reply, 0, 0, 0, true);
		return true;
	}
	if (count == 0)
		put_soa(reply);
	set_header(reply, is_known || count > 0 ? 0 : 3, count, count == 0,
	           false);
	return true;
}

static void serve_udp(struct dns_server *server)
{
	unsigned char question[MESSAGE_MAX];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	struct reply reply;
	ssize_t n;

	n = recvfrom(server->udp, question, sizeof(question), 0,
	             (struct sockaddr *)&from, &from_len);
	if (n <= 0)
		return;
	pthread_mutex_lock(&server->lock);
	if (answer(server, question, (size_t)n, false, &reply))
		(void)sendto(server->udp, reply.octets, reply.len, 0,
		             (struct sockaddr *)&from, from_len);
	pthread_mutex_unlock(&server->lock);
}

static bool read_all(int fd, unsigned char *into, size_t len)
{
	return recv(fd, into, len, MSG_WAITALL) == (ssize_t)len;
}

static void serve_tcp(struct dns_server *server)
{
	unsigned char question[MESSAGE_MAX], size[2];
	struct reply reply;
	int fd = accept(server->tcp, NULL, NULL);
	size_t len;

	if (fd < 0)
		return;
	if (read_all(fd, size, 2)) {
		len = (size_t)(size[0] << 8 | size[1]);
		pthread_mutex_lock(&server->lock);
		if (len < sizeof(question) && read_all(fd, question, len) &&
		    answer(server, question, len, true, &reply)) {
			size[0] = (unsigned char)(reply.len >> 8);
			size[1] = (unsigned char)reply.len;
			(void)send(fd, size, 2, MSG_MORE | MSG_NOSIGNAL);
			(void)send(fd, reply.octets, reply.len, MSG_NOSIGNAL);
		}
		pthread_mutex_unlock(&server->lock);
	}
	(void)close(fd);
}

static void *serve(void *context)
{
	struct dns_server *server = context;
	struct pollfd fds[] = {
		{ .fd = server->udp, .events = POLLIN },
		{ .fd = server->tcp, .events = POLLIN },
		{ .fd = server->stop[0], .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[2].revents)
			return NULL;
		if (fds[0].revents)
			serve_udp(server);
		if (fds[1].revents)
			serve_tcp(server);
	}
}

/* The same port for both. */
static bool listen_on_both(struct dns_server *server, const char *address,
                           uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	at.sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, address, &at.sin_addr), 1);
	server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server->udp, (struct sockaddr *)&at, len) == 0 &&
	    getsockname(server->udp, (struct sockaddr *)&at, &len) == 0 &&
	    bind(server->tcp, (struct sockaddr *)&at, len) == 0 &&
	    listen(server->tcp, 16) == 0) {
		server->port = ntohs(at.sin_port);
		return true;
	}
	(void)close(server->udp);
	(void)close(server->tcp);
	return false;
}

struct dns_server *dns_server_new_at(const struct dns_row *rows,
                                     const char *address, uint16_t port)
{
	struct dns_server *server = calloc(1, sizeof(*server));

	assert_non_null(server);
	server->rows = rows;
	if (!listen_on_both(server, address, port)) {
		free(server);
		return NULL;
	}
	assert_int_equal(pipe(server->stop), 0);
	assert_int_equal(pthread_mutex_init(&server->lock, NULL), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server),
	                 0);
	return server;
}

/* UDP's free port may be taken for TCP: then another is tried. */
struct dns_server *dns_server_new(const struct dns_row *rows)
{
	struct dns_server *server = NULL;

	for (unsigned i = 0; i < 100 && !server; i++)
		server = dns_server_new_at(rows, "127.0.0.1", 0);
	assert_non_null(server);
	return server;
}

void dns_server_free(struct dns_server *server)
{
	if (!server)
		return;
	assert_int_equal(write(server->stop[1], "", 1), 1);
	assert_int_equal(pthread_join(server->thread, NULL), 0);
	(void)close(server->udp);
	(void)close(server->tcp);
	(void)close(server->stop[0]);
	(void)close(server->stop[1]);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

uint16_t dns_server_port(const struct dns_server *server)
{
	return server->port;
}

unsigned dns_server_asked(struct dns_server *server, const char *name, int type)
{
	unsigned count = 0;

	pthread_mutex_lock(&server->lock);
	for (unsigned i = 0; i < server->asked_count; i++)
		if (server->asked[i].type == type &&
		    strcasecmp(server->asked[i].name, name) == 0)
			count++;
	pthread_mutex_unlock(&server->lock);
	return count;
}

unsigned dns_server_asked_by_tcp(struct dns_server *server)
{
	unsigned count;

	pthread_mutex_lock(&server->lock);
	count = server->asked_by_tcp;
	pthread_mutex_unlock(&server->lock);
	return count;
}

void dns_server_change(struct dns_server *server, const struct dns_row *rows)
{
	pthread_mutex_lock(&server->lock);
	server->rows = rows;
	pthread_mutex_unlock(&server->lock);
}
