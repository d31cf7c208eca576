#include "config.h"

#include "deliver/slot.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "deliver/attempt.h"
#include "deliver/credentials.h"
#include "deliver/link.h"
#include "deliver/worker.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* A slot that has had no work for so long is gone. */
#define UNUSED_S 600

enum slot_state {
	SLOT_IDLE,
	AWAIT_ROOM,   /* too many verdicts wait for the disk */
	AWAIT_LINK,   /* a connection is on its way */
	AWAIT_RESULT, /* of a transaction */
};

struct slot {
	LIST_ENTRY(slot) link;
	struct workshop *workshop;
	uint32_t number;
	enum slot_state state;
	struct event *unused;
	struct link *connection;
	struct attempt *attempt;

	struct assignment *assignment;
	unsigned current;     /* index of its part in hand */
	uint32_t forgotten;   /* a bit for each of its parts */
	bool has_reconnected; /* for this part, free of charge */
	bool has_renewed;     /* the secrets, for this part */
	uint32_t sender;      /* of this part: a hash */
	bool was_refused;     /* the brake is to hear of that first */

	/* The last result; its verdicts are with the attempt. */
	bool is_stale;
	struct verdict fault;
	char *fault_host; /* or NULL */
};

static void next_part(struct slot *slot);
static void send_transaction(struct slot *slot);
static void finish_part(struct slot *slot, const struct verdict *fault);
static void expire_parts(struct slot *slot);
static void go_home(struct slot *slot);
static void on_ready(void *context);
static void on_failed(void *context, const struct verdict *verdict,
                      const char *host);
static void on_result(void *context, const struct transport_result *result);
static void on_sent(void *context);
static void on_unused(evutil_socket_t fd, short what, void *context);

/* ------------------------------------------------------------ life cycle */

struct slot *slot_new(struct workshop *workshop, uint32_t number,
                      struct slot_list *list)
{
	struct slot *slot = xcalloc(1, sizeof(*slot));
	const struct link_events events = {
		.on_ready = on_ready,
		.on_failed = on_failed,
		.on_result = on_result,
		.on_sent = on_sent,
		.context = slot,
	};

	slot->workshop = workshop;
	slot->number = number;
	slot->attempt = attempt_new(workshop->queue, workshop->reader);
	slot->connection = link_new(workshop, &events);
	slot->unused = evtimer_new(loop_base(workshop->loop), on_unused, slot);
	if (!slot->unused)
		abort();
	LIST_INSERT_HEAD(list, slot, link);
	return slot;
}

void slot_free(struct slot *slot)
{
	LIST_REMOVE(slot, link);
	event_free(slot->unused);
	link_free(slot->connection);
	attempt_free(slot->attempt);
	assignment_free(slot->assignment);
	free(slot->fault_host);
	free(slot);
}

static void on_unused(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	slot_free(context);
}

struct slot *slot_next(const struct slot *slot)
{
	return LIST_NEXT(slot, link);
}

uint32_t slot_number(const struct slot *slot)
{
	return slot->number;
}

/* ----------------------------------------------------------------- parts */

void slot_assign_take(struct slot *slot, struct assignment *assignment)
{
	assert(!slot->assignment);
	assert(assignment->part_count <= ASSIGNMENT_PARTS_MAX);
	(void)evtimer_del(slot->unused);
	slot->assignment = assignment;
	slot->current = 0;
	slot->forgotten = 0;
	slot->was_refused = false;
	for (unsigned i = 0; i < assignment->part_count; i++)
		assignment->parts[i].outcome = PART_NOT_TRIED;
	if (assignment->is_expiring)
		expire_parts(slot);
	else
		next_part(slot);
}

void slot_forget(struct slot *slot, uint64_t id)
{
	const struct assignment *assignment = slot->assignment;

	if (!assignment)
		return;
	for (unsigned i = slot->current; i < assignment->part_count; i++)
		if (assignment->parts[i].id == id)
			slot->forgotten |= UINT32_C(1) << i;
	if (slot->current < assignment->part_count &&
	    assignment->parts[slot->current].id == id)
		attempt_forget(slot->attempt);
}

void slot_on_room(struct slot *slot)
{
	if (slot->state == AWAIT_ROOM)
		next_part(slot);
}

void slot_on_settings(struct slot *slot)
{
	if (slot->state == SLOT_IDLE)
		link_on_settings(slot->connection);
}

void slot_cut(struct slot *slot)
{
	link_disconnect(slot->connection);
	switch (slot->state) {
	case SLOT_IDLE:
		return;
	case AWAIT_ROOM:
		break;
	case AWAIT_LINK:
	case AWAIT_RESULT:
		attempt_cut(slot->attempt);
		finish_part(slot, NULL);
		break;
	}
	go_home(slot);
}

static void mark_gone(struct slot *slot)
{
	slot->assignment->parts[slot->current++].outcome = PART_GONE;
}

/* What the settings say or this connection has said; 0: neither. */
static uint64_t size_limit(const struct slot *slot)
{
	uint64_t limit = slot->assignment->relay->limits.size_bytes;
	uint64_t learnt = 0;

	if (link_is_open(slot->connection))
		learnt = link_size_limit(slot->connection);
	return limit == 0 || (learnt != 0 && learnt < limit) ? learnt : limit;
}

/* What the breaker of the relay, or with `direct` of the domain, acts on. */
static void charge_relay(struct slot *slot, const struct verdict *fault)
{
	struct assignment *assignment = slot->assignment;

	assignment->fault = *fault;
	free(assignment->fault_host);
	assignment->fault_host = slot->fault_host;
	slot->fault_host = NULL;
}

/* All that goes this way waits, as for a fault of the relay. */
static void wait_for_memory(struct slot *slot)
{
	struct verdict fault;

	verdict_local(&fault, VERDICT_TEMPORARY, SCOPE_RELAY, PHASE_NAME,
	              FAULT_OTHER, attempt_problem(slot->attempt));
	slot->assignment->parts[slot->current++].outcome = PART_RETURNED;
	charge_relay(slot, &fault);
}

/* False: this part is over already. */
static bool begin_part(struct slot *slot)
{
	struct assignment *assignment = slot->assignment;
	uint64_t limit = size_limit(slot);
	bool is_by_others = assignment->is_expiring || assignment->is_fallback;
	const struct attempt_task task = {
		.settings = assignment->settings,
		.relay = assignment->relay,
		.domain = is_by_others ? NULL : assignment->domain,
		.id = assignment->parts[slot->current].id,
		.part = assignment->parts[slot->current].part,
		.size_limit = assignment->is_fallback ? 0 : limit,
	};

	slot->has_reconnected = slot->has_renewed = false;
	switch (attempt_begin(slot->attempt, &task)) {
	case ATTEMPT_BEGUN:
		if (!assignment->is_fallback ||
		    attempt_suits_fallback(slot->attempt, limit,
		                           assignment->takes_unknown))
			break;
		attempt_drop(slot->attempt);
		assignment->parts[slot->current++].outcome = PART_KEPT;
		return false;
	case ATTEMPT_DECIDED:
		finish_part(slot, NULL);
		return false;
	case ATTEMPT_GONE:
		mark_gone(slot);
		return false;
	case ATTEMPT_MISROUTED:
		assignment->parts[slot->current++].outcome = PART_MISROUTED;
		return false;
	case ATTEMPT_UNREADABLE:
		slot->workshop->park(slot->workshop, task.id,
		                     attempt_problem(slot->attempt));
		mark_gone(slot);
		return false;
	case ATTEMPT_NO_MEMORY:
		wait_for_memory(slot);
		return false;
	}
	return true;
}

/* Begins the next part that has something to send, or goes home. */
static void next_part(struct slot *slot)
{
	const struct assignment *assignment = slot->assignment;
	struct workshop *workshop = slot->workshop;

	while (slot->current < assignment->part_count &&
	       assignment->fault.class == VERDICT_NONE && !slot->was_refused &&
	       !workshop->is_draining) {
		if (slot->forgotten >> slot->current & 1) {
			mark_gone(slot);
			continue;
		}
		if (workshop->unsettled >= UNSETTLED_MAX) {
			slot->state = AWAIT_ROOM;
			return;
		}
		if (begin_part(slot)) {
			send_transaction(slot);
			return;
		}
	}
	go_home(slot);
}

/* A refusal: the rest waits for what the brake says of it. */
static void note_refusal(struct slot *slot, unsigned index,
                         const struct settlement *settlement)
{
	struct assignment *assignment = slot->assignment;
	struct refusal *refusal = &assignment->parts[index].refusal;
	const struct verdict *verdict;

	/* That a bounce got through says nothing of what was bounced. */
	if (slot->sender == 0)
		return;
	verdict = brake_lesson(refusal, &assignment->parts[index].has_delivered,
	                       settlement);
	if (verdict) {
		refusal->sender = slot->sender;
		assignment->refusal = *verdict;
	}
	slot->was_refused =
	    verdict != NULL && assignment->relay->kind != RELAY_DIRECT;
}

/* Takes the verdicts to the committer; does not go on by itself. */
static void finish_part(struct slot *slot, const struct verdict *fault)
{
	struct assignment *assignment = slot->assignment;
	struct settlement *settlement;

	slot->sender = attempt_sender(slot->attempt);
	settlement = attempt_finish(slot->attempt, fault);
	assignment->parts[slot->current++].outcome =
	    settlement ? PART_SETTLED : PART_RETURNED;
	if (!settlement)
		return;
	for (unsigned i = 0; i < settlement->recipient_count; i++) {
		enum recipient_state state = settlement->recipients[i].state;

		assignment->delivered += state == RECIPIENT_DELIVERED;
		assignment->refused += state == RECIPIENT_FAILED;
	}
	note_refusal(slot, slot->current - 1, settlement);
	slot->workshop->settle_take(slot->workshop, settlement);
}

static void end_part(struct slot *slot, const struct verdict *fault)
{
	finish_part(slot, fault);
	if (fault)
		charge_relay(slot, fault);
	next_part(slot);
}

/* No attempt: whatever is too old ends by the fault that the relay is in. */
static void expire_parts(struct slot *slot)
{
	const struct verdict fault = slot->assignment->fault;

	while (slot->current < slot->assignment->part_count) {
		if (slot->forgotten >> slot->current & 1)
			mark_gone(slot);
		else if (begin_part(slot))
			finish_part(slot, &fault);
	}
	go_home(slot);
}

static void go_home(struct slot *slot)
{
	const struct timeval unused = { .tv_sec = UNUSED_S };
	struct assignment *assignment = slot->assignment;

	queue_note_work(0);
	assignment->size_limit = link_size_limit(slot->connection);
	if (assignment->is_draining || slot->workshop->is_draining)
		link_disconnect(slot->connection);
	else
		link_rest(slot->connection);
	if (slot->workshop->settings &&
	    assignment->settings != slot->workshop->settings)
		credentials_keep(slot->workshop->credentials,
		                 slot->workshop->settings);
	slot->assignment = NULL;
	slot->state = SLOT_IDLE;
	(void)evtimer_add(slot->unused, &unused);
	assignment->letter.open = assignment->on_done;
	mailbox_post_take(assignment->home, &assignment->letter);
}

/* ---------------------------------------------------------- transactions */

static void reconnect(struct slot *slot)
{
	const struct assignment *assignment = slot->assignment;

	slot->state = AWAIT_LINK;
	link_connect(slot->connection, assignment->settings, assignment->relay,
	             assignment->domain);
}

static void send_transaction(struct slot *slot)
{
	const struct assignment *assignment = slot->assignment;
	const struct transport_message *message;

	if (attempt_is_forgotten(slot->attempt)) {
		attempt_drop(slot->attempt);
		mark_gone(slot);
		next_part(slot);
		return;
	}
	if (!link_is_usable(slot->connection, assignment->settings,
	                    assignment->relay, assignment->domain)) {
		reconnect(slot);
		return;
	}
	message = attempt_next_transaction(
	    slot->attempt, link_recipients_max(slot->connection));
	assert(message);
	slot->state = AWAIT_RESULT;
	link_send(slot->connection, message);
}

static void on_ready(void *context)
{
	struct slot *slot = context;

	assert(slot->state == AWAIT_LINK);
	send_transaction(slot);
}

static void note_fault(struct slot *slot, const struct verdict *fault,
                       const char *host)
{
	slot->fault = *fault;
	free(slot->fault_host);
	slot->fault_host = host ? xstrdup(host) : NULL;
}

/*
 * With `direct`: hands those whom nobody has taken or refused yet to another of
 * the domain's hosts. False: there is no other host, or nobody is left.
 */
static bool try_next_host(struct slot *slot)
{
	if (!link_has_next_host(slot->connection) ||
	    !attempt_reopen(slot->attempt))
		return false;
	slot->state = AWAIT_LINK;
	link_connect_next_host(slot->connection);
	return true;
}

/*
 * Was the connection lost over this very message? Its recipients may be why:
 * it must not be the next one to go again and again before all others.
 */
static bool may_be_the_message(const struct verdict *fault)
{
	return fault->phase >= PHASE_RCPT && fault->phase <= PHASE_DOT &&
	       (fault->fault == FAULT_NETWORK ||
	        fault->fault == FAULT_PROTOCOL || fault->fault == FAULT_OTHER);
}

/*
 * A relay's fault is charged to the relay, and the part goes back. With
 * `direct` the relay is the set of a domain's hosts: only the domain's mail is
 * kept back, and the part in hand tells why in its story, since no relay's
 * status does. It waits uncharged, as does one the connection was lost over.
 */
static void on_fault(struct slot *slot)
{
	const struct relay_settings *relay = slot->assignment->relay;
	struct verdict fault = slot->fault;

	if (fault.fault == FAULT_AUTH && !slot->has_renewed &&
	    credentials_renew(slot->workshop->credentials, relay)) {
		slot->has_renewed = true;
		reconnect(slot);
		return;
	}
	if (relay->kind == RELAY_DIRECT && try_next_host(slot))
		return;
	if (relay->kind == RELAY_DIRECT || may_be_the_message(&fault))
		attempt_decide_rest(slot->attempt, &fault);
	end_part(slot, &fault);
}

static void on_failed(void *context, const struct verdict *verdict,
                      const char *host)
{
	struct slot *slot = context;

	assert(slot->state == AWAIT_LINK);
	note_fault(slot, verdict, host);
	if (verdict->class != VERDICT_PERMANENT) {
		on_fault(slot);
		return;
	}
	attempt_decide_rest(slot->attempt, verdict);
	end_part(slot, NULL);
}

/* The connection was lost where nothing is known against the relay. */
static void on_lost(struct slot *slot)
{
	if (!slot->has_reconnected) {
		slot->has_reconnected = true;
		reconnect(slot);
		return;
	}
	if (slot->fault.class == VERDICT_NONE)
		verdict_local(&slot->fault, VERDICT_TEMPORARY, SCOPE_CONNECTION,
		              PHASE_CONNECT, FAULT_NETWORK,
		              "the connection was lost twice");
	on_fault(slot);
}

static void on_result(void *context, const struct transport_result *result)
{
	struct slot *slot = context;
	uint64_t watched = slot->assignment->watched;
	struct verdict watched_fault;

	assert(slot->state == AWAIT_RESULT);
	attempt_on_result(slot->attempt, result);
	slot->is_stale = result->is_stale;
	slot->fault.class = VERDICT_NONE;
	if (result->fault.class != VERDICT_NONE)
		note_fault(slot, &result->fault, result->host);
	if (watched != 0 &&
	    attempt_take_back(slot->attempt, watched, &watched_fault)) {
		note_fault(slot, &watched_fault, result->host);
		slot->assignment->has_met_watched = true;
	}
	if (result->certificate_end_ms != 0)
		slot->assignment->certificate_end_ms =
		    result->certificate_end_ms;
	if (result->phase >= PHASE_MAIL && !result->is_stale)
		slot->assignment->had_session = true;
}

static void park_damaged(struct slot *slot)
{
	slot->workshop->park(slot->workshop,
	                     slot->assignment->parts[slot->current].id,
	                     attempt_problem(slot->attempt));
	attempt_drop(slot->attempt);
	mark_gone(slot);
	next_part(slot);
}

static void on_sent(void *context)
{
	struct slot *slot = context;

	assert(slot->state == AWAIT_RESULT);
	if (attempt_is_forgotten(slot->attempt))
		send_transaction(slot);
	else if (attempt_is_damaged(slot->attempt))
		park_damaged(slot);
	else if (slot->is_stale)
		on_lost(slot);
	else if (slot->fault.class != VERDICT_NONE)
		on_fault(slot);
	else if (attempt_has_unsent(slot->attempt) &&
	         attempt_has_progress(slot->attempt))
		send_transaction(slot);
	else if (attempt_has_unsent(slot->attempt))
		on_lost(slot);
	else if (!try_next_host(slot))
		end_part(slot, NULL);
}
