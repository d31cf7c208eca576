/*
 * relay - what the scheduler knows of one relay: limits, slots, trouble
 */
#include "config.h"

#include "deliver/relay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/xalloc.h"

#define MINUTE_MS UINT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)

/* FAULT_RATE: a tenth more every so often, until it is no limit any more. */
#define CREEP_MS         (10 * MINUTE_MS)
#define LEARNED_PERIOD_S 60
#define LEARNED_GOAL_MIN 60

#define COVER_MAX 64

/* So long a connection is one lane's, where others may come. */
#define MOMENT_US 50000
/* While nobody knows yet how long one takes. */
#define PARTS_AT_FIRST 4

static void creep_rate(struct relay *relay, uint64_t now_ms);
static void creep_connections(struct relay *relay, uint64_t now_ms);
static void bind_rates(struct relay *relay);
static uint64_t calm_until_ms(struct relay *relay, uint64_t now_ms);

struct relay *relay_new(struct scheduler *scheduler, uint32_t id)
{
	struct relay *relay = xcalloc(1, sizeof(*relay));

	relay->id = id;
	relay->scheduler = scheduler;
	hop_init(&relay->hop, relay);
	brake_init(&relay->brake);
	for (unsigned i = 0; i < RELAY_PRIORITIES; i++)
		priority_lines_init(&relay->priorities[i]);
	TAILQ_INIT(&relay->free_tickets);
	part_list_init(&relay->kept);
	relay->learned.limit.period_s = LEARNED_PERIOD_S;
	relay->memory = xcalloc(1, sizeof(*relay->memory));
	return relay;
}

void relay_free(struct relay *relay)
{
	struct ticket *ticket;

	if (relay == NULL)
		return;
	while ((ticket = relay->tickets) != NULL) {
		relay->tickets = ticket->next;
		free(ticket);
	}
	free(relay->expiry_ticket);
	hop_done(&relay->hop);
	brake_done(&relay->brake);
	free(relay->pause_reason);
	free(relay->name);
	free(relay->memory);
	free(relay);
}

void relay_bind(struct relay *relay, const struct relay_settings *settings)
{
	relay->settings = settings;
	if (settings == NULL)
		return;
	/* The id follows from it. */
	if (relay->name == NULL)
		relay->name = xstrdup(settings->name);
	bind_rates(relay);
}

/* A limit that stays keeps its log; a new one begins with none. */
static void bind_rates(struct relay *relay)
{
	const struct relay_limits *limits = &relay->settings->limits;
	struct rate old[SETTINGS_RATES_MAX];
	size_t old_count = relay->rate_count;

	memcpy(old, relay->rates, sizeof(old));
	relay->rate_count = limits->rate_count;
	for (size_t i = 0; i < limits->rate_count; i++) {
		struct rate *rate = &relay->rates[i];

		*rate = (struct rate){ 0 };
		for (size_t j = 0; j < old_count; j++) {
			if (old[j].limit.period_s == limits->rates[i].period_s)
				*rate = old[j];
		}
		rate->limit = limits->rates[i];
	}
}

struct relay *relay_server(struct relay *relay)
{
	return relay->carrier == NULL ? relay : relay->carrier;
}

bool relay_is_direct(const struct relay *relay)
{
	return relay->settings != NULL && relay->settings->kind == RELAY_DIRECT;
}

unsigned relay_connection_limit(struct relay *relay, uint64_t now_ms)
{
	unsigned limit = relay->settings->limits.connections;

	creep_connections(relay, now_ms);
	if (relay->connection_cap != 0 && relay->connection_cap < limit)
		limit = relay->connection_cap;
	if (relay->ramp != 0 && relay->ramp < limit)
		limit = relay->ramp;
	if (!relay_is_direct(relay) && !breaker_is_closed(&relay->hop.breaker))
		limit = 1;
	return limit;
}

bool relay_is_paused(const struct relay *relay, uint64_t now_ms)
{
	return relay->paused_until_ms > now_ms;
}

uint32_t relay_room(struct relay *relay, uint64_t now_ms)
{
	uint32_t room, one;

	if (relay->settings == NULL || !relay->settings->enabled ||
	    relay_is_paused(relay, now_ms) ||
	    !breaker_may_pass(&relay->hop.breaker, now_ms) ||
	    relay->in_use >= relay_connection_limit(relay, now_ms))
		return 0;
	creep_rate(relay, now_ms);
	room = rate_room(&relay->learned, now_ms);
	for (size_t i = 0; i < relay->rate_count && room > 0; i++) {
		one = rate_room(&relay->rates[i], now_ms);
		if (one < room)
			room = one;
	}
	if (relay->rate_count > 0) {
		if (relay->covered <= relay_to_cover(relay) / 2)
			relay->wants_cover = room > 0;
		if (relay->covered < room)
			room = relay->covered;
	}
	/* One probe, and small. */
	if (room > 1 && !breaker_is_closed(&relay->hop.breaker))
		room = 1;
	return room;
}

uint32_t relay_calm_room(struct relay *relay, uint64_t now_ms)
{
	uint32_t room = relay_room(relay, now_ms);
	uint32_t one = rate_calm_room(&relay->learned, now_ms);

	if (one < room)
		room = one;
	for (size_t i = 0; i < relay->rate_count && room > 0; i++) {
		one = rate_calm_room(&relay->rates[i], now_ms);
		if (one < room)
			room = one;
	}
	return room;
}

uint64_t relay_next_ms(struct relay *relay, uint64_t now_ms)
{
	uint64_t next_ms;

	if (relay->settings == NULL || !relay->settings->enabled ||
	    relay->hop.breaker.state == BREAKER_HALF_OPEN)
		return UINT64_MAX;
	if (relay_is_paused(relay, now_ms))
		return relay->paused_until_ms;
	if (!breaker_may_pass(&relay->hop.breaker, now_ms))
		return relay->hop.breaker.until_ms;
	if (relay->in_use >= relay_connection_limit(relay, now_ms))
		return UINT64_MAX;
	next_ms = relay_rate_until_ms(relay, now_ms);
	if (next_ms == 0)
		next_ms = calm_until_ms(relay, now_ms);
	return next_ms == 0 ? UINT64_MAX : next_ms;
}

/* There is room, but none for mail that has time; 0: for that, too. */
static uint64_t calm_until_ms(struct relay *relay, uint64_t now_ms)
{
	uint64_t until_ms = rate_calm_next_ms(&relay->learned, now_ms);

	for (size_t i = 0; i < relay->rate_count; i++) {
		uint64_t one_ms = rate_calm_next_ms(&relay->rates[i], now_ms);

		if (one_ms > until_ms)
			until_ms = one_ms;
	}
	return until_ms <= now_ms || until_ms == UINT64_MAX ? 0 : until_ms;
}

uint64_t relay_rate_until_ms(struct relay *relay, uint64_t now_ms)
{
	uint64_t until_ms = rate_next_ms(&relay->learned, now_ms);

	for (size_t i = 0; i < relay->rate_count; i++) {
		uint64_t one_ms = rate_next_ms(&relay->rates[i], now_ms);

		if (one_ms > until_ms)
			until_ms = one_ms;
	}
	return until_ms <= now_ms || until_ms == UINT64_MAX ? 0 : until_ms;
}

/*
 * With direct, retries go to the hosts that are slow to say no: they get a
 * quarter of the connections while fresh mail waits, and never the last one.
 */
bool relay_may_start_retry(struct relay *relay, uint64_t now_ms)
{
	unsigned limit, share;

	if (!relay_is_direct(relay))
		return true;
	limit = relay_connection_limit(relay, now_ms);
	share = relay->ready[LANE_FRESH] > 0 ? limit / 4 : limit - 1;
	return relay->retries_in_use < (share == 0 ? 1 : share);
}

bool relay_may_start_large(struct relay *relay, uint64_t now_ms)
{
	unsigned limit = relay_connection_limit(relay, now_ms);

	return relay->large_in_use < (limit > 1 ? limit - 1 : 1);
}

unsigned relay_parts_at_once(const struct relay *relay)
{
	uint64_t count =
	    relay->has_pace ? ASSIGNMENT_PARTS_MAX : PARTS_AT_FIRST;

	if (relay->part_us * count > MOMENT_US)
		count = MOMENT_US / relay->part_us;
	return count == 0 ? 1 : (unsigned)count;
}

struct ticket *relay_take_ticket(struct relay *relay, const struct hop *hop,
                                 uint32_t *next_id, unsigned worker_count)
{
	struct ticket *ticket;

	/* Last in, first out; with direct one that leads there already. */
	TAILQ_FOREACH (ticket, &relay->free_tickets, links) {
		if (ticket->hop_hash == hop->hash)
			break;
	}
	if (ticket == NULL &&
	    relay->ticket_count >= relay->settings->limits.connections)
		ticket = TAILQ_LAST(&relay->free_tickets, ticket_stack);
	if (ticket != NULL) {
		TAILQ_REMOVE(&relay->free_tickets, ticket, links);
	} else {
		ticket = xcalloc(1, sizeof(*ticket));
		ticket->id = (*next_id)++;
		ticket->worker = ticket->id % worker_count;
		ticket->relay = relay;
		ticket->next = relay->tickets;
		relay->tickets = ticket;
		relay->ticket_count++;
	}
	ticket->is_busy = true;
	ticket->hop_hash = hop->hash;
	relay->in_use++;
	return ticket;
}

void relay_release_ticket(struct relay *relay, struct ticket *ticket)
{
	assert(ticket->is_busy && relay->in_use > 0);
	ticket->is_busy = false;
	ticket->hop = NULL;
	relay->in_use--;
	if (ticket->is_retry)
		relay->retries_in_use--;
	if (ticket->is_large)
		relay->large_in_use--;
	TAILQ_INSERT_HEAD(&relay->free_tickets, ticket, links);
}

void relay_reserve(struct relay *relay, unsigned parts, uint64_t now_ms)
{
	relay->covered -= parts < relay->covered ? parts : relay->covered;
	relay->covering -= parts < relay->covering ? parts : relay->covering;
	rate_reserve(&relay->learned, parts, now_ms);
	for (size_t i = 0; i < relay->rate_count; i++)
		rate_reserve(&relay->rates[i], parts, now_ms);
}

/* A crash wastes no more than that, a sixteenth of the smallest limit. */
uint32_t relay_to_cover(const struct relay *relay)
{
	uint32_t least = COVER_MAX * 16;

	for (size_t i = 0; i < relay->rate_count; i++)
		if (relay->rates[i].limit.count < least)
			least = relay->rates[i].limit.count;
	return relay->rate_count == 0 ? 0 : (least + 15) / 16;
}

void relay_settle(struct relay *relay, unsigned parts, unsigned used,
                  uint64_t now_ms)
{
	rate_settle(&relay->learned, parts, used, now_ms);
	for (size_t i = 0; i < relay->rate_count; i++)
		rate_settle(&relay->rates[i], parts, used, now_ms);
	relay->is_dirty = true;
}

void relay_start_ramp(struct relay *relay)
{
	relay->ramp = 1;
	relay->ramp_successes = 0;
}

/* The ramp doubles once each of its connections has brought something home. */
void relay_count_success(struct relay *relay, uint64_t now_ms)
{
	(void)now_ms;
	if (relay->ramp == 0 || ++relay->ramp_successes < relay->ramp)
		return;
	relay->ramp_successes = 0;
	relay->ramp *= 2;
	if (relay->settings == NULL ||
	    relay->ramp >= relay->settings->limits.connections)
		relay->ramp = 0;
}

bool relay_lower_connections(struct relay *relay, uint64_t now_ms)
{
	/* The one that was refused still counts as in use. */
	unsigned in_use = relay->in_use;

	if (in_use <= 1)
		return false;
	if (relay->connection_cap == 0 || relay->connection_cap >= in_use)
		relay->connection_cap = in_use - 1;
	relay->connection_cap_ms = now_ms;
	relay->is_dirty = true;
	return true;
}

static void creep_connections(struct relay *relay, uint64_t now_ms)
{
	while (relay->connection_cap != 0 &&
	       now_ms >= relay->connection_cap_ms + HOUR_MS) {
		relay->connection_cap++;
		relay->connection_cap_ms += HOUR_MS;
		relay->is_dirty = true;
		if (relay->connection_cap >=
		    relay->settings->limits.connections)
			relay->connection_cap = 0;
	}
}

void relay_lower_rate(struct relay *relay, uint64_t now_ms)
{
	struct rate *learned = &relay->learned;
	uint32_t pace = learned->limit.count;

	if (pace == 0) {
		pace = rate_used(learned, now_ms) + learned->reserved;
		relay->learned_goal =
		    pace > LEARNED_GOAL_MIN / 4 ? pace * 4 : LEARNED_GOAL_MIN;
	}
	learned->limit.count = pace >= 2 ? pace / 2 : 1;
	relay->learned_ms = now_ms;
	relay->is_dirty = true;
}

static void creep_rate(struct relay *relay, uint64_t now_ms)
{
	struct rate *learned = &relay->learned;

	while (learned->limit.count != 0 &&
	       now_ms >= relay->learned_ms + CREEP_MS) {
		learned->limit.count += learned->limit.count / 10 + 1;
		relay->learned_ms += CREEP_MS;
		relay->is_dirty = true;
		if (learned->limit.count >= relay->learned_goal)
			learned->limit.count = 0;
	}
}

uint32_t relay_learned_pace(const struct relay *relay)
{
	return relay->learned.limit.count;
}

void relay_forget_learned(struct relay *relay)
{
	relay->learned.limit.count = 0;
	relay->connection_cap = 0;
	relay->is_dirty = true;
}

/* Moves the ring on to this hour. */
static void turn_hours(struct relay *relay, uint64_t now_ms)
{
	uint64_t hour = now_ms / HOUR_MS;

	if (hour >= relay->hour + RELAY_HOURS)
		memset(relay->hours, 0, sizeof(relay->hours));
	else
		for (uint64_t h = relay->hour + 1; h <= hour; h++)
			relay->hours[h % RELAY_HOURS] = 0;
	if (hour > relay->hour)
		relay->hour = hour;
}

void relay_count(struct relay *relay, unsigned delivered, unsigned refused,
                 uint64_t now_ms)
{
	relay->delivered += delivered;
	relay->refused += refused;
	turn_hours(relay, now_ms);
	relay->hours[relay->hour % RELAY_HOURS] += delivered;
}

uint64_t relay_delivered_24h(const struct relay *relay, uint64_t now_ms)
{
	uint64_t hour = now_ms / HOUR_MS;
	uint64_t sum = 0;

	for (uint64_t back = 0; back < RELAY_HOURS; back++) {
		uint64_t h = hour - back;

		if (h <= relay->hour && h + RELAY_HOURS > relay->hour)
			sum += relay->hours[h % RELAY_HOURS];
	}
	return sum;
}
