#include "config.h"

#include "queue/crash_mark.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "queue/inflight.h"
#include "queue/queue.h"

/* SIGABRT: our own assertions, too. */
static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static struct inflight *marked;
static struct sigaction before[SIGNALS];
static _Thread_local volatile uint64_t in_hand;

static void on_crash(int number);

void queue_note_work(uint64_t id)
{
	in_hand = id;
}

void crash_mark_arm(struct inflight *inflight)
{
	struct sigaction action;

	marked = inflight;
	memset(&action, 0, sizeof(action));
	action.sa_handler = on_crash;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < SIGNALS; i++)
		(void)sigaction(signals[i], &action, &before[i]);
}

void crash_mark_disarm(void)
{
	if (marked == NULL)
		return;
	for (size_t i = 0; i < SIGNALS; i++)
		(void)sigaction(signals[i], &before[i], NULL);
	marked = NULL;
}

/*
 * A store to memory and calls that signal-safety(7) allows. The process then
 * ends as it would have: by whoever had the signal before, at the return.
 */
static void on_crash(int number)
{
	if (in_hand != 0)
		inflight_blame(marked, in_hand);
	for (size_t i = 0; i < SIGNALS; i++)
		if (signals[i] == number)
			(void)sigaction(number, &before[i], NULL);
	(void)raise(number);
}
