#include "config.h"

#include "receive/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "runtime/log.h"
#include "runtime/xalloc.h"

/* Clients taken in one turn, so that those we have are served, too. */
#define ACCEPT_AT_ONCE 64

struct listener {
	struct listener_owner owner;
	struct event *event;
	struct event *rest;
	char *path; /* ours to remove; or NULL */
	int fd;
	bool is_unix;
	uid_t uid;
};

static void on_connection(evutil_socket_t fd, short what, void *argument);
static void on_rested(evutil_socket_t fd, short what, void *argument);
static int make_directory(const char *path);
static int bind_at(int fd, const char *path, mode_t mode);

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
    const char *path, mode_t mode, const struct listener_owner *owner)
{
	struct listener *listener = listener_allocate(owner);
	int r;

	listener->is_unix = true;
	listener->fd = socket(AF_UNIX,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0) {
		r = -errno;
		goto out;
	}
	r = bind_at(listener->fd, path, mode);
	if (r < 0)
		goto out;
	listener->path = xstrdup(path);
	/* The kernel cuts the backlog to what it allows; a full one would
	 * fail clients that don't wait. */
	if (listen(listener->fd, 65535) < 0) {
		r = -errno;
		goto out;
	}
	r = listener_start(ret_listener, base, listener);
out:
	if (r < 0)
		listener_free(listener);
	return r;
}

static int make_directory(const char *path)
{
	char *copy = xstrdup(path);
	char *slash = strrchr(copy, '/');
	int r = 0;

	if (slash != NULL && slash != copy) {
		*slash = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			r = -errno;
	}
	free(copy);
	return r;
}

/*
 * The store's lock has made sure that no other relaisd of ours lives, so a
 * socket that is there already was left behind.
 */
static int bind_at(int fd, const char *path, mode_t mode)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat status;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	r = make_directory(path);
	if (r < 0)
		return r;
	if (lstat(path, &status) == 0) {
		if (!S_ISSOCK(status.st_mode))
			return -EEXIST;
		(void)unlink(path);
	}
	/* Nobody gets in before the mode is set: listen() comes later. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return chmod(path, mode) < 0 ? -errno : 0;
}

static int parse_address(const char *text, uint16_t port,
    struct sockaddr_storage *ret_address, socklen_t *ret_len)
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
	r = -EIO;
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

int listener_new_passed(struct listener **ret_listener,
    struct event_base *base, int fd, const struct listener_owner *owner)
{
	struct listener *listener = listener_allocate(owner);
	int domain = 0, r;
	socklen_t len = sizeof(domain);

	listener->fd = fd;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0) {
		r = -errno;
		goto out;
	}
	listener->is_unix = domain == AF_UNIX;
	r = -EPROTONOSUPPORT;
	if (!listener->is_unix || evutil_make_socket_nonblocking(fd) < 0)
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

	log_message(LOG_LEVEL_WARNING, "accept-paused",
	    "no new client for a moment: %s", strerror(error));
	(void)event_del(listener->event);
	(void)event_add(listener->rest, &moment);
}

static void on_connection(evutil_socket_t fd, short what, void *argument)
{
	struct listener *listener = argument;
	int client, i;

	(void)what;
	for (i = 0; i < ACCEPT_AT_ONCE; i++) {
		client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client >= 0) {
			listener->owner.on_client(listener->owner.owner,
			    client, listener);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			take_a_rest(listener, errno);
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static void on_rested(evutil_socket_t fd, short what, void *argument)
{
	struct listener *listener = argument;

	(void)fd;
	(void)what;
	(void)event_add(listener->event, NULL);
}
