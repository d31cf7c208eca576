/*
 * relay - what the scheduler knows of one relay: limits, slots, trouble
 *
 * Settings come and go, the relay stays as long as the scheduler: without
 * settings (removed, or mail of an earlier configuration) nothing may start.
 *
 * Connections are slots, reused last in first out so that a warm connection
 * is; each is bound to a worker. After an outage their number ramps up 1, 2,
 * 4 …; where the relay says "too many connections" it goes down by one for an
 * hour. Where it says "too fast", the pace seen is halved and creeps back by
 * a tenth every ten minutes.
 *
 * Thread: one. Times in queue milliseconds.
 */
#ifndef RELAIS_DELIVER_RELAY_H
#define RELAIS_DELIVER_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "deliver/alarm.h"
#include "deliver/brake.h"
#include "deliver/hop.h"
#include "deliver/line.h"
#include "deliver/rate.h"
#include "deliver/worker.h"
#include "queue/queue.h"
#include "settings.h"

#define RELAY_PRIORITIES 3
#define RELAY_HOURS      24

struct scheduler;

/* What an assignment is given with: the right to one connection, a slot. */
struct ticket {
	uint32_t id;
	unsigned worker;
	struct relay *relay;
	struct hop *hop;    /* while busy */
	uint32_t submitter; /* whose mail it carries: a class */
	uint32_t hop_hash;  /* where its connection leads */
	unsigned part_count;
	uint64_t started_ms;
	bool is_busy, is_retry, is_large, is_probe, is_expiring;
	TAILQ_ENTRY(ticket) links; /* the free ones */
	struct ticket *next;       /* all of a relay */
};
TAILQ_HEAD(ticket_stack, ticket);

struct relay {
	uint32_t id;
	struct scheduler *scheduler;
	const struct relay_settings *settings; /* NULL: there are none */
	char *name; /* of the settings it had last; NULL: not seen any */
	struct hop hop;

	/* by an administrator; UINT64_MAX: no end, 0: not paused */
	uint64_t paused_until_ms, paused_since_ms;
	char *pause_reason;

	/* Serves its mail while it is in trouble; NULL: nobody, or itself. */
	struct relay *carrier;
	struct part_list kept; /* meanwhile: what nobody else may have */
	unsigned carried;      /* relays that this one is the carrier of */
	bool was_own_turn;     /* and not one of theirs, the last time */

	struct rate rates[SETTINGS_RATES_MAX];
	size_t rate_count;
	/* Messages that the memory on disk counts as gone, and that have not
	 * started; the same of the memory under way. */
	uint32_t covered, covering;
	bool wants_cover;
	struct rate learned; /* limit.count 0: only watched */
	uint64_t learned_ms; /* when it last changed */
	uint32_t learned_goal;

	unsigned connection_cap; /* learnt; 0: none */
	uint64_t connection_cap_ms;
	unsigned ramp, ramp_successes; /* 0: no ramp */

	uint64_t part_us; /* what one part takes of late */
	bool has_pace;    /* some have come home */

	struct ticket_stack free_tickets;
	struct ticket *tickets;
	struct ticket *expiry_ticket; /* makes no connection */
	unsigned ticket_count, in_use, retries_in_use, large_in_use;

	struct brake brake;
	struct alarm brake_alarm; /* a submitter may be tried again */

	/* Trouble that lasts: since when (0: none), how often it was told. */
	uint64_t trouble_since_ms;
	unsigned told;
	struct alarm trouble_alarm;
	enum timeline_kind event;    /* for the feed; TIMELINE_ACCEPTED: none */
	uint64_t certificate_end_ms; /* of the far side's, wall; 0: not seen */

	struct priority_lines priorities[RELAY_PRIORITIES];
	unsigned round; /* of turns: each priority has its share of one */
	unsigned ready[LANE_RINGS]; /* lanes, by enum lane_kind */
	size_t pending;             /* parts in memory that nobody has */

	uint64_t delivered, refused, faults;
	uint32_t hours[RELAY_HOURS]; /* delivered in each, a ring */
	uint64_t hour;               /* the newest of them, since 1970 */

	struct relay_memory *memory; /* the committer's while is_remembering */
	bool is_dirty, is_remembering;
	uint64_t remembered_ms;
	struct alarm alarm;
	struct relay *next; /* all */
};

struct relay *relay_new(struct scheduler *scheduler, uint32_t id);
void relay_free(struct relay *relay);

/* NULL: it is in the settings no more. What was used of the rates stays. */
void relay_bind(struct relay *relay, const struct relay_settings *settings);

/* Who makes the attempts for its mail now. */
struct relay *relay_server(struct relay *relay);

bool relay_is_direct(const struct relay *relay);

/* Connections that it may have now. */
unsigned relay_connection_limit(struct relay *relay, uint64_t now_ms);

/* How many messages may start now, 0 where nothing may. */
uint32_t relay_room(struct relay *relay, uint64_t now_ms);

/* Of these, mail that has time: bulk. */
uint32_t relay_calm_room(struct relay *relay, uint64_t now_ms);

/* When relay_room() is to be asked again; UINT64_MAX: by an event only. */
uint64_t relay_next_ms(struct relay *relay, uint64_t now_ms);

/* When the rates let mail go again, its own and the learnt one; 0: now, or
   nobody knows yet. */
uint64_t relay_rate_until_ms(struct relay *relay, uint64_t now_ms);

/* May an assignment start that has nothing but retries in it? */
bool relay_may_start_retry(struct relay *relay, uint64_t now_ms);

/* May large mail start? One of several connections is never used by it. */
bool relay_may_start_large(struct relay *relay, uint64_t now_ms);

/*
 * How many parts a lane may have of a connection before others have their turn:
 * as many as take a moment of late, at most ASSIGNMENT_PARTS_MAX, and few while
 * that is not known.
 */
unsigned relay_parts_at_once(const struct relay *relay);

/* A free ticket for that hop, made if there is none; taken from the stack. */
struct ticket *relay_take_ticket(struct relay *relay, const struct hop *hop,
                                 uint32_t *next_id, unsigned worker_count);
void relay_release_ticket(struct relay *relay, struct ticket *ticket);

void relay_reserve(struct relay *relay, unsigned parts, uint64_t now_ms);
void relay_settle(struct relay *relay, unsigned parts, unsigned used,
                  uint64_t now_ms);

/* Its breaker closed: start small. */
void relay_start_ramp(struct relay *relay);
void relay_count_success(struct relay *relay, uint64_t now_ms);
/* "Too many connections": true where fewer may help, false with the last. */
bool relay_lower_connections(struct relay *relay, uint64_t now_ms);
/* "Too fast". */
void relay_lower_rate(struct relay *relay, uint64_t now_ms);
/* Messages a minute that were learnt to be enough; 0: none were. */
uint32_t relay_learned_pace(const struct relay *relay);
/* Somebody knows better than what was learnt. */
void relay_forget_learned(struct relay *relay);

/* Messages that a memory written now is to cover; 0 without a rate. */
uint32_t relay_to_cover(const struct relay *relay);

bool relay_is_paused(const struct relay *relay, uint64_t now_ms);

void relay_count(struct relay *relay, unsigned delivered, unsigned refused,
                 uint64_t now_ms);
uint64_t relay_delivered_24h(const struct relay *relay, uint64_t now_ms);

/*
 * What is to survive a restart (relay_memory.c). Whatever happens, what was
 * used of a rate is not forgotten: a memory counts as gone what may go before
 * the next one, and no more than that goes.
 */
void relay_export(const struct relay *relay, uint32_t ahead, uint64_t now_ms,
                  struct relay_memory *memory);
/* What cannot be read is left out. */
void relay_import(struct relay *relay, const struct relay_memory *memory);

#endif
