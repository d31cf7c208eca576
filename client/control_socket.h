/*
 * control_socket - where relaisd answers questions
 */
#ifndef RELAIS_CONTROL_SOCKET_H
#define RELAIS_CONTROL_SOCKET_H

#include <stdlib.h>

#define CONTROL_SOCKET_DEFAULT "/run/relais/control.sock"

/* The one given, or that of the environment, or the usual one; borrowed. */
static inline const char *control_socket_path(const char *given)
{
	const char *path = given ? given : getenv("RELAIS_CONTROL_SOCKET");

	return path && *path ? path : CONTROL_SOCKET_DEFAULT;
}

#endif
