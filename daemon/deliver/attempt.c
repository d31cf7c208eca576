#include "config.h"

#include "deliver/attempt.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/util.h>

#include "buffer.h"
#include "clock.h"
#include "deliver/brake.h"
#include "deliver/compose.h"
#include "deliver/contents.h"
#include "deliver/delivery_log.h"
#include "deliver/notify.h"
#include "deliver/null_sender.h"
#include "deliver/retry.h"
#include "deliver/roster.h"
#include "queue/message.h"
#include "queue/route.h"
#include "runtime/xalloc.h"
#include "settings.h"

struct attempt {
	struct queue *queue;
	struct queue_reader *reader;
	struct contents *contents;
	struct buffer header;
	const struct settings *settings;
	const struct relay_settings *relay;
	struct message *message; /* NULL between attempts */
	uint16_t part;
	int64_t started_ms; /* wall */
	int64_t started_us; /* monotonic */
	struct roster roster;
	struct transport_recipient *recipients; /* of one transaction */
	unsigned recipient_room;
	struct transport_message transaction;
	unsigned inflight_slot;
	bool has_progress;
	unsigned notes; /* COMPOSED_… */
	bool is_forgotten, has_body_begun, has_dot;
	int damage;       /* -errno of the store, met while sending */
	char *host, *tls; /* of the last result that had some */
	uint32_t random;
	char problem[160];
};

static int read_body(void *context, const char **ret_data, size_t *ret_len);
static void on_dot(void *context);

struct attempt *attempt_new(struct queue *queue, struct queue_reader *reader)
{
	struct attempt *attempt = xcalloc(1, sizeof(*attempt));

	attempt->queue = queue;
	attempt->reader = reader;
	attempt->contents = contents_new(reader);
	buffer_init(&attempt->header, 0);
	attempt->inflight_slot = INFLIGHT_NONE;
	do
		evutil_secure_rng_get_bytes(&attempt->random,
		                            sizeof(attempt->random));
	while (attempt->random == 0);
	return attempt;
}

/* Ready for the next one. */
static void reset(struct attempt *attempt)
{
	message_free(attempt->message);
	attempt->message = NULL;
	roster_clear(&attempt->roster);
	free(attempt->host);
	free(attempt->tls);
	attempt->host = attempt->tls = NULL;
	attempt->inflight_slot = INFLIGHT_NONE;
	attempt->is_forgotten = attempt->has_body_begun = false;
	attempt->notes = 0;
	attempt->has_progress = false;
	attempt->damage = 0;
}

void attempt_free(struct attempt *attempt)
{
	if (!attempt)
		return;
	reset(attempt);
	contents_free(attempt->contents);
	buffer_done(&attempt->header);
	roster_done(&attempt->roster);
	free(attempt->recipients);
	free(attempt);
}

/* ----------------------------------------------------------------- begin */

static void describe(struct attempt *attempt, const char *what, int error)
{
	(void)snprintf(attempt->problem, sizeof(attempt->problem),
	               "its %s cannot be read: %s", what,
	               error == -EBADMSG ? "the store's data is damaged"
	                                 : strerror(-error));
}

static enum attempt_start unreadable(struct attempt *attempt, const char *what,
                                     int error)
{
	describe(attempt, what, error);
	reset(attempt);
	return error == -ENOMEM ? ATTEMPT_NO_MEMORY : ATTEMPT_UNREADABLE;
}

static int compose(struct attempt *attempt)
{
	const char *stored;
	size_t len;
	int r;

	r = contents_open(attempt->contents, attempt->message, &stored, &len);
	if (r < 0)
		return r;
	buffer_clear(&attempt->header);
	return compose_header(&attempt->header,
	                      &(struct composition){
				  .message = attempt->message,
				  .settings = attempt->settings,
				  .relay = attempt->relay,
				  .stored = stored,
				  .stored_len = len,
			      },
	                      &attempt->notes);
}

/* What is past its time is not relayed any more (RFC 2852 4.3). */
static void decide_past_deadline(struct attempt *attempt)
{
	struct verdict verdict;

	verdict_local(&verdict, VERDICT_TEMPORARY, SCOPE_MESSAGE, PHASE_NAME,
	              FAULT_NONE, "it is too late to send it");
	attempt_decide_rest(attempt, &verdict);
}

static void decide_too_large(struct attempt *attempt, uint64_t size,
                             uint64_t limit)
{
	struct verdict verdict;
	char text[160];

	(void)snprintf(text, sizeof(text),
	               "the message has %llu octets, %s takes no more than "
	               "%llu",
	               (unsigned long long)size, attempt->relay->name,
	               (unsigned long long)limit);
	verdict_local(&verdict, VERDICT_PERMANENT, SCOPE_MESSAGE, PHASE_MAIL,
	              FAULT_NONE, text);
	verdict.enhanced[0] = 5;
	verdict.enhanced[1] = 3;
	verdict.enhanced[2] = 4;
	attempt_decide_rest(attempt, &verdict);
}

static void prepare_transaction(struct attempt *attempt)
{
	const struct message *message = attempt->message;

	attempt->transaction = (struct transport_message){
		.id = message->id,
		.sender = null_sender_or_stand_in(attempt->relay, message),
		.envelope_id = message->envelope_id,
		.recipients = attempt->recipients,
		.flags = message->flags,
		.priority = message_priority_level(message),
		.header = attempt->header.data,
		.header_len = attempt->header.len,
		.size =
		    attempt->header.len + contents_body_len(attempt->contents),
		.read_body = read_body,
		.on_dot = on_dot,
		.context = attempt,
	};
}

/* Settings change while mail waits: the relay is chosen at each attempt. */
static bool is_misrouted(const struct attempt *attempt, const char *domain)
{
	const struct lane_key key = {
		.relay = attempt->relay->id,
		.domain = domain,
	};

	for (unsigned i = 0; domain && i < attempt->roster.count; i++)
		if (!route_is_right(attempt->settings, attempt->message,
		                    attempt->roster.entries[i].index, &key))
			return true;
	return false;
}

enum attempt_start attempt_begin(struct attempt *attempt,
                                 const struct attempt_task *task)
{
	uint64_t size_limit = task->size_limit;
	struct message *message;
	int r;

	assert(!attempt->message);
	attempt->settings = task->settings;
	attempt->relay = task->relay;
	attempt->part = task->part;
	queue_note_work(task->id);
	attempt->started_ms = clock_wall_ms();
	attempt->started_us = clock_monotonic_us();
	r = queue_read_message(attempt->reader, task->id, &message);
	if (r == -ENOENT)
		return ATTEMPT_GONE;
	if (r < 0)
		return unreadable(attempt, "record", r);
	attempt->message = message;
	for (unsigned i = 0; i < message->recipient_count; i++)
		if (message->recipients[i].state == RECIPIENT_WAITING &&
		    message->recipients[i].part == task->part)
			roster_add(&attempt->roster, i);
	if (message->state != MESSAGE_QUEUED || attempt->roster.count == 0) {
		reset(attempt);
		return ATTEMPT_GONE;
	}
	if (is_misrouted(attempt, task->domain)) {
		reset(attempt);
		return ATTEMPT_MISROUTED;
	}
	if (message_end_ms(message) != 0 &&
	    (uint64_t)attempt->started_ms >= message_end_ms(message)) {
		decide_past_deadline(attempt);
		return ATTEMPT_DECIDED;
	}
	r = compose(attempt);
	if (r < 0)
		return unreadable(attempt, "contents", r);
	prepare_transaction(attempt);
	if (size_limit != 0 && attempt->transaction.size > size_limit) {
		decide_too_large(attempt, attempt->transaction.size,
		                 size_limit);
		return ATTEMPT_DECIDED;
	}
	return ATTEMPT_BEGUN;
}

uint32_t attempt_sender(const struct attempt *attempt)
{
	if (attempt->message->flags & MESSAGE_IS_BOUNCE)
		return 0;
	return brake_sender_hash(attempt->message->sender);
}

bool attempt_suits_fallback(const struct attempt *attempt, uint64_t size_limit,
                            bool takes_unknown)
{
	const struct message *message = attempt->message;

	for (unsigned i = 0; i < attempt->roster.count; i++) {
		unsigned index = attempt->roster.entries[i].index;

		if (!takes_unknown && message->recipients[index].flags &
		                          RECIPIENT_MAYBE_DUPLICATE)
			return false;
	}
	return size_limit == 0 || attempt->transaction.size <= size_limit;
}

const char *attempt_problem(const struct attempt *attempt)
{
	return attempt->problem;
}

/* ---------------------------------------------------------- transactions */

/* Those selected, as the transport wants them. */
static void list_recipients(struct attempt *attempt, unsigned count)
{
	const struct roster *roster = &attempt->roster;
	struct transport_recipient *next;

	if (count > attempt->recipient_room) {
		free(attempt->recipients);
		attempt->recipients = xcalloc(count, sizeof(*next));
		attempt->recipient_room = count;
	}
	next = attempt->recipients;
	for (unsigned i = 0; i < roster->count; i++) {
		const struct message_recipient *recipient =
		    &attempt->message->recipients[roster->entries[i].index];

		if (roster->entries[i].is_sent)
			*next++ = (struct transport_recipient){
				.address = recipient->address,
				.original = recipient->original,
				.notify = recipient->notify,
			};
	}
}

const struct transport_message *
attempt_next_transaction(struct attempt *attempt, unsigned recipients_max)
{
	unsigned count = roster_select(&attempt->roster, recipients_max);

	if (count == 0)
		return NULL;
	list_recipients(attempt, count);
	attempt->transaction.recipients = attempt->recipients;
	attempt->transaction.recipient_count = count;
	attempt->has_body_begun = attempt->has_dot = false;
	contents_rewind(attempt->contents);
	return &attempt->transaction;
}

static int read_body(void *context, const char **ret_data, size_t *ret_len)
{
	struct attempt *attempt = context;
	int r;

	if (attempt->is_forgotten && !attempt->has_body_begun)
		return -ECANCELED;
	attempt->has_body_begun = true;
	r = contents_read(attempt->contents, ret_data, ret_len);
	if (r < 0)
		attempt->damage = r;
	return r;
}

static void on_dot(void *context)
{
	struct attempt *attempt = context;

	attempt->has_dot = true;
	if (attempt->inflight_slot == INFLIGHT_NONE)
		attempt->inflight_slot = inflight_fill(
		    attempt->queue, attempt->message->id, attempt->part);
}

static void keep_text(char **kept, const char *text)
{
	if (!text || (*kept && strcmp(*kept, text) == 0))
		return;
	free(*kept);
	*kept = xstrdup(text);
}

void attempt_on_result(struct attempt *attempt,
                       const struct transport_result *result)
{
	keep_text(&attempt->host, result->host);
	keep_text(&attempt->tls, result->tls);
	attempt->has_progress =
	    roster_take_verdicts(&attempt->roster, result->verdicts,
	                         result->count, result->tells_success);
}

bool attempt_has_unsent(const struct attempt *attempt)
{
	return roster_has_unsent(&attempt->roster);
}

bool attempt_has_progress(const struct attempt *attempt)
{
	return attempt->has_progress;
}

bool attempt_reopen(struct attempt *attempt)
{
	roster_reopen(&attempt->roster);
	return roster_has_unsent(&attempt->roster);
}

bool attempt_take_back(struct attempt *attempt, uint64_t signature,
                       struct verdict *ret_fault)
{
	return roster_take_back(&attempt->roster, signature, ret_fault);
}

void attempt_decide_rest(struct attempt *attempt, const struct verdict *verdict)
{
	roster_decide_rest(&attempt->roster, verdict);
}

/* RFC 1047 */
void attempt_cut(struct attempt *attempt)
{
	struct verdict verdict;

	if (!attempt->has_dot)
		return;
	verdict_local(&verdict, VERDICT_UNKNOWN, SCOPE_CONNECTION, PHASE_DOT,
	              FAULT_NONE, "relais was stopped before the reply came");
	roster_decide_sent(&attempt->roster, &verdict);
}

void attempt_forget(struct attempt *attempt)
{
	if (attempt->message && !attempt->has_body_begun)
		attempt->is_forgotten = true;
}

bool attempt_is_forgotten(const struct attempt *attempt)
{
	return attempt->is_forgotten && !roster_has_lasting(&attempt->roster);
}

bool attempt_is_damaged(struct attempt *attempt)
{
	if (attempt->damage == 0 || roster_has_lasting(&attempt->roster))
		return false;
	describe(attempt, "contents", attempt->damage);
	return true;
}

void attempt_drop(struct attempt *attempt)
{
	if (attempt->inflight_slot != INFLIGHT_NONE)
		inflight_clear(attempt->queue, attempt->inflight_slot);
	reset(attempt);
}

/* ---------------------------------------------------------------- finish */

/* Marsaglia's xorshift: spreads retries, keeps no secret. */
static uint32_t next_random(struct attempt *attempt)
{
	attempt->random ^= attempt->random << 13;
	attempt->random ^= attempt->random >> 17;
	attempt->random ^= attempt->random << 5;
	return attempt->random;
}

/*
 * false: nothing is to be written of this recipient. A relay's fault is written
 * down only where it is the last word, for old age.
 */
static bool decide(struct attempt *attempt, const struct roster_entry *entry,
                   const struct verdict *fault, uint64_t queue_now_ms,
                   struct settlement_recipient *ret_decision)
{
	bool has_verdict = entry->verdict.class != VERDICT_NONE;
	struct retry_question question = {
		.message = attempt->message,
		.recipient = &attempt->message->recipients[entry->index],
		.verdict = has_verdict ? &entry->verdict : fault,
		.now_ms = (uint64_t)clock_wall_ms(),
		.queue_now_ms = queue_now_ms,
		.is_time_unsure = queue_is_time_unsure(attempt->queue),
		.is_direct = attempt->relay->kind == RELAY_DIRECT,
		.random = next_random(attempt),
	};

	if (!question.verdict)
		return false;
	ret_decision->index = entry->index;
	retry_decide(ret_decision, attempt->settings, &question);
	if (null_sender_is_refused(attempt->relay, attempt->message,
	                           question.verdict)) {
		ret_decision->state = RECIPIENT_WAITING;
		ret_decision->is_charged = false;
		ret_decision->due_ms = queue_now_ms;
	}
	notify_decide(ret_decision, attempt->settings, &question,
	              entry->relay_tells);
	return has_verdict || ret_decision->state == RECIPIENT_EXPIRED;
}

static void log_decision(const struct attempt *attempt,
                         const struct settlement *settlement,
                         const struct settlement_recipient *decision,
                         uint64_t queue_now_ms)
{
	delivery_log(&(struct delivery_report){
	    .message = attempt->message,
	    .recipient = &attempt->message->recipients[decision->index],
	    .decision = decision,
	    .relay = settlement->relay,
	    .host = settlement->host,
	    .tls = settlement->tls,
	    .duration_ms = settlement->duration_ms,
	    .now_ms = settlement->started_ms + settlement->duration_ms,
	    .queue_now_ms = queue_now_ms,
	});
}

struct settlement *attempt_finish(struct attempt *attempt,
                                  const struct verdict *fault)
{
	uint64_t queue_now_ms = queue_time_ms(attempt->queue);
	struct settlement *settlement = settlement_new(attempt->roster.count);
	unsigned count = 0;

	settlement->id = attempt->message->id;
	settlement->part = attempt->part;
	settlement->started_ms = (uint64_t)attempt->started_ms;
	settlement->duration_ms =
	    (uint32_t)((clock_monotonic_us() - attempt->started_us) / 1000);
	settlement->relay = xstrdup(attempt->relay->name);
	settlement->host = attempt->host;
	settlement->tls = attempt->tls;
	attempt->host = attempt->tls = NULL;
	settlement->is_awaited = attempt->message->flags & MESSAGE_AWAITED;
	settlement->has_lost_signature = attempt->notes & COMPOSED_UNSIGNED;
	for (unsigned i = 0; i < attempt->roster.count; i++) {
		struct settlement_recipient *decision =
		    &settlement->recipients[count];

		if (!decide(attempt, &attempt->roster.entries[i], fault,
		            queue_now_ms, decision))
			continue;
		log_decision(attempt, settlement, decision, queue_now_ms);
		settlement->is_null_refused |= null_sender_is_refused(
		    attempt->relay, attempt->message, &decision->verdict);
		count++;
	}
	if (count == 0) {
		settlement_free(settlement);
		attempt_drop(attempt);
		return NULL;
	}
	settlement->recipient_count = count;
	settlement->inflight_slot = attempt->inflight_slot;
	reset(attempt);
	return settlement;
}
