/*
 * listener - a listening socket, and who connects to it
 *
 * Rests for a moment where the process has no descriptor left, instead of
 * spinning; the backlog keeps its clients meanwhile.
 * Thread: that of the event base.
 */
#ifndef RELAIS_RECEIVE_LISTENER_H
#define RELAIS_RECEIVE_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct listener;

struct listener_owner {
	/* A new client's descriptor, non-blocking; the receiver's now. */
	void (*on_client)(void *owner, int fd, const struct listener *listener);
	void *owner;
};

/*
 * On a path; see local_socket.h. 0 or -errno, and then a sentence in
 * *ret_error that names the path.
 */
int listener_new_unix(struct listener **ret_listener, struct event_base *base,
                      const char *path, mode_t mode,
                      const struct listener_owner *owner, char **ret_error);

/* On a loopback address; whoever connects counts as uid. */
int listener_new_tcp(struct listener **ret_listener, struct event_base *base,
                     const char *address, uint16_t port, uid_t uid,
                     const struct listener_owner *owner);

/* On a socket that the service manager passed: it stays there at the end. */
int listener_new_passed(struct listener **ret_listener, struct event_base *base,
                        int fd, const struct listener_owner *owner,
                        char **ret_error);

/* Removes the socket it made. NULL is allowed. */
void listener_free(struct listener *listener);

bool listener_is_unix(const struct listener *listener);
uid_t listener_uid(const struct listener *listener);

#endif
