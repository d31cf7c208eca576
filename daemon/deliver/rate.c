/*
 * rate - at most so many in any stretch of so many seconds
 */
#include "config.h"

#include "deliver/rate.h"

#include <assert.h>

#define CALM_MOMENT_MS 50

static void forget(struct rate *rate, uint64_t now_ms);
static void add(struct rate *rate, uint64_t first_ms, uint64_t last_ms,
                uint32_t count);

static uint64_t period_ms(const struct rate *rate)
{
	return (uint64_t)rate->limit.period_s * 1000;
}

static struct rate_entry *entry(struct rate *rate, unsigned index)
{
	return &rate->entries[(rate->first + index) % RATE_ENTRIES];
}

uint32_t rate_room(struct rate *rate, uint64_t now_ms)
{
	uint64_t taken;

	if (rate->limit.count == 0)
		return UINT32_MAX;
	forget(rate, now_ms);
	taken = (uint64_t)rate->used + rate->reserved;
	return taken >= rate->limit.count
	           ? 0
	           : (uint32_t)(rate->limit.count - taken);
}

uint64_t rate_next_ms(struct rate *rate, uint64_t now_ms)
{
	uint64_t taken;

	if (rate_room(rate, now_ms) > 0)
		return now_ms;
	/* Oldest first until what is left is below the limit. */
	taken = (uint64_t)rate->used + rate->reserved;
	for (unsigned i = 0; i < rate->entry_count; i++) {
		taken -= entry(rate, i)->count;
		if (taken < rate->limit.count)
			return entry(rate, i)->last_ms + period_ms(rate) + 1;
	}
	return UINT64_MAX;
}

static uint32_t half_of(const struct rate *rate)
{
	return rate->limit.count - rate->limit.count / 2;
}

/* As many at a time as would go in such a moment. */
static uint32_t calm_step(const struct rate *rate)
{
	return (uint32_t)(1 +
	                  CALM_MOMENT_MS * rate->limit.count / period_ms(rate));
}

uint32_t rate_calm_room(struct rate *rate, uint64_t now_ms)
{
	uint32_t room = rate_room(rate, now_ms), most;
	uint64_t taken;

	if (room == 0 || rate->limit.count == 0)
		return room;
	taken = (uint64_t)rate->used + rate->reserved;
	if (taken < half_of(rate))
		most = (uint32_t)(half_of(rate) - taken);
	else
		most = now_ms * 1000 < rate->calm_us ? 0 : calm_step(rate);
	return room < most ? room : most;
}

uint64_t rate_calm_next_ms(struct rate *rate, uint64_t now_ms)
{
	if (rate_calm_room(rate, now_ms) > 0 || rate_room(rate, now_ms) == 0)
		return rate_next_ms(rate, now_ms);
	return (rate->calm_us + 999) / 1000;
}

/* Between two: evenly, and so that the room lasts until more comes free. */
static uint64_t calm_gap_us(struct rate *rate, uint64_t now_ms)
{
	uint64_t even_us = period_ms(rate) * 1000 / rate->limit.count;
	uint64_t lasting_us = 0, free_ms;

	if (rate->entry_count > 0) {
		free_ms = entry(rate, 0)->last_ms + period_ms(rate);
		if (free_ms > now_ms)
			lasting_us = (free_ms - now_ms) * 1000 /
			             (rate_room(rate, now_ms) + UINT64_C(1));
	}
	return lasting_us > even_us ? lasting_us : even_us;
}

void rate_reserve(struct rate *rate, uint32_t count, uint64_t now_ms)
{
	uint64_t now_us = now_ms * 1000, gap_us, latest_us;

	rate->reserved += count;
	if (rate->limit.count == 0)
		return;
	gap_us = calm_gap_us(rate, now_ms);
	/* What comes a little late may be made up for. */
	if (rate->calm_us + gap_us < now_us)
		rate->calm_us = now_us - gap_us;
	rate->calm_us += count * gap_us;
	latest_us = now_us + calm_step(rate) * gap_us;
	if (rate->calm_us > latest_us)
		rate->calm_us = latest_us;
}

void rate_settle(struct rate *rate, uint32_t count, uint32_t used,
                 uint64_t now_ms)
{
	assert(used <= count);
	/* A limit that came with new settings knows nothing of it. */
	rate->reserved -= count < rate->reserved ? count : rate->reserved;
	if (used == 0)
		return;
	forget(rate, now_ms);
	add(rate, now_ms, now_ms, used);
}

uint32_t rate_used(struct rate *rate, uint64_t now_ms)
{
	forget(rate, now_ms);
	return rate->used;
}

static void forget(struct rate *rate, uint64_t now_ms)
{
	while (rate->entry_count > 0) {
		const struct rate_entry *oldest = entry(rate, 0);

		/* Still inside a closed stretch of the period. */
		if (oldest->last_ms + period_ms(rate) >= now_ms)
			return;
		rate->used -= oldest->count;
		rate->first = (rate->first + 1) % RATE_ENTRIES;
		rate->entry_count--;
	}
}

static void add(struct rate *rate, uint64_t first_ms, uint64_t last_ms,
                uint32_t count)
{
	struct rate_entry *newest =
	    rate->entry_count == 0 ? NULL : entry(rate, rate->entry_count - 1);
	uint64_t step_ms = 1;

	if (rate->limit.count == 0 || rate->limit.count > RATE_ENTRIES)
		step_ms += period_ms(rate) / (RATE_ENTRIES - 2);
	rate->used += count;
	if (newest != NULL && (rate->entry_count == RATE_ENTRIES ||
	                       last_ms < newest->first_ms + step_ms)) {
		newest->last_ms = last_ms;
		newest->count += count;
		return;
	}
	*entry(rate, rate->entry_count++) = (struct rate_entry){
		.first_ms = first_ms,
		.last_ms = last_ms,
		.count = count,
	};
}

unsigned rate_export(const struct rate *rate, uint64_t now_ms,
                     struct rate_entry *entries, unsigned max)
{
	unsigned all = rate->entry_count + (rate->reserved > 0 ? 1 : 0);
	unsigned each = (all + max - 1) / max;
	unsigned count = 0;

	for (unsigned i = 0; i < all; i++) {
		struct rate_entry one = { now_ms, now_ms, rate->reserved };

		if (i < rate->entry_count)
			one = rate->entries[(rate->first + i) % RATE_ENTRIES];
		if (i % each == 0) {
			entries[count++] = one;
			continue;
		}
		entries[count - 1].last_ms = one.last_ms;
		entries[count - 1].count += one.count;
	}
	return count;
}

void rate_import(struct rate *rate, const struct rate_entry *entries,
                 unsigned count)
{
	rate->first = rate->entry_count = 0;
	rate->used = 0;
	for (unsigned i = 0; i < count && i < RATE_ENTRIES; i++) {
		rate->entries[i] = entries[i];
		rate->entry_count++;
		rate->used += entries[i].count;
	}
}
