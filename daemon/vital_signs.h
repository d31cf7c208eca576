/*
 * vital_signs - what the service manager is told while relaisd runs
 *
 * Every ten seconds a sentence: how deep the queue is and which relay is in
 * the deepest trouble. For the watchdog a word, but only while every thread
 * makes progress: a thread that hangs gets relaisd restarted, and nothing that
 * was accepted is lost by that. Once nothing has happened for that long, memory
 * that a burst has left behind goes back to the kernel.
 *
 * Thread: the main loop's.
 */
#ifndef RELAIS_VITAL_SIGNS_H
#define RELAIS_VITAL_SIGNS_H

#include <stddef.h>

struct loop;
struct queue;
struct queue_counts;
struct queue_reader;
struct scheduler;
struct scheduler_query;
struct vital_signs;

/* All borrowed until vital_signs_free(). */
struct vital_signs_params {
	struct loop *main_loop;
	struct queue *queue;
	struct queue_reader *reader;
	struct scheduler *scheduler;
	struct loop **loops; /* that have to turn */
	size_t loop_count;
	struct loop *receive_loop; /* and this one, but not while stopping */
};

/* 0 or -ENOMEM. The first sentence comes with the loop's first turns. */
int vital_signs_new(struct vital_signs **ret_signs,
                    const struct vital_signs_params *params);
void vital_signs_free(struct vital_signs *signs);

/* An orderly stop has begun: somebody else says how it goes. */
void vital_signs_set_stopping(struct vital_signs *signs);

/* The sentence; worst has one relay or none. */
void vital_signs_describe(char *text, size_t size,
                          const struct queue_counts *counts,
                          const struct scheduler_query *worst);

#endif
