/*
 * selection - which messages a list or a bulk change is about
 *
 * Filled word by word, from a query string or from JSON, under the same
 * names: state, relay, sender, recipient, submitter, tag, since.
 *
 * Thread: the control loop.
 */
#ifndef RELAIS_CONTROL_SELECTION_H
#define RELAIS_CONTROL_SELECTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "queue/queue.h"

/* Beside the bits 1 << enum message_state; queued is what isn't that. */
#define SELECTION_DELIVERING (1u << MESSAGE_RECEIVING)
#define SELECTION_WAITING                                                      \
	(SELECTION_DELIVERING | 1u << MESSAGE_QUEUED | 1u << MESSAGE_HELD |    \
	 1u << MESSAGE_PARKED)

struct selection {
	bool is_restricted; /* to one uid: others can't be asked for */
	/* 0: all states */
	unsigned states;
	/* All but the state; its texts are the four below. */
	struct queue_filter queue;
	char *relay;
	char *sender;
	char *recipient;
	char *tag;
};

#define SELECTION_ERROR_SIZE 256

void selection_init(struct selection *selection);
void selection_done(struct selection *selection);

/*
 * 0; -ENOENT: there is no such name; -EINVAL: no such value, `error` is a
 * sentence that says what was expected.
 */
int selection_set(struct selection *selection, const char *name,
                  const char *value, char error[SELECTION_ERROR_SIZE]);

/* Only this submitter's, whatever is set later. */
void selection_restrict(struct selection *selection, uid_t uid);

/*
 * What queue_list() would say of a record, the relay aside (which is in its
 * lanes) and the states too.
 */
bool selection_matches(const struct selection *selection,
                       const struct message *message);

#endif
