#include "config.h"

#include "receive/visit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "receive/admission.h"
#include "receive/handover.h"
#include "receive/session.h"
#include "receive/transaction.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "smtp/reply.h"
#include "smtp/server.h"

/* What a visit may take of one turn of the loop; others have theirs. */
#define TURN_BYTES (2 * SESSION_READ_SIZE)

static const char hello[] = "EHLO localhost\r\n";

enum guest_state {
	GUEST_NEW,     /* its commands are to come */
	GUEST_POURS,   /* its content is being taken */
	GUEST_WAITS,   /* for the commit, or the outcome */
	GUEST_IS_DONE, /* has its answer */
};

/* One message of a visit. */
struct guest {
	/* first: what its mail knows of us */
	struct transaction transaction;
	struct visit *visit;
	struct handover_message *message;
	enum guest_state state;
	struct smtp_reply_parser parser;
	unsigned replies; /* EHLO's is the first, then MAIL's */
};

struct visit {
	LIST_ENTRY(visit) link;
	struct session_host *host;
	const struct settings *settings;
	struct submitter *submitter;
	struct handover *handover;
	struct event *turn; /* what is left comes in another one */
	struct guest *guests;
	unsigned guest_count;
	unsigned left; /* guests that are not done */
	bool is_busy;
	bool is_taken; /* all contents, and the sender knows */
};

static bool admit(struct visit *visit, const struct submitter_rule *rule,
                  struct smtp_answer *ret_refusal);
static void add_guest(struct visit *visit, unsigned i,
                      const struct submitter_rule *rule);
static void go_on(struct visit *visit);
static void on_turn(evutil_socket_t fd, short what, void *argument);
static void on_progress(struct transaction *transaction);
static void talk(struct guest *guest);
static size_t pour(struct guest *guest, size_t most);
static void read_replies(struct guest *guest);
static void finish(struct guest *guest);
static void tell_taken(struct visit *visit);
static void go_home(struct visit *visit);

/* ----------------------------------------------------------- begin, end */

void visit_begin_take(struct session_host *host, struct handover *handover,
                      const struct settings *settings)
{
	struct visit *visit = xcalloc(1, sizeof(*visit));
	const struct submitter_rule *rule = settings_find_submitter(
	    settings, handover->peer.uid, handover->peer.gids,
	    handover->peer.gid_count);
	struct smtp_answer refusal;
	unsigned i;

	visit->host = host;
	visit->settings = settings_ref(settings);
	visit->handover = handover;
	visit->turn = evtimer_new(host->base, on_turn, visit);
	if (visit->turn == NULL)
		abort();
	visit->guests = xcalloc(handover->count, sizeof(*visit->guests));
	LIST_INSERT_HEAD(&host->visits, visit, link);
	host->session_count++;
	if (!admit(visit, rule, &refusal)) {
		for (i = 0; i < handover->count; i++)
			handover_answer(&handover->messages[i], refusal);
		go_home(visit);
		return;
	}
	visit->left = visit->guest_count = handover->count;
	for (i = 0; i < visit->guest_count; i++)
		add_guest(visit, i, rule);
	go_on(visit);
}

static bool admit(struct visit *visit, const struct submitter_rule *rule,
                  struct smtp_answer *ret_refusal)
{
	struct session_host *host = visit->host;

	if (host->is_draining) {
		*ret_refusal =
		    smtp_answer(421, "4.3.2", "Service is shutting down");
		return false;
	}
	if (host->session_count > visit->settings->receive.connections) {
		*ret_refusal =
		    smtp_answer(421, "4.3.2",
		                "Too many connections in all; try again later");
		return false;
	}
	visit->submitter = admission_enter(
	    host->admission, visit->handover->peer.uid, rule, ret_refusal);
	return visit->submitter != NULL;
}

static void add_guest(struct visit *visit, unsigned i,
                      const struct submitter_rule *rule)
{
	struct guest *guest = &visit->guests[i];
	struct transaction *transaction = &guest->transaction;

	guest->visit = visit;
	guest->message = &visit->handover->messages[i];
	transaction->host = visit->host;
	transaction->settings = visit->settings;
	transaction->peer = &visit->handover->peer;
	transaction->rule = rule;
	transaction->submitter = visit->submitter;
	transaction->on_progress = on_progress;
	transaction->origin_flag = MESSAGE_HTTP;
	if (transaction_init(transaction) == 0)
		return;
	handover_answer(
	    guest->message,
	    smtp_answer(452, "4.3.1", "Out of memory: try again later"));
	finish(guest);
}

void visit_free(struct visit *visit)
{
	struct session_host *host = visit->host;
	unsigned i;

	for (i = 0; i < visit->guest_count; i++)
		transaction_done(&visit->guests[i].transaction);
	event_free(visit->turn);
	admission_leave(host->admission, visit->submitter);
	handover_free(visit->handover);
	settings_unref(visit->settings);
	free(visit->guests);
	LIST_REMOVE(visit, link);
	free(visit);
	if (--host->session_count == 0 && host->on_empty != NULL)
		host->on_empty(host);
}

/* ---------------------------------------------------------------- guests */

/* Whatever has happened: each goes as far as it can. May free the visit. */
static void go_on(struct visit *visit)
{
	static const struct timeval at_once;
	size_t most = TURN_BYTES;
	unsigned i;

	if (visit->is_busy)
		return;
	visit->is_busy = true;
	for (i = 0; i < visit->guest_count && most > 0; i++) {
		struct guest *guest = &visit->guests[i];

		if (guest->state == GUEST_NEW) {
			size_t len = guest->message->commands_len;

			talk(guest);
			most -= len < most ? len : most;
		}
		if (guest->state == GUEST_POURS && most > 0)
			most -= pour(guest, most);
	}
	visit->is_busy = false;
	if (visit->left == 0)
		go_home(visit);
	else if (most == 0)
		(void)event_add(visit->turn, &at_once);
	else
		tell_taken(visit);
}

static void on_turn(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	go_on(argument);
}

/* A slice is stored, or the answer is there. */
static void on_progress(struct transaction *transaction)
{
	struct guest *guest = (struct guest *)(void *)transaction;

	read_replies(guest);
	go_on(guest->visit);
}

/* What the engine says gathers in its output, and stops it where it's much. */
static void feed(struct guest *guest, const char *data, size_t len)
{
	struct smtp_server *server = guest->transaction.server;

	while (len > 0 && guest->state != GUEST_IS_DONE &&
	       !smtp_server_is_finished(server)) {
		size_t used = smtp_server_feed(server, data, len);

		data += used;
		len -= used;
		read_replies(guest);
	}
}

static void talk(struct guest *guest)
{
	struct handover_message *message = guest->message;
	char chunk[48];
	int len;

	feed(guest, hello, strlen(hello));
	feed(guest, message->commands, message->commands_len);
	if (guest->state == GUEST_IS_DONE)
		return;
	if (message->content == NULL) {
		handover_answer(
		    message, smtp_answer(250, "2.0.0", "Ok: would be queued"));
		finish(guest);
		return;
	}
	guest->state = GUEST_POURS;
	len = snprintf(chunk, sizeof(chunk), "BDAT %zu LAST\r\n",
	               evbuffer_get_length(message->content));
	feed(guest, chunk, (size_t)len);
	/* An empty message is at its end already. */
	if (guest->state == GUEST_POURS &&
	    smtp_server_is_suspended(guest->transaction.server))
		guest->state = GUEST_WAITS;
}

/* Returns how much was taken. */
static size_t pour(struct guest *guest, size_t most)
{
	struct transaction *transaction = &guest->transaction;
	struct evbuffer *content = guest->message->content;
	size_t taken = 0;

	while (guest->state == GUEST_POURS && taken < most &&
	       !intake_is_crowded(transaction->intake)) {
		struct evbuffer_iovec piece;
		size_t len = most - taken;

		if (evbuffer_peek(content, -1, NULL, &piece, 1) < 1)
			break;
		if (piece.iov_len < len)
			len = piece.iov_len;
		feed(guest, piece.iov_base, len);
		taken += len;
		(void)evbuffer_drain(content, len);
		if (guest->state == GUEST_POURS &&
		    smtp_server_is_suspended(transaction->server))
			guest->state = GUEST_WAITS;
	}
	return taken;
}

/* --------------------------------------------------------------- answers */

static void take_reply(struct guest *guest, const struct smtp_reply *reply)
{
	struct handover_message *message = guest->message;
	const uint16_t *enhanced = reply->enhanced;

	message->code = reply->code;
	if (enhanced[0] != 0)
		(void)snprintf(message->enhanced, sizeof(message->enhanced),
		               "%u.%u.%u", enhanced[0], enhanced[1],
		               enhanced[2]);
	smtp_reply_text(reply, message->text, sizeof(message->text));
	message->id = guest->transaction.id;
	message->is_replay = guest->transaction.is_replay;
	message->has_waited = guest->transaction.wishes.said.wait_s > 0;
	message->how = guest->transaction.how;
	finish(guest);
}

/* The first refusal is the answer; else the one behind the content is. */
static void read_replies(struct guest *guest)
{
	struct buffer *output = smtp_server_output(guest->transaction.server);
	struct handover_message *message = guest->message;
	struct smtp_reply reply;

	while (guest->state != GUEST_IS_DONE &&
	       smtp_reply_parse(&guest->parser, output->data, output->len,
	                        &reply) == 0) {
		unsigned number = guest->replies++;
		bool is_fine = smtp_reply_is_positive(&reply);

		if (!is_fine && number >= 2 && guest->state == GUEST_NEW)
			message->recipient = (long)number - 2;
		/* RFC 6710 has a status for it. */
		if (is_fine && number == 1 && reply.enhanced[1] == 3 &&
		    reply.enhanced[2] == 6)
			message->is_lowered = true;
		if (!is_fine || guest->state != GUEST_NEW)
			take_reply(guest, &reply);
		buffer_consume(output, reply.size);
	}
	if (guest->state == GUEST_IS_DONE ||
	    !smtp_server_is_finished(guest->transaction.server))
		return;
	/* It has no more words for us: only for want of memory. */
	handover_answer(message, smtp_answer(452, "4.3.1",
	                                     "Out of memory: try again later"));
	finish(guest);
}

/* Its transaction goes with the visit: this may be one of its callbacks. */
static void finish(struct guest *guest)
{
	guest->state = GUEST_IS_DONE;
	guest->visit->left--;
}

static void tell_taken(struct visit *visit)
{
	unsigned i;

	if (visit->is_taken)
		return;
	for (i = 0; i < visit->guest_count; i++)
		if (visit->guests[i].state == GUEST_NEW ||
		    visit->guests[i].state == GUEST_POURS)
			return;
	visit->is_taken = true;
	mailbox_post_take(visit->handover->home, &visit->handover->taken);
}

static void go_home(struct visit *visit)
{
	struct handover *handover = visit->handover;

	visit->handover = NULL;
	visit_free(visit);
	handover->letter.open = handover->on_done;
	mailbox_post_take(handover->home, &handover->letter);
}
