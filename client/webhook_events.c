#include "config.h"

#include "webhook_events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "http.h"
#include "json.h"

/* An event is far smaller; this is no event of ours. */
#define DATA_MAX (16 * 1024 * 1024)

struct webhook_events {
	struct http *http;
	uint64_t start;
	/* The one that is being read, or was given out last. */
	struct webhook_event event;
	struct buffer data;
	bool is_given;
};

static int read_refusal(struct http *http, struct webhook_gap *ret_gap);
static int read_start(struct webhook_events *events);
static int read_field(struct webhook_events *events, const char *line);
static int read_gone(const struct webhook_event *event,
                     struct webhook_gap *ret_gap);

int webhook_events_open(struct webhook_events **ret_events,
                        const char *socket_path, uint64_t position,
                        struct webhook_gap *ret_gap)
{
	struct webhook_events *events = calloc(1, sizeof(*events));
	char target[64] = "/v1/events";
	int r;

	if (!events)
		return -ENOMEM;
	buffer_init(&events->data, DATA_MAX);
	if (position != WEBHOOK_NOW)
		(void)snprintf(target, sizeof(target),
		               "/v1/events?since=%" PRIu64, position);
	r = http_open(&events->http, socket_path, "GET", target, NULL, NULL);
	if (r == 0 && http_status(events->http) != 200)
		r = read_refusal(events->http, ret_gap);
	if (r == 0)
		r = read_start(events);
	if (r < 0)
		webhook_events_close(events);
	else
		*ret_events = events;
	return r;
}

void webhook_events_close(struct webhook_events *events)
{
	if (!events)
		return;
	http_close(events->http);
	buffer_done(&events->data);
	free(events);
}

uint64_t webhook_events_start(const struct webhook_events *events)
{
	return events->start;
}

static int read_refusal(struct http *http, struct webhook_gap *ret_gap)
{
	struct json *answer = NULL;
	char *body = NULL;
	size_t len = 0;
	int r;

	if (http_status(http) == 403 || http_status(http) == 429)
		return -EACCES;
	if (http_status(http) != 410)
		return -EPROTO;
	r = http_read_all(http, &body, &len);
	if (r == 0)
		answer = json_parse(body, len);
	ret_gap->oldest =
	    (uint64_t)json_number(json_member(answer, "error"), "oldest");
	json_free(answer);
	free(body);
	return r < 0 ? r : -ERANGE;
}

/* ": events after 12" */
static int read_start(struct webhook_events *events)
{
	const char *line;
	int r = http_read_line(events->http, &line);

	if (r == 0 &&
	    sscanf(line, ": events after %" SCNu64, &events->start) != 1)
		r = -EPROTO;
	return r;
}

int webhook_events_next(struct webhook_events *events, int patience_ms,
                        struct webhook_event *ret_event,
                        struct webhook_gap *ret_gap)
{
	struct webhook_event *event = &events->event;
	const char *line;
	int r = 0;

	if (events->is_given) {
		*event = (struct webhook_event){ .sequence = 0 };
		buffer_clear(&events->data);
	}
	events->is_given = false;
	http_set_patience(events->http, patience_ms);
	while (r == 0) {
		r = http_read_line(events->http, &line);
		if (r == 0 && *line == '\0' && events->data.len > 0)
			break;
		if (r == 0)
			r = read_field(events, line);
	}
	if (r < 0)
		return r;
	events->is_given = true;
	event->data = events->data.data;
	event->data_len = events->data.len;
	*ret_event = *event;
	if (strcmp(event->kind, "gone") == 0)
		return read_gone(event, ret_gap);
	return event->sequence > 0 ? 0 : -EPROTO;
}

/* Comments, and fields that are not known, are skipped. */
static int read_field(struct webhook_events *events, const char *line)
{
	struct webhook_event *event = &events->event;

	if (strncmp(line, "id: ", 4) == 0)
		event->sequence = strtoull(line + 4, NULL, 10);
	else if (strncmp(line, "event: ", 7) == 0)
		(void)snprintf(event->kind, sizeof(event->kind), "%s",
		               line + 7);
	else if (strncmp(line, "data: ", 6) == 0)
		return buffer_append_string(&events->data, line + 6);
	return 0;
}

static int read_gone(const struct webhook_event *event,
                     struct webhook_gap *ret_gap)
{
	struct json *data = json_parse(event->data, event->data_len);

	ret_gap->oldest = (uint64_t)json_number(data, "oldest");
	json_free(data);
	return -ERANGE;
}

int webhook_events_ask_view(const char *socket_path, bool *ret_is_administrator)
{
	struct json *status = NULL;
	struct http *http;
	char *body = NULL;
	size_t len = 0;
	int r = http_open(&http, socket_path, "GET", "/v1/status", NULL, NULL);

	if (r < 0)
		return r;
	r = http_read_all(http, &body, &len);
	if (r == 0) {
		status = json_parse(body, len);
		*ret_is_administrator = json_flag(status, "administrator");
	}
	json_free(status);
	free(body);
	http_close(http);
	return r;
}
