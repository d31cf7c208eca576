/*
 * alarm - many due times behind one timer: a heap of embedded alarms
 */
#include "config.h"

#include "deliver/alarm.h"

#include <assert.h>
#include <stdlib.h>

#include "runtime/xalloc.h"

static void sift_up(struct alarm_heap *heap, size_t place);
static void sift_down(struct alarm_heap *heap, size_t place);

void alarm_heap_done(struct alarm_heap *heap)
{
	free(heap->alarms);
	*heap = (struct alarm_heap){ 0 };
}

/* Places count from 1: the children of n are 2n and 2n + 1. */
static struct alarm **at(const struct alarm_heap *heap, size_t place)
{
	return &heap->alarms[place - 1];
}

static void put(struct alarm_heap *heap, size_t place, struct alarm *alarm)
{
	*at(heap, place) = alarm;
	alarm->place = place;
}

void alarm_set(struct alarm_heap *heap, struct alarm *alarm, uint64_t at_ms)
{
	uint64_t before_ms = alarm->at_ms;

	if (at_ms == UINT64_MAX) {
		alarm_clear(heap, alarm);
		return;
	}
	alarm->at_ms = at_ms;
	if (alarm->place == 0) {
		if (heap->count == heap->room) {
			heap->room = heap->room == 0 ? 64 : heap->room * 2;
			heap->alarms = xrealloc(
			    heap->alarms, heap->room * sizeof(*heap->alarms));
		}
		put(heap, ++heap->count, alarm);
		sift_up(heap, alarm->place);
	} else if (at_ms < before_ms) {
		sift_up(heap, alarm->place);
	} else {
		sift_down(heap, alarm->place);
	}
}

void alarm_clear(struct alarm_heap *heap, struct alarm *alarm)
{
	size_t place = alarm->place;
	struct alarm *last;

	if (place == 0)
		return;
	assert(*at(heap, place) == alarm);
	alarm->place = 0;
	last = *at(heap, heap->count--);
	if (last == alarm)
		return;
	put(heap, place, last);
	sift_up(heap, place);
	sift_down(heap, last->place);
}

uint64_t alarm_heap_next_ms(const struct alarm_heap *heap)
{
	return heap->count == 0 ? UINT64_MAX : heap->alarms[0]->at_ms;
}

struct alarm *alarm_heap_take_due(struct alarm_heap *heap, uint64_t now_ms)
{
	struct alarm *first;

	if (heap->count == 0 || heap->alarms[0]->at_ms > now_ms)
		return NULL;
	first = heap->alarms[0];
	alarm_clear(heap, first);
	return first;
}

static void sift_up(struct alarm_heap *heap, size_t place)
{
	struct alarm *alarm = *at(heap, place);

	while (place > 1 && (*at(heap, place / 2))->at_ms > alarm->at_ms) {
		put(heap, place, *at(heap, place / 2));
		place /= 2;
	}
	put(heap, place, alarm);
}

static void sift_down(struct alarm_heap *heap, size_t place)
{
	struct alarm *alarm = *at(heap, place);

	for (;;) {
		size_t child = place * 2;

		if (child > heap->count)
			break;
		if (child < heap->count &&
		    (*at(heap, child + 1))->at_ms < (*at(heap, child))->at_ms)
			child++;
		if ((*at(heap, child))->at_ms >= alarm->at_ms)
			break;
		put(heap, place, *at(heap, child));
		place = child;
	}
	put(heap, place, alarm);
}
