#include "config.h"

#include "runtime/local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/xalloc.h"

static int fill_address(struct sockaddr_un *address, const char *path);
static int clear_path(const struct sockaddr_un *address);
static int bind_and_listen(int fd, const struct sockaddr_un *address,
                           mode_t mode);

int local_socket_listen(int *ret_fd, const char *path, mode_t mode,
                        char **ret_error)
{
	struct sockaddr_un address;
	int fd = -1;
	int r;

	r = fill_address(&address, path);
	if (r < 0)
		goto out;
	r = clear_path(&address);
	if (r < 0)
		goto out;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		r = -errno;
		goto out;
	}
	r = bind_and_listen(fd, &address, mode);
	if (r < 0)
		goto out;

	*ret_fd = fd;
	fd = -1;
out:
	if (fd >= 0)
		(void)close(fd);
	if (r < 0)
		*ret_error =
		    xasprintf("cannot listen at %s: %s", path, strerror(-r));
	return r;
}

static int fill_address(struct sockaddr_un *address, const char *path)
{
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Removes a socket that a dead process left; anything else stays. */
static int clear_path(const struct sockaddr_un *address)
{
	struct stat status;
	int fd;
	int r = 0;

	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: somebody listens, and the backlog is full. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) ==
	        0 ||
	    errno == EAGAIN)
		r = -EADDRINUSE;
	else if (errno != ECONNREFUSED)
		r = -errno;
	else if (unlink(address->sun_path) < 0 && errno != ENOENT)
		r = -errno;
	(void)close(fd);
	return r;
}

/* Nobody gets in before listen(), and by then the mode is set. */
static int bind_and_listen(int fd, const struct sockaddr_un *address,
                           mode_t mode)
{
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (chmod(address->sun_path, mode) < 0 || listen(fd, INT_MAX) < 0)
		return -errno;
	return 0;
}

int local_socket_adopt(int fd, char **ret_error)
{
	int is_listening = 0;
	socklen_t len = sizeof(is_listening);
	int flags;
	int r = 0;

	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) < 0)
		r = -errno;
	else if (!is_listening)
		r = -EINVAL;
	if (r < 0)
		*ret_error = xasprintf("descriptor %d is not a listening "
		                       "socket: %s",
		                       fd, strerror(-r));
	return r;
}
