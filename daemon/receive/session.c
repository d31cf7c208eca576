#include "config.h"

#include "receive/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "clock.h"
#include "queue_id.h"
#include "receive/envelope_record.h"
#include "receive/fixup.h"
#include "runtime/log.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "smtp/extensions.h"
#include "smtp/server.h"

/* A client that doesn't take its replies for so long is gone. */
#define WRITE_TIMEOUT_S 60

struct session {
	/* first: what the intake knows of us */
	struct intake_owner intake_owner;
	TAILQ_ENTRY(session) link;
	struct session_host *host;
	const struct settings *settings;
	const struct submitter_rule *rule;
	struct submitter *submitter;
	struct peer peer;
	struct smtp_server *server;
	struct intake *intake;
	struct buffer input; /* read, but not yet taken by the engine */
	struct event *read_event;
	struct event *write_event;
	struct timeval read_timeout;
	int fd;
	bool is_reading;
	bool is_paused;  /* until memory is free again */
	bool is_at_end;  /* the client has closed its side */
	bool is_broken;  /* nothing can be written any more */
	bool is_advancing;
	/* of the open transaction's MAIL */
	const char *sender;
	uint64_t size_bytes; /* declared; 0 without */
	char text[200];
};

static void on_readable(evutil_socket_t fd, short what, void *argument);
static void on_writable(evutil_socket_t fd, short what, void *argument);
static void set_paused(struct session *session, bool is_paused);
static void advance(struct session *session);
static void on_slice_done(struct intake_owner *owner);
static void on_submitted(struct intake_owner *owner,
    const struct submission *submission);
static struct smtp_answer on_mail(void *argument,
    const struct smtp_envelope *envelope);
static void on_header(void *argument, const char *header, size_t len);
static void on_content(void *argument, const char *data, size_t len);
static void on_message_end(void *argument,
    const struct smtp_envelope *envelope);
static void on_reset(void *argument);

static const struct smtp_server_callbacks callbacks = {
	.on_mail = on_mail,
	.on_header = on_header,
	.on_content = on_content,
	.on_message_end = on_message_end,
	.on_reset = on_reset,
};

/* ----------------------------------------------------------- begin, end */

static int make_server(struct session *session)
{
	const struct settings_receive *receive = &session->settings->receive;
	const struct smtp_server_settings settings = {
		.hostname = session->settings->hostname,
		.extensions = SMTP_EXT_BASIC,
		.message_size_bytes = receive->message_size_bytes,
		.max_recipients = receive->recipients,
		.header_size_bytes = receive->header_size_bytes,
	};

	return smtp_server_new(&session->server, &settings, &callbacks,
	    session);
}

static int make_events(struct session *session)
{
	session->read_event = event_new(session->host->base, session->fd,
	    EV_READ | EV_PERSIST, on_readable, session);
	session->write_event = event_new(session->host->base, session->fd,
	    EV_WRITE, on_writable, session);
	if (session->read_event == NULL || session->write_event == NULL)
		return -ENOMEM;
	return 0;
}

void session_start(struct session_host *host, int fd, struct peer *peer,
    const struct settings *settings)
{
	struct session *session = xcalloc(1, sizeof(*session));
	struct smtp_answer refusal = { 0 };

	session->host = host;
	session->fd = fd;
	session->peer = *peer;
	session->settings = settings_ref(settings);
	session->read_timeout.tv_sec = settings->receive.timeout_s;
	buffer_init(&session->input, 0);
	session->intake_owner = (struct intake_owner){
		.queue = host->queue,
		.home = host->home,
		.budget = &host->budget,
		.on_slice_done = on_slice_done,
		.on_submitted = on_submitted,
	};
	session->intake = intake_new(&session->intake_owner);
	session->rule = settings_find_submitter(settings, peer->uid,
	    peer->gids, peer->gid_count);
	TAILQ_INSERT_TAIL(&host->sessions, session, link);
	host->session_count++;
	if (make_server(session) < 0 || make_events(session) < 0) {
		session_free(session);
		return;
	}

	session->submitter = admission_enter(host->admission, peer->uid,
	    session->rule, &refusal);
	if (session->submitter == NULL)
		smtp_server_close(session->server, refusal);
	else if (host->is_draining ||
	    host->session_count > settings->receive.connections)
		smtp_server_close(session->server,
		    smtp_answer(421, "4.3.2",
			"Too many connections in all; try again later"));
	else
		smtp_server_greet(session->server);
	advance(session);
}

void session_free(struct session *session)
{
	struct session_host *host;

	if (session == NULL)
		return;
	host = session->host;
	if (session->read_event != NULL)
		event_free(session->read_event);
	if (session->write_event != NULL)
		event_free(session->write_event);
	intake_free(session->intake);
	smtp_server_free(session->server);
	set_paused(session, false);
	admission_leave(host->admission, session->submitter);
	(void)close(session->fd);
	buffer_done(&session->input);
	peer_done(&session->peer);
	settings_unref(session->settings);
	TAILQ_REMOVE(&host->sessions, session, link);
	free(session);
	if (--host->session_count == 0 && host->on_empty != NULL)
		host->on_empty(host);
}

struct session *session_next(struct session *session)
{
	return TAILQ_NEXT(session, link);
}

void session_drain(struct session *session)
{
	if (smtp_server_is_suspended(session->server))
		return; /* its answer comes first; see on_submitted() */
	smtp_server_close(session->server,
	    smtp_answer(421, "4.3.2", "Service is shutting down"));
	advance(session);
}

/* ----------------------------------------------------------------- bytes */

static void set_reading(struct session *session, bool is_reading)
{
	if (is_reading == session->is_reading)
		return;
	session->is_reading = is_reading;
	if (is_reading)
		(void)event_add(session->read_event, &session->read_timeout);
	else
		(void)event_del(session->read_event);
}

static void on_silence(struct session *session)
{
	if (smtp_server_is_suspended(session->server))
		return; /* we are the silent one */
	smtp_server_close(session->server,
	    smtp_answer(421, "4.4.2", "Time-out: nothing came for too long"));
	advance(session);
}

/* Gives bytes to the engine; what it doesn't take stays in the input. */
static void feed(struct session *session, const char *data, size_t len)
{
	size_t used = smtp_server_feed(session->server, data, len);

	/* The rest is at most what one read brought: reading stops now. */
	if (used < len &&
	    buffer_append(&session->input, data + used, len - used) < 0)
		session->is_broken = true;
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
	struct session *session = argument;
	ssize_t len;

	if ((what & EV_READ) == 0) {
		on_silence(session);
		return;
	}
	if (smtp_server_is_suspended(session->server) ||
	    session->input.len > 0) {
		/* Not our turn; left in the kernel until it is. */
		set_reading(session, false);
		return;
	}
	len = read(fd, session->host->scratch, SESSION_READ_SIZE);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0)
		session->is_at_end = true;
	else
		feed(session, session->host->scratch, (size_t)len);
	advance(session);
}

static void on_writable(evutil_socket_t fd, short what, void *argument)
{
	struct session *session = argument;

	(void)fd;
	if ((what & EV_WRITE) == 0)
		session->is_broken = true; /* it takes no replies */
	advance(session);
}

static void flush_output(struct session *session)
{
	static const struct timeval timeout = { .tv_sec = WRITE_TIMEOUT_S };
	struct buffer *output = smtp_server_output(session->server);
	ssize_t written;

	while (output->len > 0) {
		written = write(session->fd, output->data, output->len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN) {
			(void)event_add(session->write_event, &timeout);
			return;
		}
		if (written < 0) {
			session->is_broken = true;
			return;
		}
		buffer_consume(output, (size_t)written);
	}
}

/* Feeds what was left over, as far as the engine takes it now. */
static void feed_rest(struct session *session)
{
	size_t used;

	while (session->input.len > 0 &&
	    !smtp_server_is_suspended(session->server) &&
	    !smtp_server_is_finished(session->server)) {
		used = smtp_server_feed(session->server, session->input.data,
		    session->input.len);
		if (used == 0)
			return;
		buffer_consume(&session->input, used);
	}
}

static bool has_room(struct session *session)
{
	struct memory_budget *budget = &session->host->budget;

	if (intake_is_crowded(session->intake))
		return false;
	if (budget->used_bytes < budget->limit_bytes)
		return true;
	/* The large ones stop first; a small message can still be ended. */
	return intake_held_bytes(session->intake) < BODY_PIECE_MAX &&
	    budget->used_bytes < budget->limit_bytes / 4 * 5;
}

static void set_paused(struct session *session, bool is_paused)
{
	if (is_paused == session->is_paused)
		return;
	session->is_paused = is_paused;
	if (is_paused)
		session->host->paused_count++;
	else
		session->host->paused_count--;
}

static bool is_over(struct session *session)
{
	if (session->is_broken)
		return true;
	if (smtp_server_is_finished(session->server))
		return smtp_server_output(session->server)->len == 0;
	return session->is_at_end && session->input.len == 0 &&
	    !smtp_server_is_suspended(session->server);
}

/* Whatever has happened: goes as far as it can. May free the session. */
static void advance(struct session *session)
{
	if (session->is_advancing)
		return;
	session->is_advancing = true;
	feed_rest(session);
	flush_output(session);
	session->is_advancing = false;
	if (is_over(session)) {
		session_free(session);
		return;
	}
	set_paused(session, !has_room(session));
	if (session->is_paused)
		intake_relieve(session->intake);
	/* While suspended the event stays: most clients wait for the answer,
	 * and then nothing has to be told to the kernel twice. */
	if (smtp_server_is_suspended(session->server))
		return;
	set_reading(session, !session->is_paused && !session->is_at_end &&
	    session->input.len == 0 &&
	    smtp_server_output(session->server)->len == 0);
}

/* Memory is free again: those that had to stop reading go on. */
static void resume_paused(struct session_host *host)
{
	struct session *session, *next;

	if (host->paused_count == 0)
		return;
	for (session = TAILQ_FIRST(&host->sessions); session != NULL;
	    session = next) {
		next = TAILQ_NEXT(session, link);
		if (session->is_paused && has_room(session))
			advance(session);
	}
}

/* --------------------------------------------------- events of the engine */

static struct smtp_answer answer_for(int result)
{
	switch (result) {
	case -ENOSPC:
		return smtp_answer(452, "4.3.1",
		    "The queue is full: try again later");
	case -EBUSY:
		return smtp_answer(452, "4.3.1",
		    "The disk is too slow just now: try again later");
	case -ENOMEM:
		return smtp_answer(452, "4.3.1",
		    "Out of memory: try again later");
	default:
		return smtp_answer(451, "4.3.0",
		    "The queue can't be written: try again later");
	}
}

static struct smtp_answer on_mail(void *argument,
    const struct smtp_envelope *envelope)
{
	struct session *session = argument;
	uint64_t size_bytes = envelope->params.size_bytes;
	int r;

	r = queue_may_accept(session->host->queue, size_bytes);
	if (r < 0)
		return answer_for(r);
	session->size_bytes = size_bytes;
	session->sender = envelope->sender;
	return admission_check_mail(session->submitter, session->rule,
	    envelope->sender);
}

/* The transaction is open: on_mail() came before. */
static void on_header(void *argument, const char *header, size_t len)
{
	struct session *session = argument;
	struct message *message = message_new();
	struct smtp_answer answer;
	char *kept = NULL;
	size_t kept_len = 0;

	if (!fixup_header(message, session->settings, session->sender,
		header, len, &kept, &kept_len, &answer)) {
		message_free(message);
		smtp_server_fail_message(session->server, answer);
		return;
	}
	intake_begin(session->intake, session->size_bytes);
	intake_take_header(session->intake, message, kept, kept_len);
}

static void on_content(void *argument, const char *data, size_t len)
{
	struct session *session = argument;
	int r;

	if (intake_message(session->intake) == NULL)
		return; /* it has failed; this is drained */
	r = intake_add(session->intake, data, len);
	if (r == 0)
		return;
	intake_abandon(session->intake);
	smtp_server_fail_message(session->server, answer_for(r));
}

static void on_message_end(void *argument, const struct smtp_envelope *envelope)
{
	struct session *session = argument;
	struct message *message = intake_message(session->intake);
	struct smtp_answer answer;

	message->uid = session->peer.uid;
	message->gid = session->peer.gid;
	if (!session->peer.has_credentials)
		message->flags |= MESSAGE_FROM_TCP;
	if (smtp_server_is_lmtp(session->server))
		message->flags |= MESSAGE_LMTP;
	message->helo = message_dup_text(message,
	    smtp_server_helo(session->server));
	if (!envelope_record(message, session->settings, envelope, &answer)) {
		intake_abandon(session->intake);
		smtp_server_answer_message(session->server, answer);
		return;
	}
	intake_submit(session->intake, session->settings);
}

static void on_reset(void *argument)
{
	struct session *session = argument;

	intake_abandon(session->intake);
}

/* ------------------------------------------------- letters of the queue */

static void log_accepted(const struct session *session, uint64_t id)
{
	struct log_line line;

	if (!log_is_wanted(LOG_LEVEL_DEBUG))
		return;
	log_begin(&line, LOG_LEVEL_DEBUG, "accepted");
	log_id(&line, "id", id);
	log_number(&line, "uid", (int64_t)session->peer.uid);
	log_number(&line, "pid", (int64_t)session->peer.pid);
	log_text(&line, "sender", session->sender);
	log_end(&line);
}

static void on_submitted(struct intake_owner *owner,
    const struct submission *submission)
{
	struct session *session = (struct session *)(void *)owner;
	struct session_host *host = session->host;
	char id[QUEUE_ID_SIZE];
	int result = submission->job.result;

	queue_id_format(submission->id, id);
	if (result == 0) {
		(void)snprintf(session->text, sizeof(session->text),
		    "Ok: queued as %s%s", id,
		    submission->is_replay ? " (duplicate)" : "");
		log_accepted(session, submission->id);
		smtp_server_answer_message(session->server,
		    smtp_answer(250, "2.0.0", session->text));
	} else if (result == -EEXIST) {
		(void)snprintf(session->text, sizeof(session->text),
		    "The key belongs to another message: %s", id);
		smtp_server_answer_message(session->server,
		    smtp_answer(554, "5.5.4", session->text));
	} else {
		log_message(LOG_LEVEL_ERR, "refused",
		    "a message of uid %lu was not stored: %s",
		    (unsigned long)session->peer.uid, strerror(-result));
		smtp_server_answer_message(session->server,
		    answer_for(result));
	}
	if (host->is_draining)
		smtp_server_close(session->server,
		    smtp_answer(421, "4.3.2", "Service is shutting down"));
	advance(session);
	resume_paused(host);
}

static void on_slice_done(struct intake_owner *owner)
{
	struct session *session = (struct session *)(void *)owner;
	struct session_host *host = session->host;

	advance(session);
	resume_paused(host);
}
