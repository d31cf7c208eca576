#include "config.h"

#include "receive/receiver.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>

#include "receive/handover.h"
#include "receive/listener.h"
#include "receive/outbox.h"
#include "receive/session.h"
#include "receive/visit.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* A stop waits so long for clients to end their messages. */
#define DRAIN_LOOKS   10
#define DRAIN_LOOK_MS 500

struct receiver {
	struct session_host host;
	struct loop *loop;
	const struct settings *settings;
	bool needs_groups; /* a rule looks at the peer's groups */
	struct listener **listeners;
	size_t listener_count;
	struct event *drain_timer;
	unsigned drain_looks;
	struct letter drain_letter;
};

struct new_settings {
	struct letter letter;
	struct receiver *receiver;
	const struct settings *settings;
};

static void on_client(void *owner, int fd, const struct listener *listener);
static void on_new_settings(struct letter *letter);
static void on_handover(struct letter *letter);
static void on_drain(struct letter *letter);
static void look_at_sessions(struct receiver *receiver);
static void on_drain_time(evutil_socket_t fd, short what, void *argument);
static void on_empty(struct session_host *host);
static int fd_limit(void);
static void use_settings(struct receiver *receiver,
                         const struct settings *settings);

int receiver_new(struct receiver **ret_receiver, struct loop *loop,
                 struct queue *queue, const struct settings *settings)
{
	struct receiver *receiver = xcalloc(1, sizeof(*receiver));
	struct session_host *host = &receiver->host;
	int r;

	receiver->loop = loop;
	host->base = loop_base(loop);
	host->queue = queue;
	host->on_empty = on_empty;
	host->owner = receiver;
	host->scratch = xmalloc(SESSION_READ_SIZE);
	TAILQ_INIT(&host->sessions);
	LIST_INIT(&host->visits);
	host->fd_limit = fd_limit();
	use_settings(receiver, settings);
	receiver->drain_timer =
	    evtimer_new(host->base, on_drain_time, receiver);
	r = -ENOMEM;
	if (receiver->drain_timer == NULL)
		goto out;
	r = mailbox_new(&host->home, loop);
	if (r < 0)
		goto out;
	r = outbox_new(&host->outbox, host->base, LOOP_USUAL, queue);
	if (r < 0)
		goto out;
	r = outbox_new(&host->crowd_outbox, host->base, LOOP_CROWD, queue);
	if (r < 0)
		goto out;
	r = admission_new(&host->admission);
	if (r < 0)
		goto out;
	r = waiters_new(&host->waiters, host->base, queue, host->home);
	if (r < 0)
		goto out;

	*ret_receiver = receiver;
	receiver = NULL;
out:
	receiver_free(receiver);
	return r;
}

/* The kernel gives the lowest number that is free: a high one means that few
 * are left. A quarter is kept for what goes out and for who asks. */
static int fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur / 4 * 3 > INT_MAX)
		return INT_MAX;
	return (int)(limit.rlim_cur / 4 * 3);
}

static void use_settings(struct receiver *receiver,
                         const struct settings *settings)
{
	size_t i;

	settings_unref(receiver->settings);
	receiver->settings = settings_ref(settings);
	receiver->host.budget.limit_bytes = settings->receive.memory_bytes;
	receiver->needs_groups = false;
	for (i = 0; i < settings->submitter_count; i++)
		receiver->needs_groups |= settings->submitters[i].has_group;
}

static void add_listener(struct receiver *receiver, struct listener *listener)
{
	receiver->listeners =
	    xrealloc(receiver->listeners, (receiver->listener_count + 1) *
	                                      sizeof(*receiver->listeners));
	receiver->listeners[receiver->listener_count++] = listener;
}

int receiver_listen(struct receiver *receiver, int passed_fd, char **ret_error)
{
	const struct settings_receive *receive = &receiver->settings->receive;
	const struct listener_owner owner = { on_client, receiver };
	struct listener *listener;
	size_t i;
	int r;

	if (passed_fd >= 0)
		r = listener_new_passed(&listener, receiver->host.base,
		                        passed_fd, &owner, ret_error);
	else
		r = listener_new_unix(&listener, receiver->host.base,
		                      receive->socket, receive->socket_mode,
		                      &owner, ret_error);
	if (r < 0)
		return r;
	add_listener(receiver, listener);
	for (i = 0; i < receive->listen_count; i++) {
		r = listener_new_tcp(
		    &listener, receiver->host.base, receive->listen[i].address,
		    receive->listen[i].port, receive->listen[i].user, &owner);
		if (r < 0) {
			*ret_error =
			    xasprintf("can't listen on %s port %u: %s",
			              receive->listen[i].address,
			              receive->listen[i].port, strerror(-r));
			return r;
		}
		add_listener(receiver, listener);
	}
	return 0;
}

static void on_client(void *owner, int fd, const struct listener *listener)
{
	struct receiver *receiver = owner;
	struct peer peer;
	int r = 0;

	if (listener_is_unix(listener))
		r = peer_read(&peer, fd, receiver->needs_groups);
	else
		peer_assume(&peer, listener_uid(listener));
	if (r < 0) {
		log_message(LOG_LEVEL_WARNING, "peer_unknown",
		            "a client without credentials was left: %s",
		            strerror(-r));
		peer_done(&peer);
		(void)close(fd);
		return;
	}
	session_start(&receiver->host, fd, &peer, receiver->settings);
}

void receiver_apply_settings(struct receiver *receiver,
                             const struct settings *settings)
{
	struct new_settings *news = xcalloc(1, sizeof(*news));

	news->letter.open = on_new_settings;
	news->receiver = receiver;
	news->settings = settings_ref(settings);
	mailbox_post_take(receiver->host.home, &news->letter);
}

static void on_new_settings(struct letter *letter)
{
	struct new_settings *news =
	    LETTER_OF(letter, struct new_settings, letter);

	use_settings(news->receiver, news->settings);
	settings_unref(news->settings);
	free(news);
}

void receiver_hand_over_take(struct receiver *receiver,
                             struct handover *handover)
{
	handover->receiver = receiver;
	handover->letter.open = on_handover;
	mailbox_post_take(receiver->host.home, &handover->letter);
}

static void on_handover(struct letter *letter)
{
	struct handover *handover = LETTER_OF(letter, struct handover, letter);
	struct receiver *receiver = handover->receiver;

	visit_begin_take(&receiver->host, handover, receiver->settings);
}

void receiver_drain(struct receiver *receiver)
{
	receiver->drain_letter.open = on_drain;
	mailbox_post_take(receiver->host.home, &receiver->drain_letter);
}

static void free_listeners(struct receiver *receiver)
{
	size_t i;

	for (i = 0; i < receiver->listener_count; i++)
		listener_free(receiver->listeners[i]);
	free(receiver->listeners);
	receiver->listeners = NULL;
	receiver->listener_count = 0;
}

static void on_drain(struct letter *letter)
{
	struct receiver *receiver =
	    LETTER_OF(letter, struct receiver, drain_letter);

	free_listeners(receiver);
	receiver->host.is_draining = true;
	if (receiver->host.session_count == 0) {
		loop_stop(receiver->loop);
		return;
	}
	waiters_end_all(receiver->host.waiters);
	look_at_sessions(receiver);
}

/* The last session that ends stops the loop. */
static void look_at_sessions(struct receiver *receiver)
{
	static const struct timeval pause = {
		.tv_usec = DRAIN_LOOK_MS * 1000,
	};
	bool is_final = receiver->drain_looks++ == DRAIN_LOOKS;
	struct session *session, *next;

	(void)event_add(receiver->drain_timer, &pause);
	session = TAILQ_FIRST(&receiver->host.sessions);
	for (; session != NULL; session = next) {
		next = session_next(session);
		session_drain(session, is_final);
	}
	if (is_final)
		loop_stop(receiver->loop);
}

static void on_drain_time(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	look_at_sessions(argument);
}

static void on_empty(struct session_host *host)
{
	struct receiver *receiver = host->owner;

	if (host->is_draining)
		loop_stop(receiver->loop);
}

void receiver_free(struct receiver *receiver)
{
	if (receiver == NULL)
		return;
	receiver->host.on_empty = NULL;
	while (!TAILQ_EMPTY(&receiver->host.sessions))
		session_free(TAILQ_FIRST(&receiver->host.sessions));
	while (!LIST_EMPTY(&receiver->host.visits))
		visit_free(LIST_FIRST(&receiver->host.visits));
	free_listeners(receiver);
	if (receiver->drain_timer != NULL)
		event_free(receiver->drain_timer);
	outbox_free(receiver->host.outbox);
	outbox_free(receiver->host.crowd_outbox);
	admission_free(receiver->host.admission);
	waiters_free(receiver->host.waiters);
	queue_reader_free(receiver->host.reader);
	mailbox_free(receiver->host.home);
	free(receiver->host.scratch);
	settings_unref(receiver->settings);
	free(receiver);
}
