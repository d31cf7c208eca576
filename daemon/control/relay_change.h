/*
 * relay_change - one change of the relays, from its request to its answer
 *
 * Shared by control_relay_changes.c and control_relay_removal.c.
 * Thread: the control loop.
 */
#ifndef RELAIS_CONTROL_RELAY_CHANGE_H
#define RELAIS_CONTROL_RELAY_CHANGE_H

#include <stdbool.h>
#include <sys/queue.h>

#include "control/control.h"

struct relay_settings;
struct request;
struct settings_node;

struct relay_change {
	struct control_reload reload;
	STAILQ_ENTRY(relay_change) link;
	struct control *control;
	struct request *request;
	char *name;             /* of the relay */
	char *keys;             /* for the log; or NULL */
	const char *dropped_by; /* the key that cost the stored secret */
};

/* These answer the request themselves where they give false or NULL. */

/* May whoever asks set all that is in here through the API? */
bool relay_change_may_set(struct request *request, const char *name,
                          const struct settings_node *relay);

/* The relay, if it is one that we may change. */
const struct relay_settings *
relay_change_find_relay(struct relay_change *change);
/* One more file that will have this text. */
bool relay_change_write(struct relay_change *change, const char *name,
                        const char *text);
bool relay_change_write_default(struct relay_change *change, const char *name);

/* control_relay_removal.c */
bool relay_change_prepare_remove(struct relay_change *change);

#endif
