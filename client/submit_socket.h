/*
 * submit_socket - where relaisd takes mail
 */
#ifndef RELAIS_SUBMIT_SOCKET_H
#define RELAIS_SUBMIT_SOCKET_H

#include <stdlib.h>

#define SUBMIT_SOCKET_DEFAULT "/run/relais/submit.sock"

/* The one given, or that of the environment, or the usual one; borrowed. */
static inline const char *submit_socket_path(const char *given)
{
	const char *path = given ? given : getenv("RELAIS_SOCKET");

	return path && *path ? path : SUBMIT_SOCKET_DEFAULT;
}

#endif
