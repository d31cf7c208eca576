/*
 * transport_staging - between an attempt and its transport, where the settings
 *                     of staging want it
 *
 * Who is refused by a pattern or by chance has his verdict here and is left out
 * of the envelope; `redirect` puts one address in the place of all others, and
 * its verdict is everybody's; `cut` takes the answer away from mail that has
 * been taken, as if the link had been lost. Mail that nothing of this concerns
 * never comes by: see transport_new().
 *
 * Promise: whatever was done on purpose has the scope SCOPE_STAGING.
 * Thread:  its loop's.
 */
#include "config.h"

#include "deliver/transport.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <event2/util.h>

#include "buffer.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "staging.h"

/* Beyond so many, a header names the first ones alone. */
#define ORIGINALS_MAX 100

struct staging {
	struct transport transport;
	struct transport_events events; /* its owner's */
	struct transport *inner;
	const struct settings *settings;
	const struct relay_settings *relay;
	struct event *turn; /* the delay is over, or nobody is left */
	const struct transport_message *message; /* NULL: none */
	struct transport_message sent;           /* what becomes of it */
	struct transport_recipient *recipients;
	struct verdict *verdicts; /* one a recipient of `message` */
	unsigned room;
	struct buffer header;
};

static int staging_new(struct transport **ret_transport, struct loop *loop,
                       const struct transport_target *target,
                       const struct transport_events *events);
static void staging_send(struct transport *transport,
                         const struct transport_message *message);
static void staging_free(struct transport *transport);

const struct transport_kind transport_staging = {
	.create = staging_new,
	.send = staging_send,
	.destroy = staging_free,
};

static void on_turn(evutil_socket_t fd, short what, void *context);
static void on_done(void *context, const struct transport_result *result);
static void on_idle_closed(void *context);
static void judge(struct staging *staging);
static void redirect(struct staging *staging, const char *address);
static int add_originals(struct staging *staging);
static void report(struct staging *staging, struct transport_result *result);
static void lose_answer(struct staging *staging,
                        struct transport_result *result);

static int staging_new(struct transport **ret_transport, struct loop *loop,
                       const struct transport_target *target,
                       const struct transport_events *events)
{
	struct staging *staging = xcalloc(1, sizeof(*staging));
	const struct transport_events own = {
		.on_done = on_done,
		.on_idle_closed = on_idle_closed,
		.context = staging,
	};
	int r;

	staging->transport.kind = &transport_staging;
	staging->events = *events;
	staging->settings = target->settings;
	staging->relay = target->relay;
	buffer_init(&staging->header, 0);
	staging->turn = event_new(loop_base(loop), -1, 0, on_turn, staging);
	if (!staging->turn)
		abort();
	r = transport_new_unstaged(&staging->inner, loop, target, &own);
	if (r < 0)
		staging_free(&staging->transport);
	else
		*ret_transport = &staging->transport;
	return r;
}

static void staging_free(struct transport *transport)
{
	struct staging *staging = (struct staging *)transport;

	event_free(staging->turn);
	transport_free(staging->inner);
	buffer_done(&staging->header);
	free(staging->recipients);
	free(staging->verdicts);
	free(staging);
}

static void on_idle_closed(void *context)
{
	struct staging *staging = context;

	staging->events.on_idle_closed(staging->events.context);
}

/* ------------------------------------------------------------------- send */

static void staging_send(struct transport *transport,
                         const struct transport_message *message)
{
	struct staging *staging = (struct staging *)transport;
	const struct settings_chaos *chaos =
	    staging_chaos(staging->settings, staging->relay);
	const char *address =
	    staging_redirect(staging->settings, staging->relay);
	struct timeval delay = { .tv_sec = chaos->delay_s };

	assert(!staging->message);
	staging->message = message;
	staging->sent = *message;
	if (message->recipient_count > staging->room) {
		staging->room = message->recipient_count;
		free(staging->recipients);
		free(staging->verdicts);
		staging->recipients =
		    xcalloc(staging->room, sizeof(*staging->recipients));
		staging->verdicts =
		    xcalloc(staging->room, sizeof(*staging->verdicts));
	}
	judge(staging);
	if (address && staging->sent.recipient_count > 0)
		redirect(staging, address);
	(void)event_add(staging->turn, &delay);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct staging *staging = context;
	struct transport_result nobody = { .phase = PHASE_NAME };

	(void)fd;
	(void)what;
	if (staging->sent.recipient_count > 0)
		transport_send(staging->inner, &staging->sent);
	else
		report(staging, &nobody);
}

/* -------------------------------------------------------------- judgement */

/* SplitMix64: a well spread number for each of a row of numbers. */
static uint64_t scramble(uint64_t number)
{
	number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
	return number ^ number >> 31;
}

/*
 * 0 … 99. With a seed the n-th draw since the start is the same each time,
 * whichever worker makes it.
 */
static uint32_t draw_percent(const struct settings_chaos *chaos)
{
	static atomic_uint_fast64_t draws;
	uint64_t number;

	if (chaos->seed == 0) {
		evutil_secure_rng_get_bytes(&number, sizeof(number));
		return (uint32_t)(number % 100);
	}
	number = atomic_fetch_add(&draws, 1) + 1;
	return (uint32_t)(scramble(number * UINT64_C(0x9e3779b97f4a7c15) +
	                           scramble(chaos->seed)) %
	                  100);
}

static void set_verdict(struct verdict *verdict, enum verdict_class class,
                        enum smtp_phase phase, uint16_t code, const char *text)
{
	verdict_local(verdict, class, SCOPE_STAGING, phase, FAULT_NONE, text);
	verdict->code = code;
	verdict->enhanced[0] = class == VERDICT_PERMANENT ? 5 : 4;
	verdict->enhanced[1] = 3;
}

/* What a relay might have said. */
static void draw_verdict(const struct settings_chaos *chaos,
                         struct verdict *verdict)
{
	uint32_t drawn;

	if (chaos->refuse_percent + chaos->defer_percent == 0)
		return;
	drawn = draw_percent(chaos);
	if (drawn < chaos->refuse_percent)
		set_verdict(verdict, VERDICT_PERMANENT, PHASE_RCPT, 550,
		            "chaos: refused on purpose");
	else if (drawn < chaos->refuse_percent + chaos->defer_percent)
		set_verdict(verdict, VERDICT_TEMPORARY, PHASE_RCPT, 451,
		            "chaos: put off on purpose, try again later");
}

/* A verdict for each who has one already; the others are sent to. */
static void judge(struct staging *staging)
{
	const struct transport_message *message = staging->message;
	const struct settings_chaos *chaos =
	    staging_chaos(staging->settings, staging->relay);
	char text[STAGING_TEXT_SIZE];
	unsigned count = 0;

	for (unsigned i = 0; i < message->recipient_count; i++) {
		struct verdict *verdict = &staging->verdicts[i];

		verdict->class = VERDICT_NONE;
		if (staging_relay_refuses(staging->settings, staging->relay,
		                          message->recipients[i].address,
		                          text)) {
			set_verdict(verdict, VERDICT_PERMANENT, PHASE_RCPT, 0,
			            text);
			verdict->enhanced[1] = 7;
			verdict->enhanced[2] = 1;
		} else {
			draw_verdict(chaos, verdict);
		}
		if (verdict->class == VERDICT_NONE)
			staging->recipients[count++] = message->recipients[i];
	}
	staging->sent.recipients = staging->recipients;
	staging->sent.recipient_count = count;
}

/* --------------------------------------------------------------- redirect */

/* Those who are sent to become one, and are named in the header. */
static void redirect(struct staging *staging, const char *address)
{
	struct transport_message *sent = &staging->sent;

	if (add_originals(staging) < 0)
		abort();
	sent->header = staging->header.data;
	sent->header_len = staging->header.len;
	sent->size += staging->header.len - staging->message->header_len;
	sent->redirected_from = staging->recipients[0].address;
	/* What it is told of this mail is no business of its sender. */
	staging->recipients[0] =
	    (struct transport_recipient){ .address = address };
	sent->recipient_count = 1;
}

static int add_originals(struct staging *staging)
{
	struct buffer *header = &staging->header;
	unsigned count = staging->sent.recipient_count;
	int r;

	buffer_clear(header);
	r = buffer_appendf(header,
	                   "X-Relais-Redirected: "
	                   "%u recipient%s of relay %s\r\n",
	                   count, count == 1 ? "" : "s", staging->relay->name);
	for (unsigned i = 0; i < count && i < ORIGINALS_MAX && r == 0; i++)
		r = buffer_appendf(header, "X-Original-To: %s\r\n",
		                   staging->recipients[i].address);
	if (r == 0)
		r = buffer_append(header, staging->message->header,
		                  staging->message->header_len);
	return r;
}

/* Said of one address, and true of all who are behind it. */
static void set_redirected(struct verdict *verdict, const struct verdict *said,
                           const char *address)
{
	char text[VERDICT_TEXT_SIZE];

	*verdict = *said;
	if (said->class == VERDICT_NONE)
		return;
	(void)snprintf(text, sizeof(text), "redirected to %.80s: %.300s",
	               address, said->text);
	verdict_set_text(verdict, text);
	if (said->class == VERDICT_DELIVERED)
		verdict->scope = SCOPE_STAGING;
}

/* ----------------------------------------------------------------- result */

static void on_done(void *context, const struct transport_result *result)
{
	struct staging *staging = context;
	struct transport_result own = *result;
	bool is_redirected = staging->sent.redirected_from != NULL;
	unsigned next = 0;

	for (unsigned i = 0; i < staging->message->recipient_count; i++) {
		struct verdict *verdict = &staging->verdicts[i];

		if (verdict->class != VERDICT_NONE || next >= result->count)
			continue;
		if (is_redirected)
			set_redirected(verdict, result->verdicts,
			               staging->recipients[0].address);
		else
			*verdict = result->verdicts[next++];
	}
	if (is_redirected)
		own.tells_success = false;
	lose_answer(staging, &own);
	report(staging, &own);
}

/* RFC 1047, made on purpose: it has arrived, and nobody is told. */
static void lose_answer(struct staging *staging,
                        struct transport_result *result)
{
	const struct settings_chaos *chaos =
	    staging_chaos(staging->settings, staging->relay);
	bool is_any = false;

	for (unsigned i = 0; i < staging->message->recipient_count; i++)
		is_any |= staging->verdicts[i].class == VERDICT_DELIVERED;
	if (!is_any || chaos->cut_percent == 0 ||
	    draw_percent(chaos) >= chaos->cut_percent)
		return;
	for (unsigned i = 0; i < staging->message->recipient_count; i++)
		if (staging->verdicts[i].class == VERDICT_DELIVERED)
			verdict_local(&staging->verdicts[i], VERDICT_UNKNOWN,
			              SCOPE_STAGING, PHASE_DOT, FAULT_NONE,
			              "chaos: the link was cut on purpose "
			              "before the answer");
	result->is_closed = true;
}

static void report(struct staging *staging, struct transport_result *result)
{
	result->verdicts = staging->verdicts;
	result->count = staging->message->recipient_count;
	staging->message = NULL;
	staging->events.on_done(staging->events.context, result);
}
