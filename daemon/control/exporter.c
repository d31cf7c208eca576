#include "config.h"

#include "control/exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "buffer.h"
#include "control/control_internal.h"
#include "control/metrics.h"
#include "control/metrics_port.h"
#include "deliver/scheduler.h"
#include "runtime/log.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define EVERY_S 10

struct exporter {
	struct control *control;
	struct event *timer;
	struct metrics_port *port;     /* NULL: none is set */
	struct scheduler_query *query; /* under way; or NULL */
	bool has_failed;               /* to write the file, last time */
};

static void on_time(evutil_socket_t fd, short what, void *argument);
static void on_answer(struct letter *letter);
static void export(struct exporter *exporter, const char *text, size_t len);
static int write_file(const char *path, const char *text, size_t len);

struct exporter *exporter_new(struct control *control)
{
	const struct timeval at_once = { 0 };
	struct exporter *exporter = xcalloc(1, sizeof(*exporter));
	uint16_t port = control->settings->metrics.port;
	int r = 0;

	exporter->control = control;
	exporter->timer = evtimer_new(control->base, on_time, exporter);
	if (exporter->timer == NULL || event_add(exporter->timer, &at_once) < 0)
		abort();
	if (port != 0)
		r = metrics_port_new(&exporter->port, control->base, port);
	if (r < 0)
		log_message(LOG_LEVEL_ERR, "metrics",
		            "port %u cannot be used: %s", port, strerror(-r));
	return exporter;
}

void exporter_stop(struct exporter *exporter)
{
	if (exporter == NULL)
		return;
	if (exporter->timer != NULL)
		event_free(exporter->timer);
	exporter->timer = NULL;
	metrics_port_free(exporter->port);
	exporter->port = NULL;
}

void exporter_free(struct exporter *exporter)
{
	exporter_stop(exporter);
	free(exporter);
}

static void on_time(evutil_socket_t fd, short what, void *argument)
{
	const struct timeval later = { .tv_sec = EVERY_S };
	struct exporter *exporter = argument;
	struct control *control = exporter->control;

	(void)fd;
	(void)what;
	(void)event_add(exporter->timer, &later);
	if (exporter->query != NULL ||
	    (exporter->port == NULL &&
	     control->settings->metrics.textfile == NULL))
		return;
	exporter->query = scheduler_query_new();
	exporter->query->home = control->mailbox;
	exporter->query->on_done = on_answer;
	exporter->query->context = exporter;
	scheduler_ask_take(control->scheduler, exporter->query);
}

static void on_answer(struct letter *letter)
{
	struct scheduler_query *query =
	    LETTER_OF(letter, struct scheduler_query, letter);
	struct exporter *exporter = query->context;
	struct buffer text;

	buffer_init(&text, METRICS_MAX);
	if (metrics_print(&text, exporter->control, query,
	                  exporter->control->settings) == 0)
		export(exporter, text.data, text.len);
	buffer_done(&text);
	exporter->query = NULL;
	scheduler_query_free(query);
}

/* A file that cannot be written is said once, and tried again. */
static void export(struct exporter *exporter, const char *text, size_t len)
{
	const char *path = exporter->control->settings->metrics.textfile;
	int r = 0;

	if (exporter->port != NULL)
		metrics_port_set_text(exporter->port, text, len);
	if (path != NULL)
		r = write_file(path, text, len);
	if (r < 0 && !exporter->has_failed)
		log_message(LOG_LEVEL_WARNING, "metrics",
		            "%s cannot be written: %s", path, strerror(-r));
	exporter->has_failed = r < 0;
}

/* Whole or not at all: node_exporter reads at any time. */
static int write_file(const char *path, const char *text, size_t len)
{
	char *draft = xasprintf("%s.new", path);
	ssize_t written;
	int fd;
	int r = 0;

	fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	          0644);
	if (fd < 0) {
		r = -errno;
		goto out;
	}
	/* The collector is another user, whatever our umask is. */
	if (fchmod(fd, 0644) < 0)
		r = -errno;
	written = write(fd, text, len);
	if (r == 0 && written < 0)
		r = -errno;
	if (r == 0 && (size_t)written < len)
		r = -ENOSPC;
	(void)close(fd);
	if (r == 0 && rename(draft, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(draft);
out:
	free(draft);
	return r;
}
