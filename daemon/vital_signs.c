#include "config.h"

#include "vital_signs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "clock.h"
#include "deliver/scheduler.h"
#include "hints.h"
#include "queue/queue.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "service.h"

#define DISK_STUCK_MS  600000 /* a commit may take its time on a slow disk */
#define STATUS_EVERY_S 10
#define STATUS_SIZE    480

struct vital_signs {
	struct vital_signs_params params;
	struct event *status_timer, *watchdog_timer;
	bool is_stopping;
	uint64_t commits; /* when it was looked last */
	bool is_at_rest;
};

static void on_status(evutil_socket_t fd, short what, void *argument);
static void rest(struct vital_signs *signs, uint64_t commits);
static void on_watchdog(evutil_socket_t fd, short what, void *argument);

int vital_signs_new(struct vital_signs **ret_signs,
                    const struct vital_signs_params *params)
{
	const struct timeval at_once = { 0 };
	struct vital_signs *signs = xcalloc(1, sizeof(*signs));
	struct event_base *base = loop_base(params->main_loop);
	uint64_t us = service_watchdog_us() / 2;
	struct timeval watchdog = {
		.tv_sec = (time_t)(us / 1000000),
		.tv_usec = (suseconds_t)(us % 1000000),
	};

	signs->params = *params;
	signs->status_timer = evtimer_new(base, on_status, signs);
	signs->watchdog_timer =
	    event_new(base, -1, EV_PERSIST, on_watchdog, signs);
	if (signs->status_timer == NULL || signs->watchdog_timer == NULL ||
	    event_add(signs->status_timer, &at_once) < 0 ||
	    (us != 0 && event_add(signs->watchdog_timer, &watchdog) < 0)) {
		vital_signs_free(signs);
		return -ENOMEM;
	}
	*ret_signs = signs;
	return 0;
}

void vital_signs_free(struct vital_signs *signs)
{
	if (signs == NULL)
		return;
	if (signs->status_timer != NULL)
		event_free(signs->status_timer);
	if (signs->watchdog_timer != NULL)
		event_free(signs->watchdog_timer);
	free(signs);
}

void vital_signs_set_stopping(struct vital_signs *signs)
{
	signs->is_stopping = true;
}

static void on_status(evutil_socket_t fd, short what, void *argument)
{
	const struct timeval later = { .tv_sec = STATUS_EVERY_S };
	struct vital_signs *signs = argument;
	struct scheduler_query *worst;
	struct queue_counts counts;
	char text[STATUS_SIZE];

	(void)fd;
	(void)what;
	if (signs->is_stopping)
		return;
	(void)event_add(signs->status_timer, &later);
	if (queue_read_counts(signs->params.reader, &counts) < 0)
		return;
	worst = scheduler_find_worst_relay(signs->params.scheduler);
	vital_signs_describe(text, sizeof(text), &counts, worst);
	scheduler_query_free(worst);
	service_notify("STATUS=%s", text);
	rest(signs, counts.commits);
}

static void rest(struct vital_signs *signs, uint64_t commits)
{
	bool is_at_rest = commits == signs->commits;

	if (is_at_rest && !signs->is_at_rest) {
		hints_forget();
		xalloc_give_back();
	}
	signs->is_at_rest = is_at_rest;
	signs->commits = commits;
}

void vital_signs_describe(char *text, size_t size,
                          const struct queue_counts *counts,
                          const struct scheduler_query *worst)
{
	const struct relay_status *relay;
	size_t len;

	(void)snprintf(text, size,
	               "%" PRIu64 " queued, %" PRIu64 " held, "
	               "%" PRIu64 " parked%s",
	               counts->messages[MESSAGE_QUEUED],
	               counts->messages[MESSAGE_HELD],
	               counts->messages[MESSAGE_PARKED],
	               counts->is_full                 ? "; the queue is FULL"
	               : counts->stalled_since_ms != 0 ? "; the disk is STALLED"
	                                               : "");
	if (worst->relay_count == 0)
		return;
	relay = &worst->relays[0];
	len = strlen(text);
	(void)snprintf(text + len, size - len, "; relay %s is %s%s%.200s",
	               relay->name != NULL ? relay->name : "unknown",
	               breaker_state_name(relay->state),
	               relay->fault.text[0] != '\0' ? ": " : "",
	               relay->fault.text);
}

static bool are_loops_turning(const struct vital_signs *signs)
{
	const struct vital_signs_params *params = &signs->params;
	size_t i;

	for (i = 0; i < params->loop_count; i++)
		if (!loop_is_turning(params->loops[i]))
			return false;
	return signs->is_stopping || loop_is_turning(params->receive_loop);
}

static void on_watchdog(evutil_socket_t fd, short what, void *argument)
{
	const struct vital_signs *signs = argument;
	uint64_t idle_ms = (uint64_t)clock_boottime_ms() -
	                   queue_last_progress_ms(signs->params.queue);

	(void)fd;
	(void)what;
	if (are_loops_turning(signs) && idle_ms <= DISK_STUCK_MS)
		service_notify("WATCHDOG=1");
	else
		log_message(LOG_LEVEL_ERR, "stuck",
		            "a thread makes no progress");
}
