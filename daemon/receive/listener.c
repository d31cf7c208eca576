#include "config.h"

#include "receive/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "runtime/local_socket.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"

/* Clients taken in one turn, so that those we have are served, too. */
#define ACCEPT_AT_ONCE 4
/* Those who have left while they waited are dropped sooner than looked at. */
#define LEFT_AT_ONCE 64

struct listener {
	struct listener_owner owner;
	struct event *event;
	struct event *rest;
	char *path; /* ours to remove; or NULL */
	int fd;
	bool is_unix;
	bool is_crowded; /* more came than were taken in one turn */
	uid_t uid;
};

static void on_connection(evutil_socket_t fd, short what, void *argument);
static void on_rested(evutil_socket_t fd, short what, void *argument);

static int listener_start(struct listener **ret_listener,
                          struct event_base *base, struct listener *listener)
{
	listener->event = event_new(base, listener->fd, EV_READ | EV_PERSIST,
	                            on_connection, listener);
	listener->rest = event_new(base, -1, 0, on_rested, listener);
	if (listener->event == NULL || listener->rest == NULL ||
	    event_add(listener->event, NULL) < 0)
		return -ENOMEM;
	*ret_listener = listener;
	return 0;
}

static struct listener *listener_allocate(const struct listener_owner *owner)
{
	struct listener *listener = xcalloc(1, sizeof(*listener));

	listener->owner = *owner;
	listener->fd = -1;
	return listener;
}

int listener_new_unix(struct listener **ret_listener, struct event_base *base,
                      const char *path, mode_t mode,
                      const struct listener_owner *owner, char **ret_error)
{
	struct listener *listener = listener_allocate(owner);
	int r;

	listener->is_unix = true;
	r = local_socket_listen(&listener->fd, path, mode, ret_error);
	if (r < 0)
		goto out;
	listener->path = xstrdup(path);
	r = listener_start(ret_listener, base, listener);
out:
	if (r < 0)
		listener_free(listener);
	return r;
}

static int parse_address(const char *text, uint16_t port,
                         struct sockaddr_storage *ret_address,
                         socklen_t *ret_len)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret_address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*ret_len = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*ret_len = sizeof(*v6);
		return 0;
	}
	return -EINVAL;
}

int listener_new_tcp(struct listener **ret_listener, struct event_base *base,
                     const char *address, uint16_t port, uid_t uid,
                     const struct listener_owner *owner)
{
	struct listener *listener = listener_allocate(owner);
	struct sockaddr_storage storage;
	socklen_t len;
	int on = 1;
	int r;

	listener->uid = uid;
	r = parse_address(address, port, &storage, &len);
	if (r < 0)
		goto out;
	listener->fd = socket(storage.ss_family,
	                      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0 ||
	    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on,
	               sizeof(on)) < 0 ||
	    bind(listener->fd, (struct sockaddr *)&storage, len) < 0 ||
	    listen(listener->fd, 65535) < 0) {
		r = -errno;
		goto out;
	}
	r = listener_start(ret_listener, base, listener);
out:
	if (r < 0)
		listener_free(listener);
	return r;
}

int listener_new_passed(struct listener **ret_listener, struct event_base *base,
                        int fd, const struct listener_owner *owner,
                        char **ret_error)
{
	struct listener *listener = listener_allocate(owner);
	int r;

	listener->is_unix = true;
	listener->fd = fd;
	r = local_socket_adopt(fd, ret_error);
	if (r < 0)
		goto out;
	r = listener_start(ret_listener, base, listener);
out:
	if (r < 0)
		listener_free(listener);
	return r;
}

void listener_free(struct listener *listener)
{
	if (listener == NULL)
		return;
	if (listener->event != NULL)
		event_free(listener->event);
	if (listener->rest != NULL)
		event_free(listener->rest);
	if (listener->path != NULL)
		(void)unlink(listener->path);
	if (listener->fd >= 0)
		(void)close(listener->fd);
	free(listener->path);
	free(listener);
}

bool listener_is_unix(const struct listener *listener)
{
	return listener->is_unix;
}

uid_t listener_uid(const struct listener *listener)
{
	return listener->uid;
}

/* No descriptor or no memory: the backlog keeps them for a moment. */
static void take_a_rest(struct listener *listener, int error)
{
	static const struct timeval moment = { .tv_usec = 100000 };

	log_message(LOG_LEVEL_WARNING, "accept_paused",
	            "no new client for a moment: %s", strerror(error));
	(void)event_del(listener->event);
	(void)event_add(listener->rest, &moment);
}

/* It came and went while it waited to be accepted. */
static bool has_left(int fd)
{
	char octet;

	return recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void on_connection(evutil_socket_t fd, short what, void *argument)
{
	struct listener *listener = argument;
	bool is_crowded = listener->is_crowded;
	unsigned taken = 0, left = 0;

	(void)what;
	listener->is_crowded = false;
	(void)event_priority_set(listener->event, LOOP_USUAL);
	while (taken < ACCEPT_AT_ONCE && left < LEFT_AT_ONCE) {
		int client =
		    accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client < 0 && errno != EINTR && errno != ECONNABORTED) {
			if (errno != EAGAIN)
				take_a_rest(listener, errno);
			return;
		}
		if (client < 0) {
			left++;
		} else if ((is_crowded || taken > 0) && has_left(client)) {
			(void)close(client);
			left++;
		} else {
			listener->owner.on_client(listener->owner.owner, client,
			                          listener);
			taken++;
		}
	}
	/* Where they come without end, those that are here are served, too. */
	listener->is_crowded = true;
	(void)event_priority_set(listener->event, LOOP_CROWD);
}

static void on_rested(evutil_socket_t fd, short what, void *argument)
{
	struct listener *listener = argument;

	(void)fd;
	(void)what;
	(void)event_add(listener->event, NULL);
}
