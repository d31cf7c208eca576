/*
 * relay_draft - what someone wants a relay to be, on its way to a file
 *
 * Promise: a secret stays only with what it was given for: once host, port,
 *          security, tls, username, authentication or oauth differ it is
 *          gone, unless it was given again.
 * Thread:  the control loop.
 */
#ifndef RELAIS_CONTROL_RELAY_DRAFT_H
#define RELAIS_CONTROL_RELAY_DRAFT_H

#include <stdbool.h>
#include <stddef.h>

#include "settings_errors.h"

struct settings_node;

struct relay_draft_input {
	const char *text;
	size_t len;
	bool is_yaml; /* else JSON */
};

/*
 * A relay's keys as they were sent; a password in the url becomes one of its
 * own. 0; -EINVAL with the reasons in `errors`.
 */
int relay_draft_read(const struct relay_draft_input *input,
                     struct settings_node **ret_relay,
                     struct settings_errors *errors);

/*
 * Makes `change` (left empty) part of `relay`, null removing a key. Gives the
 * key because of which a stored secret was dropped, or NULL.
 */
const char *relay_draft_merge(struct settings_node *relay,
                              struct settings_node *change);

/* The names of its keys with spaces between, for the log; yours to free. */
char *relay_draft_keys(const struct settings_node *relay);

/* The file of a relay. Wipe and free it. */
char *relay_draft_write(const char *name, const struct settings_node *relay);

#endif
