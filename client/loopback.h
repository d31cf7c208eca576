/*
 * loopback - where a browser on this host brings the answer of a login
 *
 * A listener on 127.0.0.1 that takes one question at a time (RFC 8252 7.3).
 * Whoever can connect can bring any answer: whether it is the right one is for
 * relaisd to say, which knows the login's state.
 */
#ifndef RELAIS_LOOPBACK_H
#define RELAIS_LOOPBACK_H

#include <stdint.h>

/* A descriptor to be polled and closed, on a port that is free. -errno */
int loopback_open(uint16_t *ret_port);

/*
 * One connection, some seconds at most: the URL that the browser was sent to,
 * malloc'ed; NULL if it asked for something else.
 */
char *loopback_accept(int fd, uint16_t port);

#endif
