/*
 * loop - an event base and the thread that owns it
 *
 * Every long-lived object of the daemon belongs to one loop; only that loop's
 * thread touches it. Loops share nothing: what one wants of another travels
 * through a mailbox (mailbox.h).
 */
#ifndef RELAIS_RUNTIME_LOOP_H
#define RELAIS_RUNTIME_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct loop;

/*
 * Prepares libevent for threads, ignores SIGPIPE, and takes over libevent's
 * own messages. Once, before the first loop.
 */
int loop_prepare_process(void);

/*
 * Priorities of events, beside the one they have without a word. Whoever is one
 * of a crowd is served when nobody else waits, and then so briefly that nobody
 * has to wait for long.
 */
#define LOOP_PRIORITIES 3
#define LOOP_USUAL      1
#define LOOP_CROWD      2

/* The name is shown as the thread's (15 characters at most); borrowed. */
int loop_new(struct loop **ret_loop, const char *name);

/* Runs the loop in a thread of its own. 0 or -errno. */
int loop_start(struct loop *loop);

/* Runs the loop in the calling thread until loop_stop(). */
int loop_run(struct loop *loop);

/* Any thread. The loop finishes the callback it is in, then ends. */
void loop_stop(struct loop *loop);

/* Waits for the thread of loop_start(). */
void loop_join(struct loop *loop);

/* After loop_join(): what is active now runs, in the thread that calls. */
void loop_finish(struct loop *loop);

/* After loop_join(); every event of its base must be gone. */
void loop_free(struct loop *loop);

/* For the loop's own thread, and before it is started. */
struct event_base *loop_base(struct loop *loop);

/* True in the loop's thread, and in any thread before it runs. */
bool loop_is_mine(const struct loop *loop);

/*
 * Has the loop turned of late? It does at least once a second; one that has
 * not for half a minute is stuck. Any thread.
 */
bool loop_is_turning(const struct loop *loop);

#endif
