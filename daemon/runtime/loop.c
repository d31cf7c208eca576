#include "config.h"

#include "runtime/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <event2/event.h>
#include <event2/thread.h>

#include "clock.h"
#include "runtime/log.h"
#include "runtime/xalloc.h"

#define STUCK_MS 30000

#define DESCRIPTORS_WANTED 16384

/* Of a crowd's events so much before the others are looked for again. */
#define CROWD_SLICE_US  50
#define CROWD_SLICE_MAX 8

struct loop {
	const char *name;
	struct event_base *base;
	struct event *turn; /* keeps the loop turning once a second */
	pthread_t thread;
	bool has_thread;
	_Atomic(bool) is_running;
	_Atomic(pthread_t) owner;
	_Atomic(uint64_t) last_turn_ms;
};

static void allow_descriptors(void);
static struct event_base *make_base(void);
static void on_libevent_message(int severity, const char *message);
static void on_turn(evutil_socket_t fd, short what, void *argument);
static void *thread_main(void *argument);

int loop_prepare_process(void)
{
	/* A peer that is gone shows as EPIPE where we write, a limit on the
	 * size of files as EFBIG. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return -errno;
	allow_descriptors();
	/* evhttp of libevent 2.1 crashes where one of its small allocations
	 * fails; ours end the process in order. What passes through its buffers
	 * may be a password on its way to a relay's settings. */
	event_set_mem_functions(xmalloc, xrealloc_wiping, xfree_wiping);
	event_set_log_callback(on_libevent_message);
	return evthread_use_pthreads() < 0 ? -ENOMEM : 0;
}

/* The usual 1024 are for programs with select(2), which we don't use. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur >= DESCRIPTORS_WANTED)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED
	                     ? limit.rlim_max
	                     : DESCRIPTORS_WANTED;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void on_libevent_message(int severity, const char *message)
{
	enum log_level level = LOG_LEVEL_DEBUG;

	if (severity == EVENT_LOG_ERR)
		level = LOG_LEVEL_ERR;
	else if (severity == EVENT_LOG_WARN)
		level = LOG_LEVEL_WARNING;
	log_message(level, "libevent", "%s", message);
}

int loop_new(struct loop **ret_loop, const char *name)
{
	static const struct timeval second = { .tv_sec = 1 };
	struct loop *loop = calloc(1, sizeof(*loop));
	int r = -ENOMEM;

	if (loop == NULL)
		return r;
	loop->name = name;
	loop->base = make_base();
	if (loop->base == NULL)
		goto out;
	loop->turn = event_new(loop->base, -1, EV_PERSIST, on_turn, loop);
	if (loop->turn == NULL || event_add(loop->turn, &second) < 0)
		goto out;
	atomic_store(&loop->last_turn_ms, (uint64_t)clock_boottime_ms());

	*ret_loop = loop;
	loop = NULL;
	r = 0;
out:
	loop_free(loop);
	return r;
}

static struct event_base *make_base(void)
{
	static const struct timeval slice = { .tv_usec = CROWD_SLICE_US };
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config == NULL)
		return NULL;
	if (event_config_set_max_dispatch_interval(
		config, &slice, CROWD_SLICE_MAX, LOOP_CROWD) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	if (base != NULL &&
	    event_base_priority_init(base, LOOP_PRIORITIES) < 0) {
		event_base_free(base);
		base = NULL;
	}
	return base;
}

static void on_turn(evutil_socket_t fd, short what, void *argument)
{
	struct loop *loop = argument;

	(void)fd;
	(void)what;
	atomic_store(&loop->last_turn_ms, (uint64_t)clock_boottime_ms());
}

int loop_start(struct loop *loop)
{
	sigset_t all, old;
	int r;

	/* Signals are the main loop's: new threads start with all blocked. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&loop->thread, NULL, thread_main, loop);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0)
		return -r;
	loop->has_thread = true;
	return 0;
}

static void *thread_main(void *argument)
{
	struct loop *loop = argument;

	(void)pthread_setname_np(pthread_self(), loop->name);
	(void)loop_run(loop);
	return NULL;
}

int loop_run(struct loop *loop)
{
	int r;

	atomic_store(&loop->owner, pthread_self());
	atomic_store(&loop->is_running, true);
	r = event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
	atomic_store(&loop->is_running, false);
	return r < 0 ? -EIO : 0;
}

void loop_stop(struct loop *loop)
{
	(void)event_base_loopexit(loop->base, NULL);
}

void loop_join(struct loop *loop)
{
	if (!loop->has_thread)
		return;
	(void)pthread_join(loop->thread, NULL);
	loop->has_thread = false;
}

void loop_finish(struct loop *loop)
{
	assert(!loop->has_thread);
	(void)event_base_loop(loop->base, EVLOOP_NONBLOCK);
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	assert(!loop->has_thread);
	if (loop->turn != NULL)
		event_free(loop->turn);
	if (loop->base != NULL)
		event_base_free(loop->base);
	free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

bool loop_is_mine(const struct loop *loop)
{
	return !atomic_load(&loop->is_running) ||
	       pthread_equal(atomic_load(&loop->owner), pthread_self());
}

bool loop_is_turning(const struct loop *loop)
{
	return (uint64_t)clock_boottime_ms() -
	           atomic_load(&loop->last_turn_ms) <
	       STUCK_MS;
}
