/*
 * lane - one line of waiting parts, as far as it is in memory
 *
 * Holds the lane's fresh parts, and of its rows in the store a window: those
 * before the cursor are in memory, claimed or gone; the rest is read when its
 * turn comes.
 *
 * A lane that has something to do stands in a ring of its line (the lanes of
 * one submitter class at one priority of a relay): lanes with fresh mail in one
 * ring, those with nothing but retries in another, those of large mail in a
 * third.
 * Thread: one.
 */
#ifndef RELAIS_DELIVER_LANE_H
#define RELAIS_DELIVER_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "deliver/hop.h"
#include "deliver/part.h"
#include "queue/queue.h"

struct line;

enum lane_kind {
	LANE_FRESH,
	LANE_RETRY, /* nothing but retries */
	LANE_LARGE, /* of large mail, whichever */
	LANE_IDLE,  /* in no ring: nothing to do, or nowhere to go */
};
#define LANE_RINGS LANE_IDLE

TAILQ_HEAD(lane_ring, lane);

struct lane {
	uint32_t id;
	struct hop *hop;
	struct line *line;
	enum priority priority;
	struct part_list fresh;
	struct part_list retries; /* the window of sched */
	struct part_row cursor;   /* the first row not looked at */
	uint64_t next_due_ms;     /* of that row; 0: never looked */
	struct alarm alarm;       /* for it, where it is later */
	unsigned claimed;         /* parts at workers */
	unsigned aside;           /* parts whose message is being changed */
	unsigned turn;            /* fresh or retry next */
	enum lane_kind kind;
	bool is_large;          /* its mail */
	TAILQ_ENTRY(lane) ring; /* of its line, or of the idle ones */
	TAILQ_ENTRY(lane) in_hop;
	struct lane *chain;
};

struct lanes {
	struct lane **buckets;
	size_t bucket_count;
	size_t count;
	size_t with_fresh;     /* of these */
	struct lane_ring idle; /* the one that rests longest first */
};

void lanes_table_init(struct lanes *lanes);
void lanes_table_done(struct lanes *lanes);
struct lane *lanes_table_find(const struct lanes *lanes, uint32_t id);
/* Idle at first, and never looked at in the store. */
struct lane *lanes_table_add(struct lanes *lanes, const struct lane_info *info,
                             struct hop *hop);
/* Must be idle and empty. */
void lanes_table_remove(struct lanes *lanes, struct lane *lane);

/* Parts come and go through these, which keep the counts. */
void lane_add_fresh(struct lanes *lanes, struct lane *lane, struct part *part);
void lane_add_retry(struct lane *lane, struct part *part);
/* A part that was taken out comes back, to where it was. */
void lane_put_back(struct lanes *lanes, struct lane *lane, struct part *part);
/* Before part_leave_list() of a part of its lists. */
void lane_lose_part(struct lanes *lanes, struct lane *lane, struct part *part);
/* The next to go; retries get every fourth turn. NULL: none in memory. */
struct part *lane_take_part(struct lanes *lanes, struct lane *lane);

/* A row before the cursor is to be looked at (again). */
void lane_look_from(struct lane *lane, uint64_t due_ms, uint64_t id,
                    uint16_t part);

/* Everything up to this row has been looked at. */
void lane_look_behind(struct lane *lane, const struct part_row *row);

/* Nothing in memory and nobody has anything of it. */
bool lane_is_empty(const struct lane *lane);

/* Something of it could go now, if its hop let it. */
bool lane_has_work(const struct lane *lane, uint64_t now_ms);

/* What it is to be: by its parts, its hop and the time. */
enum lane_kind lane_kind_now(const struct lane *lane, uint64_t now_ms);

#endif
