/*
 * webhook_events - the event stream of relaisd, read event by event
 *
 * Blocking. A stream that ends is opened again at the position reached.
 */
#ifndef RELAIS_WEBHOOK_EVENTS_H
#define RELAIS_WEBHOOK_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct webhook_events;

struct webhook_event {
	uint64_t sequence;
	char kind[32];
	/* An object in JSON; borrowed until the next call. */
	const char *data;
	size_t data_len;
};

/* Where the events that were to come next are gone. */
struct webhook_gap {
	uint64_t oldest; /* of those that are there; 0: there is none */
};

/* WEBHOOK_NOW: what comes from now on. */
#define WEBHOOK_NOW UINT64_MAX

/*
 * Events after `position`. 0; -ERANGE: they are gone, see the gap; -EACCES: no
 * view of them is given to us; what http_open() says.
 */
int webhook_events_open(struct webhook_events **ret_events,
                        const char *socket_path, uint64_t position,
                        struct webhook_gap *ret_gap);
void webhook_events_close(struct webhook_events *events);

/* After which event it begins. */
uint64_t webhook_events_start(const struct webhook_events *events);

/*
 * The next one. 0; -ETIMEDOUT: none has come for so long, ask again (patience
 * -1: as long as relaisd shows that it lives); -ERANGE as above; -errno: the
 * stream has ended.
 */
int webhook_events_next(struct webhook_events *events, int patience_ms,
                        struct webhook_event *ret_event,
                        struct webhook_gap *ret_gap);

/* Does relaisd give us events of everybody's mail? 0 or -errno. */
int webhook_events_ask_view(const char *socket_path,
                            bool *ret_is_administrator);

#endif
