#include "config.h"

#include "control/metrics.h"

#include <inttypes.h>

#include "clock.h"
#include "control/control_internal.h"
#include "control/event_hook.h"
#include "control/handlers.h"
#include "control/request.h"
#include "deliver/scheduler.h"
#include "queue/queue.h"
#include "queue/tag_counts.h"
#include "runtime/log.h"
#include "settings.h"
#include "staging.h"

/* Of one relay, one family each. */
struct family {
	const char *name;
	const char *type;
	const char *help;
	uint64_t (*value)(const struct relay_status *status);
};

static int add_messages(struct buffer *out, const struct queue_counts *counts,
                        uint64_t delivering);
static int add_number(struct buffer *out, const char *name, const char *type,
                      const char *help, uint64_t value);
static int add_event_hook(struct buffer *out, const struct control *control);
static void count_staging(void *context, const char *what, const char *next);
static int add_store(struct buffer *out, const struct queue_counts *counts);
static int add_tags(struct buffer *out);
static int add_label(struct buffer *out, const char *text);
static int add_relays(struct buffer *out,
                      const struct scheduler_query *scheduler);
static int add_waiting(struct buffer *out,
                       const struct scheduler_query *scheduler);
static int add_states(struct buffer *out,
                      const struct scheduler_query *scheduler);

void status_metrics(struct request *request)
{
	struct buffer out;
	char *data = NULL;
	size_t len = 0;
	int r;

	buffer_init(&out, METRICS_MAX);
	r = metrics_print(&out, request->control, request->scheduler,
	                  request->settings);
	if (r == 0)
		r = buffer_take(&out, &data, &len);
	if (r < 0)
		request_fail_errno(request, r);
	else
		request_reply_text_take(request, METRICS_TYPE, data, len);
	buffer_done(&out);
}

int metrics_print(struct buffer *out, const struct control *control,
                  const struct scheduler_query *scheduler,
                  const struct settings *settings)
{
	struct queue_counts counts;
	uint64_t staged = 0;
	int r;

	staging_describe(settings, count_staging, &staged);
	r = queue_read_counts(control->reader, &counts);
	if (r == 0)
		r = buffer_appendf(
		    out,
		    "# HELP relais_build_info The version that runs.\n"
		    "# TYPE relais_build_info gauge\n"
		    "relais_build_info{version=\"%s\"} 1\n",
		    PACKAGE_VERSION);
	if (r == 0)
		r = add_number(out, "relais_start_time_seconds", "gauge",
		               "When relaisd started, seconds since 1970.",
		               control->started_ms / 1000);
	if (r == 0)
		r = add_number(
		    out, "relais_staging", "gauge",
		    "Settings that keep mail from its recipients on purpose.",
		    staged);
	if (r == 0)
		r = add_messages(out, &counts, scheduler->delivering_count);
	if (r == 0)
		r = add_store(out, &counts);
	if (r == 0)
		r = add_event_hook(out, control);
	if (r == 0)
		r = add_relays(out, scheduler);
	if (r == 0)
		r = add_tags(out);
	return r;
}

static int add_event_hook(struct buffer *out, const struct control *control)
{
	struct event_hook_status hook;
	int r;

	event_hook_look(control->event_hook, &hook);
	if (!hook.is_set)
		return 0;
	r = buffer_appendf(
	    out,
	    "# HELP relais_event_command_events_total Events that "
	    "events.command was run with, and those it missed.\n"
	    "# TYPE relais_event_command_events_total counter\n"
	    "relais_event_command_events_total{end=\"given\"} %" PRIu64 "\n"
	    "relais_event_command_events_total{end=\"failed\"} %" PRIu64 "\n"
	    "relais_event_command_events_total{end=\"dropped\"} %" PRIu64 "\n",
	    hook.events, hook.failed, hook.dropped);
	if (r == 0)
		r = add_number(
		    out, "relais_event_command_behind", "gauge",
		    "Events that events.command has yet to be run with.",
		    hook.behind);
	return r;
}

static void count_staging(void *context, const char *what, const char *next)
{
	(void)what;
	(void)next;
	++*(uint64_t *)context;
}

static int add_messages(struct buffer *out, const struct queue_counts *counts,
                        uint64_t delivering)
{
	int state;
	int r;

	r = buffer_appendf(
	    out, "# HELP relais_messages Messages in the store by state.\n"
		 "# TYPE relais_messages gauge\n");
	for (state = MESSAGE_QUEUED; r == 0 && state < MESSAGE_STATES; state++)
		r = buffer_appendf(
		    out, "relais_messages{state=\"%s\"} %" PRIu64 "\n",
		    message_state_name((enum message_state)state),
		    counts->messages[state]);
	if (r == 0)
		r = add_number(out, "relais_messages_delivering", "gauge",
		               "Messages that are being handed over now.",
		               delivering);
	return r;
}

static int add_number(struct buffer *out, const char *name, const char *type,
                      const char *help, uint64_t value)
{
	return buffer_appendf(out,
	                      "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n",
	                      name, help, name, type, name, value);
}

static int add_store(struct buffer *out, const struct queue_counts *counts)
{
	const struct {
		const char *name;
		const char *type;
		const char *help;
		uint64_t value;
	} rows[] = {
		{ "relais_store_used_bytes", "gauge", "What the store holds.",
		  counts->bytes_used },
		{ "relais_store_maximum_bytes", "gauge",
		  "Where new mail is put off.", counts->bytes_maximum },
		{ "relais_disk_free_bytes", "gauge",
		  "Free on the store's disk.", counts->disk_free },
		{ "relais_store_full", "gauge",
		  "1 while new mail is put off for lack of room.",
		  counts->is_full },
		{ "relais_store_stalled", "gauge",
		  "1 while the disk doesn't answer.",
		  counts->stalled_since_ms != 0 },
		{ "relais_commits_total", "counter",
		  "Transactions since the start.", counts->commits },
		{ "relais_committed_jobs_total", "counter", "Jobs they had.",
		  counts->committed_jobs },
		{ "relais_log_dropped_total", "counter",
		  "Log lines lost because the log was too slow.",
		  log_dropped() },
	};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < sizeof(rows) / sizeof(rows[0]); i++)
		r = add_number(out, rows[i].name, rows[i].type, rows[i].help,
		               rows[i].value);
	return r;
}

static uint64_t connections_of(const struct relay_status *status)
{
	return status->connections;
}

static uint64_t oldest_due_of(const struct relay_status *status)
{
	return status->oldest_due_age_s;
}

static uint64_t delivered_of(const struct relay_status *status)
{
	return status->delivered;
}

static uint64_t refused_of(const struct relay_status *status)
{
	return status->refused;
}

static uint64_t faults_of(const struct relay_status *status)
{
	return status->faults;
}

static int add_relays(struct buffer *out,
                      const struct scheduler_query *scheduler)
{
	static const struct family families[] = {
		{ "relais_relay_connections", "gauge", "Open connections.",
		  connections_of },
		{ "relais_relay_oldest_due_seconds", "gauge",
		  "How long the oldest due part has waited.", oldest_due_of },
		{ "relais_relay_delivered_total", "counter",
		  "Recipients delivered since the start.", delivered_of },
		{ "relais_relay_refused_total", "counter",
		  "Recipients refused for good since the start.", refused_of },
		{ "relais_relay_faults_total", "counter",
		  "Faults of the relay since the start.", faults_of },
	};
	size_t i, k;
	int r = add_waiting(out, scheduler);

	if (r == 0)
		r = add_states(out, scheduler);
	for (i = 0; r == 0 && i < sizeof(families) / sizeof(families[0]); i++) {
		r = buffer_appendf(out, "# HELP %s %s\n# TYPE %s %s\n",
		                   families[i].name, families[i].help,
		                   families[i].name, families[i].type);
		for (k = 0; r == 0 && k < scheduler->relay_count; k++)
			r = buffer_appendf(
			    out, "%s{relay=\"%s\"} %" PRIu64 "\n",
			    families[i].name, scheduler->relays[k].name,
			    families[i].value(&scheduler->relays[k]));
	}
	return r;
}

static int add_waiting(struct buffer *out,
                       const struct scheduler_query *scheduler)
{
	size_t i;
	int priority;
	int r;

	r = buffer_appendf(
	    out, "# HELP relais_relay_waiting_parts Parts that wait.\n"
		 "# TYPE relais_relay_waiting_parts gauge\n");
	for (i = 0; r == 0 && i < 3 * scheduler->relay_count; i++) {
		priority = (int)(i % 3);
		r = buffer_appendf(
		    out,
		    "relais_relay_waiting_parts{relay=\"%s\",priority=\"%s\"} "
		    "%" PRIu64 "\n",
		    scheduler->relays[i / 3].name,
		    priority_name((enum priority)priority),
		    scheduler->relays[i / 3].waiting[priority]);
	}
	return r;
}

static int add_states(struct buffer *out,
                      const struct scheduler_query *scheduler)
{
	size_t i;
	int state;
	int r;

	r = buffer_appendf(
	    out, "# HELP relais_relay_state 1 for the state the relay is in.\n"
		 "# TYPE relais_relay_state gauge\n");
	for (i = 0; r == 0 && i < scheduler->relay_count; i++)
		for (state = BREAKER_CLOSED; r == 0 && state <= BREAKER_PAUSED;
		     state++)
			r = buffer_appendf(
			    out,
			    "relais_relay_state{relay=\"%s\",state=\"%s\"} "
			    "%d\n",
			    scheduler->relays[i].name,
			    breaker_state_name((enum breaker_state)state),
			    (int)scheduler->relays[i].state == state);
	return r;
}

/* Every tag that found room, and "" for the rest. */
static int add_tags(struct buffer *out)
{
	static const char *const ends[TAG_EVENTS] = {
		[TAG_ACCEPTED] = "accepted",
		[TAG_DELIVERED] = "delivered",
		[TAG_FAILED] = "failed",
		[TAG_EXPIRED] = "expired",
	};
	uint64_t counts[TAG_EVENTS];
	size_t i;
	int event;
	int r;

	r = buffer_appendf(
	    out,
	    "# HELP relais_tag_recipients_total Recipients since the start, by "
	    "tag, of the first %d tags; an empty one stands for the others.\n"
	    "# TYPE relais_tag_recipients_total counter\n",
	    TAG_COUNTS);
	for (i = 0; r == 0 && i <= TAG_COUNTS; i++) {
		const char *tag = tag_counts_read(i, counts);

		for (event = 0; tag && r == 0 && event < TAG_EVENTS; event++) {
			r = buffer_append_string(
			    out, "relais_tag_recipients_total{tag=\"");
			if (r == 0)
				r = add_label(out, tag);
			if (r == 0)
				r = buffer_appendf(
				    out, "\",event=\"%s\"} %" PRIu64 "\n",
				    ends[event], counts[event]);
		}
	}
	return r;
}

static int add_label(struct buffer *out, const char *text)
{
	int r = 0;

	for (; r == 0 && *text; text++)
		if (*text == '\n')
			r = buffer_append_string(out, "\\n");
		else if (*text == '"' || *text == '\\')
			r = buffer_appendf(out, "\\%c", *text);
		else
			r = buffer_append(out, text, 1);
	return r;
}
