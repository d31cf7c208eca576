/*
 * control - the control API: HTTP and JSON over control.sock
 *
 * Every request is authorised by the kernel's word about its client (promise
 * P7): an administrator may do all, others see and cancel their own messages.
 * Changes travel as jobs through the scheduler and are answered when they are
 * on disk; reads are this loop's own.
 *
 * Thread: everything on the control loop, but for what says "any thread".
 */
#ifndef RELAIS_CONTROL_CONTROL_H
#define RELAIS_CONTROL_CONTROL_H

#include "runtime/mailbox.h"
#include "settings.h"

struct command_helper;
struct handover;
struct control;
struct loop;
struct queue;
struct resolver;
struct scheduler;
struct settings;

#define CONTROL_EDITS_MAX 3

/*
 * Someone asked for a reload, with or without changes to generated files. The
 * main loop loads the settings as they would be, and only if they are right
 * gives the files their names and takes the settings over. It fills in the
 * result and posts the letter home with open = on_done, behind the settings.
 */
struct control_reload {
	struct letter letter;
	struct mailbox *home;
	void (*on_done)(struct letter *letter);
	void *context; /* the asker's */
	/* The asker has written and synced what is at new_path. */
	struct settings_edit edits[CONTROL_EDITS_MAX];
	unsigned edit_count;
	/* 0; -EINVAL: the old settings stay; else what the files met with. */
	int result;
	/* What was wrong or odd, one a line; malloc'ed, the asker's; or NULL */
	char *report;
};

struct control_params {
	struct loop *loop;
	struct queue *queue;
	struct scheduler *scheduler;
	/* For tests of relays; borrowed until control_free(). */
	struct resolver *resolver;
	struct command_helper *helper;
	struct oauth *oauth;
	const struct settings *settings; /* control takes a reference */
	int listen_fd; /* passed by the service manager, taken; or -1 */
	/* Any thread: hands the reload to the main loop. */
	void (*reload_take)(void *context, struct control_reload *reload);
	void *reload_context;
	/* Any thread: hands mail to the receiver. */
	void (*hand_over_take)(void *context, struct handover *handover);
	void *hand_over_context;
};

/*
 * Listens at control.socket, or at listen_fd. Before the loop runs, after
 * queue_open() and before queue_start(). On error *ret_error is a sentence for
 * the log; the caller frees it.
 */
int control_new(struct control **ret_control,
                const struct control_params *params, char **ret_error);

/* Any thread: from the next request on. Takes a reference. */
void control_apply_settings(struct control *control,
                            const struct settings *settings);

/*
 * After loop_join() of its loop, queue_stop() and scheduler_free(): what was
 * under way is dropped. Before loop_free() and queue_free().
 */
void control_free(struct control *control);

#endif
