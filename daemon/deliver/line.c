/*
 * line - whose turn it is: priorities, then submitter classes, then lanes
 */
#include "config.h"

#include "deliver/line.h"

#include <assert.h>
#include <stdlib.h>

#include "deliver/relay.h"
#include "deliver/worker.h"
#include "runtime/xalloc.h"

/* A turn is as long as the longest assignment, so that none exceeds it:
 * relay_parts_at_once(). */
#define TURNS 4

static const int weights[RELAY_PRIORITIES] = {
	[PRIORITY_URGENT] = 9,
	[PRIORITY_NORMAL] = 3,
	[PRIORITY_BULK] = 1,
};

static struct priority_lines *next_priority(struct relay *relay, unsigned kinds,
                                            enum priority lowest);
static void begin_round(struct priority_lines *priority, struct relay *relay,
                        int weight);
static struct lane *next_of_line(struct line *line, unsigned kinds);

void priority_lines_init(struct priority_lines *lines)
{
	*lines = (struct priority_lines){ 0 };
	TAILQ_INIT(&lines->active);
	TAILQ_INIT(&lines->resting);
}

static struct line *find_line(const struct line_ring *ring,
                              uint32_t submitter_class)
{
	struct line *line;

	TAILQ_FOREACH (line, ring, links) {
		if (line->submitter_class == submitter_class)
			return line;
	}
	return NULL;
}

struct line *line_join(struct relay *relay, enum priority priority,
                       uint32_t submitter_class)
{
	struct priority_lines *lines = &relay->priorities[priority];
	struct line *line = find_line(&lines->active, submitter_class);

	if (line == NULL)
		line = find_line(&lines->resting, submitter_class);
	if (line == NULL) {
		line = xmalloc(sizeof(*line));
		*line = (struct line){ .submitter_class = submitter_class };
		for (unsigned i = 0; i < LANE_RINGS; i++)
			TAILQ_INIT(&line->rings[i]);
		TAILQ_INSERT_TAIL(&lines->resting, line, links);
	}
	line->lane_count++;
	return line;
}

void line_leave(struct relay *relay, enum priority priority, struct line *line)
{
	struct priority_lines *lines = &relay->priorities[priority];

	assert(line->lane_count > 0);
	if (--line->lane_count > 0)
		return;
	assert(!line_is_ready(line->ready, LINE_ALL_KINDS));
	TAILQ_REMOVE(&lines->resting, line, links);
	free(line);
}

void line_place_lane(struct lanes *lanes, struct lane *lane,
                     enum lane_kind kind)
{
	struct relay *relay = lane->hop->relay;
	struct priority_lines *priority = &relay->priorities[lane->priority];
	struct line *line = lane->line;
	bool was_active = line_is_ready(line->ready, LINE_ALL_KINDS);

	if (lane->kind == kind)
		return;
	if (lane->kind == LANE_IDLE) {
		TAILQ_REMOVE(&lanes->idle, lane, ring);
	} else {
		TAILQ_REMOVE(&line->rings[lane->kind], lane, ring);
		line->ready[lane->kind]--;
		priority->ready[lane->kind]--;
		relay->ready[lane->kind]--;
	}
	lane->kind = kind;
	if (kind == LANE_IDLE) {
		TAILQ_INSERT_TAIL(&lanes->idle, lane, ring);
	} else {
		TAILQ_INSERT_TAIL(&line->rings[kind], lane, ring);
		line->ready[kind]++;
		priority->ready[kind]++;
		relay->ready[kind]++;
	}
	if (line_is_ready(line->ready, LINE_ALL_KINDS) == was_active)
		return;
	if (was_active) {
		TAILQ_REMOVE(&priority->active, line, links);
		TAILQ_INSERT_TAIL(&priority->resting, line, links);
		if (line->credit > 0)
			line->credit = 0;
	} else {
		TAILQ_REMOVE(&priority->resting, line, links);
		TAILQ_INSERT_TAIL(&priority->active, line, links);
	}
}

struct lane *line_next_lane(struct relay *relay, unsigned kinds,
                            enum priority lowest)
{
	struct priority_lines *priority = next_priority(relay, kinds, lowest);
	struct line *line;

	if (priority == NULL)
		return NULL;
	/* One is ready, so that this ends. */
	for (;;) {
		line = TAILQ_FIRST(&priority->active);
		if (line_is_ready(line->ready, kinds))
			break;
		TAILQ_REMOVE(&priority->active, line, links);
		TAILQ_INSERT_TAIL(&priority->active, line, links);
	}
	if (line->credit <= 0)
		line->credit += (int)relay_parts_at_once(relay);
	return next_of_line(line, kinds);
}

/*
 * The most urgent one that has not had its share of this round. Who comes in
 * the middle of a round has a share of it, too: what is urgent does not wait
 * for the end of others' shares.
 */
static struct priority_lines *next_priority(struct relay *relay, unsigned kinds,
                                            enum priority lowest)
{
	bool is_any_ready;

	assert(lowest < RELAY_PRIORITIES);
	do {
		is_any_ready = false;
		for (unsigned i = 0; i <= lowest; i++) {
			struct priority_lines *priority = &relay->priorities[i];

			if (!line_is_ready(priority->ready, kinds))
				continue;
			is_any_ready = true;
			if (priority->round != relay->round)
				begin_round(priority, relay, weights[i]);
			if (priority->credit > 0)
				return priority;
		}
		relay->round++;
	} while (is_any_ready);
	return NULL;
}

static void begin_round(struct priority_lines *priority, struct relay *relay,
                        int weight)
{
	priority->round = relay->round;
	if (priority->credit > 0)
		priority->credit = 0;
	priority->credit += weight * (int)relay_parts_at_once(relay);
}

bool line_is_ready(const unsigned ready[LANE_RINGS], unsigned kinds)
{
	for (unsigned i = 0; i < LANE_RINGS; i++) {
		if ((kinds & LINE_KIND(i)) != 0 && ready[i] > 0)
			return true;
	}
	return false;
}

/* One is ready. */
static struct lane *next_of_line(struct line *line, unsigned kinds)
{
	static const enum lane_kind orders[TURNS][LANE_RINGS] = {
		{ LANE_FRESH, LANE_RETRY, LANE_LARGE },
		{ LANE_LARGE, LANE_FRESH, LANE_RETRY },
		{ LANE_FRESH, LANE_LARGE, LANE_RETRY },
		{ LANE_RETRY, LANE_FRESH, LANE_LARGE },
	};
	const enum lane_kind *kind = orders[line->turn++ % TURNS];

	while ((kinds & LINE_KIND(*kind)) == 0 || line->ready[*kind] == 0)
		kind++;
	return TAILQ_FIRST(&line->rings[*kind]);
}

void line_charge(struct lane *lane, unsigned parts)
{
	struct line *line = lane->line;
	struct priority_lines *priority =
	    &lane->hop->relay->priorities[lane->priority];

	priority->credit -= (int)parts;
	line->credit -= (int)parts;
	if (lane->kind != LANE_IDLE) {
		TAILQ_REMOVE(&line->rings[lane->kind], lane, ring);
		TAILQ_INSERT_TAIL(&line->rings[lane->kind], lane, ring);
	}
	if (line->credit <= 0 && line_is_ready(line->ready, LINE_ALL_KINDS)) {
		TAILQ_REMOVE(&priority->active, line, links);
		TAILQ_INSERT_TAIL(&priority->active, line, links);
	}
}
