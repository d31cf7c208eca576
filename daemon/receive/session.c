#include "config.h"

#include "receive/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "clock.h"
#include "receive/transaction.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "smtp/answer.h"
#include "smtp/server.h"

/* What is read in one turn of the loop before each gets little at a time. */
#define TURN_BYTES (2 * SESSION_READ_SIZE)

/* A client whose content is refused is read from so often. */
#define PACE_MS 10

/* A client that doesn't take its replies for so long is gone. */
#define WRITE_TIMEOUT_S 60

struct session {
	/* first: what its mail knows of us */
	struct transaction transaction;
	TAILQ_ENTRY(session) link;
	struct session_host *host;
	const struct settings *settings;
	struct submitter *submitter;
	struct peer peer;
	struct smtp_server *server; /* the transaction's */
	struct buffer input;        /* read, but not yet taken by the engine */
	struct event *read_event;
	struct event *write_event;
	struct event *turn_event; /* it goes on; made when needed */
	struct timeval read_timeout;
	int fd;
	bool is_reading;
	bool is_paced;  /* for a moment */
	bool is_at_end; /* the client has closed its side */
	bool is_broken; /* nothing can be written any more */
	bool is_advancing;
};

static void on_readable(evutil_socket_t fd, short what, void *argument);
static void on_writable(evutil_socket_t fd, short what, void *argument);
static void wait_for_turn(struct session *session);
static void advance(struct session *session);
static void on_progress(struct transaction *transaction);

/* ----------------------------------------------------------- begin, end */

static int make_events(struct session *session)
{
	session->read_event =
	    event_new(session->host->base, session->fd, EV_READ | EV_PERSIST,
	              on_readable, session);
	session->write_event = event_new(session->host->base, session->fd,
	                                 EV_WRITE, on_writable, session);
	if (session->read_event == NULL || session->write_event == NULL)
		return -ENOMEM;
	if (session->transaction.is_crowd) {
		(void)event_priority_set(session->read_event, LOOP_CROWD);
		(void)event_priority_set(session->write_event, LOOP_CROWD);
	}
	return 0;
}

/* Who is told no costs next to nothing: there may be very many of them. */
static void refuse(int fd, struct peer *peer, struct smtp_answer refusal)
{
	char line[SMTP_ANSWER_SIZE];

	smtp_answer_format(refusal, line);
	(void)send(fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(fd);
	peer_done(peer);
}

/* NULL: there is none; *ret_refusal says why. */
static struct submitter *find_place(struct session_host *host, int fd,
                                    uid_t uid, const struct settings *settings,
                                    const struct submitter_rule *rule,
                                    struct smtp_answer *ret_refusal)
{
	if (host->is_draining ||
	    host->session_count >= settings->receive.connections) {
		*ret_refusal =
		    smtp_answer(421, "4.3.2",
		                "Too many connections in all; try again later");
		if (!host->is_draining)
			transaction_log_refusal(host, uid, *ret_refusal);
		return NULL;
	}
	if (fd >= host->fd_limit) {
		*ret_refusal = smtp_answer(
		    421, "4.3.2", "Out of descriptors; try again later");
		transaction_log_refusal(host, uid, *ret_refusal);
		return NULL;
	}
	return admission_enter(host->admission, uid, rule, ret_refusal);
}

void session_start(struct session_host *host, int fd, struct peer *peer,
                   const struct settings *settings)
{
	const struct submitter_rule *rule = settings_find_submitter(
	    settings, peer->uid, peer->gids, peer->gid_count);
	struct smtp_answer refusal = { 0 };
	struct submitter *submitter =
	    find_place(host, fd, peer->uid, settings, rule, &refusal);
	struct session *session;

	if (submitter == NULL) {
		refuse(fd, peer, refusal);
		return;
	}
	session = xcalloc(1, sizeof(*session));
	session->host = host;
	session->fd = fd;
	session->peer = *peer;
	session->settings = settings_ref(settings);
	session->read_timeout.tv_sec = settings->receive.timeout_s;
	buffer_init(&session->input, 0);
	session->transaction.host = host;
	session->transaction.settings = settings;
	session->transaction.peer = &session->peer;
	session->transaction.rule = rule;
	session->transaction.on_progress = on_progress;
	TAILQ_INSERT_TAIL(&host->sessions, session, link);
	host->session_count++;
	session->submitter = submitter;
	session->transaction.submitter = submitter;
	session->transaction.is_crowd = admission_is_crowd(submitter);
	if (transaction_init(&session->transaction) < 0 ||
	    make_events(session) < 0) {
		session_free(session);
		return;
	}

	session->server = session->transaction.server;
	smtp_server_greet(session->server);
	if (session->transaction.is_crowd)
		wait_for_turn(session);
	else
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
	if (session->turn_event != NULL)
		event_free(session->turn_event);
	transaction_done(&session->transaction);
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

void session_drain(struct session *session, bool is_final)
{
	struct transaction *transaction = &session->transaction;

	if (smtp_server_is_suspended(session->server))
		return; /* its answer comes first; see on_submitted() */
	if (!is_final && transaction_is_expected(transaction))
		return;
	if (!is_final && !transaction->is_idle) {
		transaction->is_idle = true; /* it may want to say QUIT */
		return;
	}
	smtp_server_close(
	    session->server,
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
	smtp_server_close(
	    session->server,
	    smtp_answer(421, "4.4.2", "Time-out: nothing came for too long"));
	advance(session);
}

static void on_turn(evutil_socket_t fd, short what, void *argument)
{
	struct session *session = argument;

	(void)fd;
	(void)what;
	session->is_paced = false;
	advance(session);
}

/* NULL: no memory. */
static struct event *turn_of(struct session *session)
{
	if (session->turn_event == NULL) {
		session->turn_event =
		    evtimer_new(session->host->base, on_turn, session);
		if (session->turn_event != NULL &&
		    session->transaction.is_crowd)
			(void)event_priority_set(session->turn_event,
			                         LOOP_CROWD);
	}
	return session->turn_event;
}

static void wait_for_turn(struct session *session)
{
	struct event *turn = turn_of(session);

	if (turn != NULL)
		event_active(turn, EV_TIMEOUT, 0);
	else
		advance(session);
}

/* What is refused already is not worth our time: it is read in small sips. */
static void pace(struct session *session)
{
	static const struct timeval moment = { .tv_usec = PACE_MS * 1000 };
	struct event *turn;

	if (session->is_paced || !smtp_server_is_draining(session->server))
		return;
	turn = turn_of(session);
	session->is_paced = turn != NULL && event_add(turn, &moment) == 0;
}

/* A byte now and then is no silence, but no message either. */
static bool is_too_slow(const struct session *session)
{
	return smtp_server_is_in_content(session->server) &&
	       clock_monotonic_us() - session->transaction.began_us >
	           session->settings->receive.deadline_s * 1000000LL;
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

/*
 * In a turn of the loop those who pour have much together, not each: a client
 * with a few words waits for one turn at each of them. What each may always
 * bring is a message of usual size.
 */
static size_t read_size(struct session_host *host)
{
	struct timeval now;

	(void)event_base_gettimeofday_cached(host->base, &now);
	if (evutil_timercmp(&now, &host->turn, !=)) {
		host->turn = now;
		host->turn_bytes = 0;
	}
	return host->turn_bytes < TURN_BYTES ? SESSION_READ_SIZE
	                                     : SESSION_READ_SIZE / 8;
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
	len = read(fd, session->host->scratch, read_size(session->host));
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0)
		session->is_at_end = true;
	else
		feed(session, session->host->scratch, (size_t)len);
	session->host->turn_bytes += len > 0 ? (uint64_t)len : 0;
	if (is_too_slow(session))
		smtp_server_close(
		    session->server,
		    smtp_answer(421, "4.4.2",
		                "Time-out: the message took too long"));
	pace(session);
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

/* Is something left over that the engine will take? */
static bool may_feed(const struct session *session)
{
	return session->input.len > 0 && !session->is_broken &&
	       smtp_server_output(session->server)->len == 0 &&
	       !smtp_server_is_suspended(session->server) &&
	       !smtp_server_is_finished(session->server);
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

/*
 * The message is whole: what its envelope was told can change nothing any more,
 * and goes with the answer to its content, in one write. Not where that answer
 * is the relay's.
 */
static bool holds_replies(const struct session *session)
{
	return smtp_server_is_suspended(session->server) &&
	       session->transaction.wishes.said.wait_s == 0;
}

/*
 * Who has less than the store takes reads on: it could not be relieved of it,
 * and would wait for others that can't either. So whoever must not read has a
 * slice under way, whose end wakes it.
 */
static bool may_read_on(struct session *session)
{
	const struct memory_budget *budget = &session->host->budget;
	struct intake *intake = session->transaction.intake;

	if (intake_is_crowded(intake))
		return false;
	return budget->used_bytes < budget->limit_bytes ||
	       !intake_relieve(intake);
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
	/* An answer that is there does not wait for the next message. */
	if (!holds_replies(session))
		flush_output(session);
	/* Pipelined commands whose replies fill the output are taken up again
	 * as soon as those are written: nothing else would wake us. */
	do {
		feed_rest(session);
		if (!holds_replies(session))
			flush_output(session);
	} while (may_feed(session));
	session->is_advancing = false;
	if (is_over(session)) {
		session_free(session);
		return;
	}
	/* While suspended the event stays: most clients wait for the answer,
	 * and then nothing has to be told to the kernel twice. */
	if (smtp_server_is_suspended(session->server))
		return;
	set_reading(session, may_read_on(session) && !session->is_paced &&
	                         !session->is_at_end &&
	                         session->input.len == 0 &&
	                         smtp_server_output(session->server)->len == 0);
}

static void on_progress(struct transaction *transaction)
{
	struct session *session = (struct session *)(void *)transaction;

	if (session->transaction.is_crowd)
		wait_for_turn(session);
	else
		advance(session);
}
