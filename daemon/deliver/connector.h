/*
 * connector - the first of several addresses that answers
 *
 * Addresses are tried in their order, each one as soon as the one before has
 * failed or has kept us waiting for a quarter of a second (RFC 8305), so that
 * a dead first address costs no more than that. All share one time limit.
 *
 * Thread: its loop's. on_done is never called from inside connector_new(), and
 *         is the last thing done in a turn: the connector may be freed in it.
 */
#ifndef RELAIS_DELIVER_CONNECTOR_H
#define RELAIS_DELIVER_CONNECTOR_H

#include <stddef.h>

#include "deliver/transport.h"

struct event_base;
struct connector;

enum {
	CONNECTOR_ADDRESSES_MAX = 8,
	CONNECTOR_HEAD_START_MS = 250,
	CONNECTOR_LIMIT_S = 30, /* for all, unless somebody knows better */
};

/*
 * fd is the connected socket, the receiver's from now on, and address whom it
 * leads to (borrowed); or -errno, and address is the last one that failed.
 */
typedef void (*connector_done)(void *context, int fd,
                               const struct transport_address *address);

/* Addresses are borrowed until connector_free(). 0 or -ENOMEM. */
int connector_new(struct connector **ret_connector, struct event_base *base,
                  const struct transport_address *addresses, size_t count,
                  unsigned limit_ms, connector_done on_done, void *context);
void connector_free(struct connector *connector);

#endif
