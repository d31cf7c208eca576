/*
 * breaker - keeps mail away from a next hop that is in trouble
 */
#include "config.h"

#include "deliver/breaker.h"

#include <assert.h>

#define QUOTA_PAUSE_S  3600
#define PAUSE_MAX_S    (24 * 3600)
#define JITTER_PERCENT 20

static const uint32_t open_steps_s[] = { 30, 60, 120, 300, 600, 900 };
static const uint32_t held_steps_s[] = { 900, 3600, 3600, 3600, 3600, 21600 };

static uint64_t pause_ms(const struct breaker *breaker,
                         const struct verdict *fault, uint32_t random);
static bool needs_a_human(enum verdict_fault fault);

const char *breaker_state_name(enum breaker_state state)
{
	switch (state) {
	case BREAKER_CLOSED:
		return "closed";
	case BREAKER_OPEN:
		return "open";
	case BREAKER_HALF_OPEN:
		return "half-open";
	case BREAKER_HELD:
		return "held";
	case BREAKER_PAUSED:
		return "paused";
	}
	return "unknown";
}

bool breaker_is_closed(const struct breaker *breaker)
{
	return breaker->state == BREAKER_CLOSED;
}

bool breaker_may_pass(const struct breaker *breaker, uint64_t now_ms)
{
	switch (breaker->state) {
	case BREAKER_CLOSED:
		return true;
	case BREAKER_OPEN:
	case BREAKER_HELD:
		return now_ms >= breaker->until_ms;
	case BREAKER_HALF_OPEN:
	case BREAKER_PAUSED:
		break;
	}
	return false;
}

void breaker_begin_probe(struct breaker *breaker, uint64_t now_ms)
{
	assert(breaker->state != BREAKER_CLOSED);
	assert(breaker_may_pass(breaker, now_ms));
	breaker->before_probe = breaker->state;
	breaker->state = BREAKER_HALF_OPEN;
}

void breaker_forget_probe(struct breaker *breaker, uint64_t now_ms)
{
	if (breaker->state != BREAKER_HALF_OPEN)
		return;
	breaker->state = breaker->before_probe;
	breaker->until_ms = now_ms;
}

bool breaker_trip(struct breaker *breaker, const struct verdict *fault,
                  bool is_probe, uint64_t now_ms, uint32_t random)
{
	bool is_held = needs_a_human(fault->fault);

	if (breaker->state == BREAKER_HALF_OPEN) {
		if (!is_probe)
			return false;
	} else if (breaker->state != BREAKER_CLOSED) {
		/* One of many that were under way when it opened. */
		if (!is_held || breaker->state == BREAKER_HELD)
			return false;
		breaker->step = 0;
	}
	/* Another kind of trouble begins with its own first step. */
	if (needs_a_human(breaker->fault) != is_held)
		breaker->step = 0;
	if (breaker->state == BREAKER_CLOSED)
		breaker->since_ms = now_ms;
	breaker->fault = fault->fault;
	breaker->state = is_held ? BREAKER_HELD : BREAKER_OPEN;
	breaker->until_ms = now_ms + pause_ms(breaker, fault, random);
	if (breaker->step < UINT8_MAX)
		breaker->step++;
	return true;
}

bool breaker_close(struct breaker *breaker, uint64_t now_ms)
{
	if (breaker->state == BREAKER_CLOSED)
		return false;
	*breaker = (struct breaker){ .since_ms = now_ms };
	return true;
}

void breaker_ask_now(struct breaker *breaker, uint64_t now_ms)
{
	if (breaker->state != BREAKER_CLOSED && breaker->until_ms > now_ms)
		breaker->until_ms = now_ms;
}

static bool needs_a_human(enum verdict_fault fault)
{
	return fault == FAULT_AUTH || fault == FAULT_CONFIG;
}

static uint64_t pause_ms(const struct breaker *breaker,
                         const struct verdict *fault, uint32_t random)
{
	unsigned last = sizeof(open_steps_s) / sizeof(*open_steps_s) - 1;
	unsigned step = breaker->step < last ? breaker->step : last;
	uint64_t pause, spread;

	if (needs_a_human(fault->fault))
		pause = held_steps_s[step];
	else if (fault->fault == FAULT_QUOTA)
		pause = QUOTA_PAUSE_S;
	else if (fault->fault == FAULT_RATE)
		pause = open_steps_s[0];
	else
		pause = open_steps_s[step];
	pause *= 1000;
	spread = pause * JITTER_PERCENT / 100;
	pause += (2 * spread * random >> 32) - spread;

	/* What the relay asks for is kept to the second, but a relay that is
	 * held is never asked sooner for it. */
	if (fault->retry_after_s > 0) {
		uint64_t wish_s = fault->retry_after_s;

		if (wish_s > PAUSE_MAX_S)
			wish_s = PAUSE_MAX_S;
		if (fault->fault == FAULT_QUOTA || pause < wish_s * 1000)
			pause = wish_s * 1000;
	}
	return pause;
}
