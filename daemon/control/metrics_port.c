#include "config.h"

#include "control/metrics_port.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "buffer.h"
#include "control/metrics.h"
#include "runtime/xalloc.h"

#define CLIENTS_MAX 16
#define REQUEST_MAX 8192
#define TIMEOUT_S   10
#define FAMILIES    2

struct metrics_port {
	struct event_base *base;
	struct evconnlistener *listeners[FAMILIES];
	struct bufferevent *clients[CLIENTS_MAX];
	char *text;
	size_t len;
};

static int listen_on(struct metrics_port *port, unsigned which,
                     const struct sockaddr *address, int len);
static void on_client(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *address, int len, void *argument);
static void on_request(struct bufferevent *client, void *argument);
static void answer(struct metrics_port *port, struct bufferevent *client,
                   const char *request);
static void on_written(struct bufferevent *client, void *argument);
static void on_event(struct bufferevent *client, short what, void *argument);
static void forget(struct metrics_port *port, struct bufferevent *client);

int metrics_port_new(struct metrics_port **ret_port, struct event_base *base,
                     uint16_t number)
{
	struct metrics_port *port = xcalloc(1, sizeof(*port));
	const struct sockaddr_in v4 = { .sin_family = AF_INET,
		                        .sin_port = htons(number),
		                        .sin_addr.s_addr =
		                            htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
		                         .sin6_port = htons(number),
		                         .sin6_addr = in6addr_loopback };
	int r;

	port->base = base;
	r = listen_on(port, 0, (const struct sockaddr *)&v4, sizeof(v4));
	if (r < 0) {
		metrics_port_free(port);
		return r;
	}
	/* Many hosts have none. */
	(void)listen_on(port, 1, (const struct sockaddr *)&v6, sizeof(v6));
	*ret_port = port;
	return 0;
}

static int listen_on(struct metrics_port *port, unsigned which,
                     const struct sockaddr *address, int len)
{
	port->listeners[which] = evconnlistener_new_bind(
	    port->base, on_client, port,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
	    CLIENTS_MAX, address, len);
	if (port->listeners[which] != NULL)
		return 0;
	return errno != 0 ? -errno : -EADDRNOTAVAIL;
}

void metrics_port_free(struct metrics_port *port)
{
	unsigned i;

	if (port == NULL)
		return;
	for (i = 0; i < FAMILIES; i++)
		if (port->listeners[i] != NULL)
			evconnlistener_free(port->listeners[i]);
	for (i = 0; i < CLIENTS_MAX; i++)
		if (port->clients[i] != NULL)
			bufferevent_free(port->clients[i]);
	free(port->text);
	free(port);
}

void metrics_port_set_text(struct metrics_port *port, const char *text,
                           size_t len)
{
	free(port->text);
	port->text = xmalloc(len + 1);
	memcpy(port->text, text, len);
	port->len = len;
}

static void on_client(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *address, int len, void *argument)
{
	static const struct timeval limit = { .tv_sec = TIMEOUT_S };
	struct metrics_port *port = argument;
	struct bufferevent *client = NULL;
	unsigned i = 0;

	(void)listener;
	(void)address;
	(void)len;
	while (i < CLIENTS_MAX && port->clients[i] != NULL)
		i++;
	if (i < CLIENTS_MAX)
		client = bufferevent_socket_new(port->base, fd,
		                                BEV_OPT_CLOSE_ON_FREE);
	if (client == NULL) {
		(void)close(fd);
		return;
	}
	port->clients[i] = client;
	bufferevent_setcb(client, on_request, NULL, on_event, port);
	bufferevent_setwatermark(client, EV_READ, 0, REQUEST_MAX);
	(void)bufferevent_set_timeouts(client, &limit, &limit);
	(void)bufferevent_enable(client, EV_READ);
}

static void on_request(struct bufferevent *client, void *argument)
{
	struct evbuffer *input = bufferevent_get_input(client);
	char request[REQUEST_MAX + 1];
	size_t len = evbuffer_get_length(input);

	if (len > REQUEST_MAX)
		len = REQUEST_MAX;
	(void)evbuffer_copyout(input, request, len);
	request[len] = '\0';
	if (strstr(request, "\r\n\r\n") != NULL)
		answer(argument, client, request);
	else if (len == REQUEST_MAX)
		forget(argument, client);
}

static void answer(struct metrics_port *port, struct bufferevent *client,
                   const char *request)
{
	struct evbuffer *output = bufferevent_get_output(client);
	const char *status = "200 OK", *text = port->text;
	size_t len = port->len;
	bool is_fine = strncmp(request, "GET /metrics ", 13) == 0 ||
	               strncmp(request, "GET /metrics?", 13) == 0;

	if (!is_fine) {
		status = "404 Not Found";
		text = "Only GET /metrics is answered here.\n";
		len = strlen(text);
	} else if (text == NULL) {
		status = "503 Service Unavailable";
		text = "In a moment.\n";
		len = strlen(text);
	}
	(void)bufferevent_disable(client, EV_READ);
	bufferevent_setcb(client, NULL, on_written, on_event, port);
	(void)evbuffer_add_printf(output,
	                          "HTTP/1.1 %s\r\n"
	                          "Content-Type: %s\r\n"
	                          "Content-Length: %zu\r\n"
	                          "Connection: close\r\n\r\n",
	                          status, is_fine ? METRICS_TYPE : "text/plain",
	                          len);
	(void)evbuffer_add(output, text, len);
}

static void on_written(struct bufferevent *client, void *argument)
{
	forget(argument, client);
}

/* The end, an error, or silence. */
static void on_event(struct bufferevent *client, short what, void *argument)
{
	(void)what;
	forget(argument, client);
}

static void forget(struct metrics_port *port, struct bufferevent *client)
{
	unsigned i;

	for (i = 0; i < CLIENTS_MAX; i++)
		if (port->clients[i] == client)
			port->clients[i] = NULL;
	bufferevent_free(client);
}
