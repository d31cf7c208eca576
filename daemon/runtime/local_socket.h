/*
 * local_socket - a listening Unix socket at a path
 *
 * A path that nobody listens at any more is taken over; one with a live
 * listener is not. The mode is in place before the first client gets in.
 */
#ifndef RELAIS_RUNTIME_LOCAL_SOCKET_H
#define RELAIS_RUNTIME_LOCAL_SOCKET_H

#include <sys/types.h>

/*
 * Non-blocking, close-on-exec, with the longest backlog the system allows.
 * 0 or -errno (-EADDRINUSE: somebody listens there, -ENAMETOOLONG); then
 * *ret_error is a sentence that names the path, for the caller to free.
 */
int local_socket_listen(int *ret_fd, const char *path, mode_t mode,
                        char **ret_error);

/* Makes a passed descriptor ready; -ENOTSOCK, -EINVAL if it isn't one. */
int local_socket_adopt(int fd, char **ret_error);

#endif
