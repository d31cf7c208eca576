#include "config.h"

#include "runtime/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/xalloc.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

static int read_groups(struct peer *peer, int fd);

int peer_read(struct peer *ret_peer, int fd, bool has_groups)
{
	struct ucred credentials;
	socklen_t len = sizeof(credentials);

	memset(ret_peer, 0, sizeof(*ret_peer));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0)
		return -errno;
	ret_peer->uid = credentials.uid;
	ret_peer->gid = credentials.gid;
	ret_peer->pid = credentials.pid;
	ret_peer->has_credentials = true;
	return has_groups ? read_groups(ret_peer, fd) : 0;
}

/* The list has the supplementary groups; the primary one is added. */
static int read_groups(struct peer *peer, int fd)
{
	socklen_t len = 16 * sizeof(gid_t);
	gid_t *gids = xmalloc(len + sizeof(gid_t));

	while (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &len) < 0) {
		if (errno != ERANGE) {
			free(gids);
			return -errno;
		}
		/* The kernel has said how long it is: 65,536 at most. */
		gids = xrealloc(gids, len + sizeof(gid_t));
	}
	peer->gids = gids;
	peer->gid_count = len / sizeof(gid_t);
	peer->gids[peer->gid_count++] = peer->gid;
	return 0;
}

void peer_assume(struct peer *ret_peer, uid_t uid)
{
	memset(ret_peer, 0, sizeof(*ret_peer));
	ret_peer->uid = uid;
	ret_peer->gid = (gid_t)-1;
}

void peer_done(struct peer *peer)
{
	free(peer->gids);
	peer->gids = NULL;
	peer->gid_count = 0;
}
