/*
 * lane_row - a lane as bytes in the lane table, and back
 *
 * Thread: any; plain values.
 */
#ifndef RELAIS_QUEUE_LANE_ROW_H
#define RELAIS_QUEUE_LANE_ROW_H

#include "queue/lanes.h"
#include "queue/record.h"

/* A lane without parts. Freed with free(). Aborts without memory. */
struct lane *lane_new(uint32_t id, const struct lane_key *key);

/* 0 or -ENOMEM. */
int lane_to_row(struct record *into, const struct lane *lane);
/* NULL where the row is damaged. */
struct lane *lane_from_row(uint32_t id, const struct store_bytes *row);

/* For readers: the row as others see it; domain is filled. 0 or -EBADMSG. */
int lane_row_parse(struct lane_info *ret_info, uint32_t id,
                   const struct store_bytes *row);

#endif
