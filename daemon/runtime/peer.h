/*
 * peer - who is behind a socket, by the kernel's word
 *
 * Credentials are those of the moment of connect(2); what the client says
 * about itself never comes here (promise P7).
 */
#ifndef RELAIS_RUNTIME_PEER_H
#define RELAIS_RUNTIME_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;   /* for logs alone: numbers are reused */
	gid_t *gids; /* supplementary and primary */
	size_t gid_count;
	bool has_credentials;
};

/*
 * SO_PEERCRED, and with has_groups SO_PEERGROUPS, of a connected Unix socket.
 * 0 or -errno; free with peer_done() in any case.
 */
int peer_read(struct peer *ret_peer, int fd, bool has_groups);

/* A TCP client counts as this user; there is nothing behind it. */
void peer_assume(struct peer *ret_peer, uid_t uid);
void peer_done(struct peer *peer);

#endif
