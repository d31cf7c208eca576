/*
 * alarm - many due times behind one timer: a heap of embedded alarms
 *
 * Thread: one; no clock of its own.
 */
#ifndef RELAIS_DELIVER_ALARM_H
#define RELAIS_DELIVER_ALARM_H

#include <stddef.h>
#include <stdint.h>

/* Embedded in what is to be woken. Zeroed: not set. */
struct alarm {
	uint64_t at_ms;
	size_t place; /* in the heap, from 1; 0: not set */
	void (*ring)(struct alarm *alarm);
};

#define ALARM_OF(alarm, type, member)                                          \
	((type *)(void *)((char *)(alarm)-offsetof(type, member)))

struct alarm_heap {
	struct alarm **alarms;
	size_t count, room;
};

void alarm_heap_done(struct alarm_heap *heap);

/* Sets it, or moves it; UINT64_MAX clears it. */
void alarm_set(struct alarm_heap *heap, struct alarm *alarm, uint64_t at_ms);
void alarm_clear(struct alarm_heap *heap, struct alarm *alarm);

/* The earliest time; UINT64_MAX without any. */
uint64_t alarm_heap_next_ms(const struct alarm_heap *heap);

/* Clears and returns the earliest alarm that is due at now_ms, or NULL. */
struct alarm *alarm_heap_take_due(struct alarm_heap *heap, uint64_t now_ms);

#endif
