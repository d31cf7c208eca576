/*
 * crash_mark - which message a thread had in hand when the process crashed
 *
 * A message that makes us crash would do so again at the next start, and keep
 * all others waiting. So the thread that crashes leaves its message's id in the
 * mapping of inflight.h; the next start counts, and sets it aside with the
 * third one. A process that is killed from outside blames nobody.
 *
 * Thread: crash_mark_work() any, for itself; the rest one.
 */
#ifndef RELAIS_QUEUE_CRASH_MARK_H
#define RELAIS_QUEUE_CRASH_MARK_H

#include <stdint.h>

struct inflight;

/* Crashes so many in a row set a message aside. */
#define CRASHES_MAX 3

/* From now on, until crash_mark_disarm(); one queue at a time. */
void crash_mark_arm(struct inflight *inflight);
void crash_mark_disarm(void);

#endif
