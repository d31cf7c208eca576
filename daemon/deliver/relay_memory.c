/*
 * relay_memory - what is remembered of a relay over a restart, as bytes
 *
 * Numbers are big-endian, as everything on disk. Times are queue time, which
 * goes on over a restart. A memory of another version is left aside: nothing
 * in it is needed to keep mail, only to keep a relay's limits.
 *
 *   version 5 | breaker: state 1, fault 1, step 1, since 8, until 8
 *   paused until 8, since 8 | connection cap 4, time 8
 *   learned: limit 4, goal 4, time 8
 *   hour 8, 24 * 4 | count of rates 1, each: period 4, entries 1,
 *   each: last time 8, count 4 | why it is paused: text
 *   why the breaker is open: phase 1, code 2, enhanced 3 * 2, text
 *   the refusal that the brake holds the relay for: signature 8
 *   trouble since 8, how often it was told 1
 *   submitters that the brake holds, each: 1 1, class 4, signature 8,
 *   since 8, until 8, step 1, reason: text; then 0 1
 *
 * A text is its length, 1, and so many octets.
 */
#include "config.h"

#include "deliver/relay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/xalloc.h"

#define MEMORY_VERSION 5
#define ENTRIES_MAX    12
#define TEXT_MAX       200
#define HOLDS_MAX      8

struct cursor {
	unsigned char *bytes; /* of the memory, when writing */
	const unsigned char *from;
	size_t at, len;
	bool is_short; /* something was missing */
};

static void put(struct cursor *cursor, uint64_t value, unsigned size)
{
	assert(cursor->at + size <= RELAY_MEMORY_MAX);
	while (size-- > 0)
		cursor->bytes[cursor->at++] =
		    (unsigned char)(value >> (size * 8));
}

static uint64_t get(struct cursor *cursor, unsigned size)
{
	uint64_t value = 0;

	if (cursor->is_short || cursor->at + size > cursor->len) {
		cursor->is_short = true;
		return 0;
	}
	while (size-- > 0)
		value = value << 8 | cursor->from[cursor->at++];
	return value;
}

static void put_breaker(struct cursor *cursor, const struct breaker *breaker)
{
	enum breaker_state state = breaker->state;

	/* The probe of a process that is gone says nothing. */
	if (state == BREAKER_HALF_OPEN)
		state = breaker->before_probe;
	put(cursor, state, 1);
	put(cursor, breaker->fault, 1);
	put(cursor, breaker->step, 1);
	put(cursor, breaker->since_ms, 8);
	put(cursor, breaker->until_ms, 8);
}

static void get_breaker(struct cursor *cursor, struct breaker *breaker)
{
	uint64_t state = get(cursor, 1);
	uint64_t fault = get(cursor, 1);

	breaker->fault = (enum verdict_fault)fault;
	breaker->step = (uint8_t)get(cursor, 1);
	breaker->since_ms = get(cursor, 8);
	breaker->until_ms = get(cursor, 8);
	if ((state == BREAKER_OPEN || state == BREAKER_HELD) &&
	    fault <= FAULT_TOO_MANY_RECIPIENTS)
		breaker->state = (enum breaker_state)state;
	else
		*breaker = (struct breaker){ 0 };
}

/* Those that may start before the next memory count as gone. */
static void put_rate(struct cursor *cursor, const struct rate *rate,
                     uint32_t ahead, uint64_t now_ms)
{
	struct rate_entry entries[ENTRIES_MAX];
	struct rate whole = *rate;
	unsigned count;

	rate_reserve(&whole, ahead, now_ms);
	count = rate_export(&whole, now_ms, entries, ENTRIES_MAX);

	put(cursor, rate->limit.period_s, 4);
	put(cursor, count, 1);
	for (unsigned i = 0; i < count; i++) {
		put(cursor, entries[i].last_ms, 8);
		put(cursor, entries[i].count, 4);
	}
}

static unsigned get_rate(struct cursor *cursor, uint32_t *ret_period_s,
                         struct rate_entry entries[ENTRIES_MAX])
{
	unsigned count;

	*ret_period_s = (uint32_t)get(cursor, 4);
	count = (unsigned)get(cursor, 1);
	if (count > ENTRIES_MAX) {
		cursor->is_short = true;
		return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		entries[i].last_ms = get(cursor, 8);
		entries[i].first_ms = entries[i].last_ms;
		entries[i].count = (uint32_t)get(cursor, 4);
	}
	return cursor->is_short ? 0 : count;
}

static void put_text(struct cursor *cursor, const char *text)
{
	size_t len = text == NULL ? 0 : strnlen(text, TEXT_MAX);

	put(cursor, len, 1);
	for (size_t i = 0; i < len; i++)
		put(cursor, (unsigned char)text[i], 1);
}

/* Into text, of TEXT_MAX + 1 octets; empty where it is missing. */
static void get_text(struct cursor *cursor, char *text)
{
	size_t len = (size_t)get(cursor, 1);

	*text = '\0';
	if (cursor->is_short || len > TEXT_MAX ||
	    cursor->at + len > cursor->len) {
		cursor->is_short = true;
		return;
	}
	memcpy(text, cursor->from + cursor->at, len);
	text[len] = '\0';
	cursor->at += len;
}

static void put_fault(struct cursor *cursor, const struct verdict *fault)
{
	static const struct verdict none;

	if (fault == NULL)
		fault = &none;
	put(cursor, fault->phase, 1);
	put(cursor, fault->code, 2);
	for (unsigned i = 0; i < 3; i++)
		put(cursor, fault->enhanced[i], 2);
	put_text(cursor, fault->text);
}

/* For people only: expiry waits for a fault of its own time. */
static void get_fault(struct cursor *cursor, struct hop *hop)
{
	struct verdict fault;
	char text[TEXT_MAX + 1];
	uint64_t phase = get(cursor, 1);
	uint16_t code = (uint16_t)get(cursor, 2);
	uint16_t enhanced[3];

	for (unsigned i = 0; i < 3; i++)
		enhanced[i] = (uint16_t)get(cursor, 2);
	get_text(cursor, text);
	if (cursor->is_short || phase > PHASE_QUIT ||
	    breaker_is_closed(&hop->breaker))
		return;
	verdict_local(&fault, VERDICT_TEMPORARY, SCOPE_RELAY,
	              (enum smtp_phase)phase, hop->breaker.fault, text);
	fault.code = code;
	memcpy(fault.enhanced, enhanced, sizeof(fault.enhanced));
	hop_set_fault(hop, &fault, NULL);
}

/* Each is a flag, 1, in front of the hold; 0 ends them. */
static void put_holds(struct cursor *cursor, const struct brake *brake)
{
	const struct brake_hold *hold;
	unsigned room = HOLDS_MAX;

	LIST_FOREACH (hold, &brake->holds, links) {
		if (hold->until_ms == 0 || room == 0)
			continue;
		room--;
		put(cursor, 1, 1);
		put(cursor, hold->submitter, 4);
		put(cursor, hold->streak.signature, 8);
		put(cursor, hold->since_ms, 8);
		put(cursor, hold->until_ms, 8);
		put(cursor, hold->step, 1);
		put_text(cursor, hold->reason);
	}
	put(cursor, 0, 1);
}

static void get_holds(struct cursor *cursor, struct brake *brake)
{
	while (get(cursor, 1) == 1) {
		char text[TEXT_MAX + 1];
		uint32_t submitter = (uint32_t)get(cursor, 4);
		uint64_t signature = get(cursor, 8);
		uint64_t since_ms = get(cursor, 8);
		uint64_t until_ms = get(cursor, 8);
		uint8_t step = (uint8_t)get(cursor, 1);

		get_text(cursor, text);
		if (cursor->is_short)
			return;
		brake_recall(brake, submitter, signature, since_ms, until_ms,
		             step, text);
	}
}

void relay_export(const struct relay *relay, uint32_t ahead, uint64_t now_ms,
                  struct relay_memory *memory)
{
	struct cursor cursor = { .bytes = memory->bytes };

	put(&cursor, MEMORY_VERSION, 1);
	put_breaker(&cursor, &relay->hop.breaker);
	put(&cursor, relay->paused_until_ms, 8);
	put(&cursor, relay->paused_since_ms, 8);
	put(&cursor, relay->connection_cap, 4);
	put(&cursor, relay->connection_cap_ms, 8);
	put(&cursor, relay->learned.limit.count, 4);
	put(&cursor, relay->learned_goal, 4);
	put(&cursor, relay->learned_ms, 8);
	put(&cursor, relay->hour, 8);
	for (unsigned i = 0; i < RELAY_HOURS; i++)
		put(&cursor, relay->hours[i], 4);
	put(&cursor, relay->rate_count, 1);
	for (size_t i = 0; i < relay->rate_count; i++)
		put_rate(&cursor, &relay->rates[i], ahead, now_ms);
	put_text(&cursor, relay->pause_reason);
	put_fault(&cursor, relay->hop.fault);
	put(&cursor, relay->brake.relay_signature, 8);
	put(&cursor, relay->trouble_since_ms, 8);
	put(&cursor, relay->told, 1);
	put_holds(&cursor, &relay->brake);
	memory->relay = relay->id;
	memory->len = cursor.at;
}

static void import_rates(struct relay *relay, struct cursor *cursor)
{
	unsigned rates = (unsigned)get(cursor, 1);

	for (unsigned i = 0; i < rates && !cursor->is_short; i++) {
		struct rate_entry entries[ENTRIES_MAX];
		uint32_t period_s;
		unsigned count = get_rate(cursor, &period_s, entries);

		for (size_t j = 0; j < relay->rate_count; j++) {
			if (relay->rates[j].limit.period_s == period_s)
				rate_import(&relay->rates[j], entries, count);
		}
	}
}

static void import_reason(struct relay *relay, struct cursor *cursor)
{
	char text[TEXT_MAX + 1];

	get_text(cursor, text);
	if (*text == '\0')
		return;
	free(relay->pause_reason);
	relay->pause_reason = xstrdup(text);
}

void relay_import(struct relay *relay, const struct relay_memory *memory)
{
	struct cursor cursor = { .from = memory->bytes, .len = memory->len };

	if (memory->len > RELAY_MEMORY_MAX || get(&cursor, 1) != MEMORY_VERSION)
		return;
	get_breaker(&cursor, &relay->hop.breaker);
	relay->paused_until_ms = get(&cursor, 8);
	relay->paused_since_ms = get(&cursor, 8);
	relay->connection_cap = (unsigned)get(&cursor, 4);
	relay->connection_cap_ms = get(&cursor, 8);
	relay->learned.limit.count = (uint32_t)get(&cursor, 4);
	relay->learned_goal = (uint32_t)get(&cursor, 4);
	relay->learned_ms = get(&cursor, 8);
	relay->hour = get(&cursor, 8);
	for (unsigned i = 0; i < RELAY_HOURS; i++)
		relay->hours[i] = (uint32_t)get(&cursor, 4);
	import_rates(relay, &cursor);
	import_reason(relay, &cursor);
	get_fault(&cursor, &relay->hop);
	relay->brake.relay_signature = get(&cursor, 8);
	relay->trouble_since_ms = get(&cursor, 8);
	relay->told = (unsigned)get(&cursor, 1);
	get_holds(&cursor, &relay->brake);
}
