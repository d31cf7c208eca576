/*
 * fuzz_relay_memory - what was remembered of a relay, from a damaged disk
 *
 * Whatever it is, people can be told of it, and it can be remembered again.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "deliver/relay.h"

#define NOW_MS UINT64_C(1700000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct relay *remember(const struct relay_memory *memory)
{
	struct relay *relay = relay_new(NULL, 7);

	relay->rate_count = 1;
	relay->rates[0].limit.count = 100;
	relay->rates[0].limit.period_s = 60;
	relay_import(relay, memory);
	return relay;
}

static void tell(const struct relay *relay)
{
	const struct breaker *breaker = &relay->hop.breaker;

	assert(breaker_state_name(breaker->state) != NULL);
	assert(verdict_fault_name(breaker->fault) != NULL);
	if (relay->hop.fault != NULL)
		assert(smtp_phase_name(relay->hop.fault->phase) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct relay_memory memory, second, third;
	struct relay *relay, *again;

	memory.len = len < RELAY_MEMORY_MAX ? len : RELAY_MEMORY_MAX;
	memcpy(memory.bytes, data, memory.len);
	relay = remember(&memory);
	tell(relay);
	relay_export(relay, 0, NOW_MS, &second);
	again = remember(&second);
	tell(again);
	relay_export(again, 0, NOW_MS, &third);
	assert(second.len == third.len);
	relay_free(again);
	relay_free(relay);
	return 0;
}
