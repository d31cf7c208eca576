/*
 * part - the parts that the scheduler has in memory, each exactly once
 *
 * A part is in one list (its lane's, or set aside while its message is being
 * changed) or claimed by a ticket, and always in the table: what the store or a
 * notice tells twice is recognised here, so that no part is handed out twice.
 *
 * Memory comes in slabs that are kept for reuse.
 * Thread: one.
 */
#ifndef RELAIS_DELIVER_PART_H
#define RELAIS_DELIVER_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "queue/message.h"

struct lane;
struct ticket;

struct part {
	uint64_t id;
	uint64_t due_ms; /* 0: fresh */
	struct lane *lane;
	struct ticket *ticket; /* that has it claimed, or NULL */
	struct part_list *list;
	TAILQ_ENTRY(part) links;
	struct part *chain; /* in the table, or of free ones */
	uint16_t number;
	enum part_place place; /* PART_FRESH or PART_SCHED */
};

TAILQ_HEAD(part_head, part);
struct part_list {
	struct part_head head;
	size_t count;
};

void part_list_init(struct part_list *list);
void part_list_append(struct part_list *list, struct part *part);
/* At its place by due, id and number; looks from the front. */
void part_list_insert(struct part_list *list, struct part *part);
/* The same, for one that most likely belongs at the end. */
void part_list_append_in_order(struct part_list *list, struct part *part);
/* From whatever list it is in, if any. */
void part_leave_list(struct part *part);
/* The front one, taken out; NULL without any. */
struct part *part_list_take(struct part_list *list);

struct part_slab;
struct part_table {
	struct part **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	struct part *free;
	struct part_slab *slabs;
};

void part_table_init(struct part_table *table);
void part_table_done(struct part_table *table);
struct part *part_table_find(const struct part_table *table, uint64_t id,
                             uint16_t number);
/* Not in the table yet; in no list. */
struct part *part_table_add(struct part_table *table, uint64_t id,
                            uint16_t number);
/* Leaves its list, and is no more. */
void part_table_remove(struct part_table *table, struct part *part);

#endif
