/*
 * line - whose turn it is: priorities, then submitter classes, then lanes
 *
 * Weighted round robin: at each priority (9 : 3 : 1 parts, so that a lower one
 * is slowed but never starved) the submitter classes stand in a ring and send
 * equally many parts a turn; the lanes of a class (with `direct`: domains)
 * take turns. Lanes with fresh mail go before those with nothing but retries
 * and before those of large mail, which get every fourth turn each.
 * Thread: one. Nothing here allocates on a turn.
 */
#ifndef RELAIS_DELIVER_LINE_H
#define RELAIS_DELIVER_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "deliver/lane.h"

struct relay;

/* The lanes of one submitter class at one priority of a relay. */
struct line {
	uint32_t submitter_class;
	unsigned lane_count;
	unsigned ready[LANE_RINGS]; /* by enum lane_kind */
	struct lane_ring rings[LANE_RINGS];
	unsigned turn;
	int credit; /* parts it may still send in this turn */
	TAILQ_ENTRY(line) links;
};
TAILQ_HEAD(line_ring, line);

struct priority_lines {
	struct line_ring active, resting;
	unsigned ready[LANE_RINGS];
	unsigned round; /* the relay's that its credit is of */
	int credit;
};

void priority_lines_init(struct priority_lines *lines);

/* The line a lane belongs to; made with its first lane, gone with the last. */
struct line *line_join(struct relay *relay, enum priority priority,
                       uint32_t submitter_class);
void line_leave(struct relay *relay, enum priority priority, struct line *line);

/* Puts the lane into the ring of that kind, or among the idle ones. */
void line_place_lane(struct lanes *lanes, struct lane *lane,
                     enum lane_kind kind);

/* A set of kinds. */
#define LINE_KIND(kind) (1u << (kind))
#define LINE_ALL_KINDS  (LINE_KIND(LANE_RINGS) - 1)

/* Has it lanes of these kinds, by such counts? */
bool line_is_ready(const unsigned ready[LANE_RINGS], unsigned kinds);

/* Whose turn it is among lanes of these kinds and up to this priority, or
   NULL. */
struct lane *line_next_lane(struct relay *relay, unsigned kinds,
                            enum priority lowest);

/* The lane was given so many parts; its turn is over. */
void line_charge(struct lane *lane, unsigned parts);

#endif
