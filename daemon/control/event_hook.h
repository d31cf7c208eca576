/*
 * event_hook - gives the events of the feed to a command of the administrator
 *
 * events.command is run with one or more events on its standard input, an
 * object in JSON a line, one run after the other. The feed in the store is the
 * queue: here is a position in it alone, so that a slow command costs nobody
 * anything. Who falls too far behind, or fails, misses events; they are
 * counted. Nothing is remembered over a restart: relais-webhook(8) does that.
 *
 * Thread: the control loop.
 */
#ifndef RELAIS_CONTROL_EVENT_HOOK_H
#define RELAIS_CONTROL_EVENT_HOOK_H

#include <stdbool.h>
#include <stdint.h>

struct command_helper;
struct control;
struct event_hook;

struct event_hook *event_hook_new(struct control *control,
                                  struct command_helper *helper);
/* What runs comes home and is freed; nothing is started any more. */
void event_hook_stop(struct event_hook *hook);
void event_hook_free(struct event_hook *hook);

/* control->settings have changed. */
void event_hook_apply_settings(struct event_hook *hook);

struct event_hook_status {
	bool is_set;
	uint64_t events;           /* given to runs that ended well */
	uint64_t failed;           /* given to others */
	uint64_t dropped;          /* given to none */
	uint64_t behind;           /* not given yet */
	const char *problem;       /* of the last run; NULL: it ended well */
	uint64_t problem_since_ms; /* wall */
};
void event_hook_look(const struct event_hook *hook,
                     struct event_hook_status *ret_status);

#endif
