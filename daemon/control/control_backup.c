/*
 * control_backup - GET /v1/backup: the queue as it is at one moment
 *
 * A thread of its own copies the store into a pipe, in one read transaction:
 * mail goes on meanwhile, and what is replaced takes room in the store until
 * the copy has ended. Here the pipe's end is handed to the client, as fast as
 * that takes it. One backup at a time.
 */
#include "config.h"

#include "control/handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "control/control_internal.h"
#include "control/request.h"
#include "queue/queue.h"
#include "runtime/log.h"
#include "runtime/xalloc.h"

#define PIECE_SIZE (256 * 1024)

struct backup {
	struct control *control;
	struct request *request;
	struct event *readable;
	pthread_t copier;
	int from, to; /* the pipe; `to` is the copier's */
	int result;   /* of the copier, once it is joined */
};

static void *copier_main(void *argument);
static void on_readable(evutil_socket_t fd, short what, void *argument);
static void on_drained(struct request *request);
static void on_gone(struct request *request);
static int backup_end(struct backup *backup);

void backup_begin(struct request *request)
{
	struct control *control = request->control;
	struct backup *backup;
	int ends[2];

	if (control->backup != NULL) {
		request_fail(request, 409, "backup_runs", NULL,
		             "another backup is under way");
		return;
	}
	if (pipe2(ends, O_CLOEXEC) < 0) {
		request_fail_errno(request, -errno);
		return;
	}
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	backup = xcalloc(1, sizeof(*backup));
	backup->control = control;
	backup->request = request;
	backup->from = ends[0];
	backup->to = ends[1];
	backup->readable = event_new(control->base, backup->from, EV_READ,
	                             on_readable, backup);
	if (backup->readable == NULL ||
	    pthread_create(&backup->copier, NULL, copier_main, backup) != 0)
		abort();
	control->backup = backup;
	request_log(request, "backup", 0, NULL, -1);
	request->context = backup;
	request->on_gone = on_gone;
	request_stream_begin(request, "application/octet-stream", -1);
	on_drained(request);
}

static void *copier_main(void *argument)
{
	struct backup *backup = argument;

	(void)pthread_setname_np(pthread_self(), "relais-backup");
	backup->result = queue_copy(backup->control->queue, backup->to);
	(void)close(backup->to);
	return NULL;
}

static void on_drained(struct request *request)
{
	struct backup *backup = request->context;

	(void)event_add(backup->readable, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
	struct backup *backup = argument;
	struct request *request = backup->request;
	struct evbuffer *out = evbuffer_new();
	int got, r;

	(void)what;
	if (out == NULL)
		abort();
	got = evbuffer_read(out, fd, PIECE_SIZE);
	if (got > 0) {
		request_stream_send(request, out, on_drained);
	} else if (got < 0 && errno == EAGAIN) {
		on_drained(request);
	} else {
		r = backup_end(backup);
		if (r == 0)
			request_stream_end(request);
		else
			request_stream_cut(request); /* it is not whole */
	}
	evbuffer_free(out);
}

/* The copier's next write fails. Also when relaisd stops. */
static void on_gone(struct request *request)
{
	(void)backup_end(request->context);
	request_free(request);
}

static int backup_end(struct backup *backup)
{
	int r;

	backup->control->backup = NULL;
	event_free(backup->readable);
	(void)close(backup->from);
	(void)pthread_join(backup->copier, NULL);
	r = backup->result;
	if (r < 0 && r != -EPIPE)
		log_message(LOG_LEVEL_ERR, "backup", "the copy failed: %s",
		            strerror(-r));
	free(backup);
	return r;
}
