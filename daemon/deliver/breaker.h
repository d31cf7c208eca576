/*
 * breaker - keeps mail away from a next hop that is in trouble
 *
 * closed: all may pass. open, held: nobody until a time, then one probe
 * (half-open) whose outcome closes it or opens it for longer. Network faults
 * wait 30 s, 1, 2, 5, 10, 15 minutes; a used-up quota an hour or what the
 * relay asks for; faults that only a human mends (held) 15 minutes, an hour
 * four times, then 6 hours, since accounts are locked for asking more often.
 *
 * Thread: one; plain values. Times in queue milliseconds.
 */
#ifndef RELAIS_DELIVER_BREAKER_H
#define RELAIS_DELIVER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/scheduler.h"
#include "smtp/verdict.h"

/* Zeroed: closed. */
struct breaker {
	enum breaker_state state;
	enum breaker_state before_probe; /* OPEN or HELD */
	enum verdict_fault fault;        /* what opened it */
	uint8_t step;                    /* faults in a row */
	uint64_t since_ms, until_ms;
};

/* May one (closed: more) be tried now? */
bool breaker_may_pass(const struct breaker *breaker, uint64_t now_ms);
bool breaker_is_closed(const struct breaker *breaker);

/* Open or held and its time has come: what goes now is the probe. */
void breaker_begin_probe(struct breaker *breaker, uint64_t now_ms);

/* The probe came back without having met the relay: the next one may go. */
void breaker_forget_probe(struct breaker *breaker, uint64_t now_ms);

/*
 * A fault came home. Those that come home together are one: without is_probe
 * an open breaker stays as it is. Returns true when the state changed.
 */
bool breaker_trip(struct breaker *breaker, const struct verdict *fault,
                  bool is_probe, uint64_t now_ms, uint32_t random);

/* Somebody got through. Returns true when it was not closed. */
bool breaker_close(struct breaker *breaker, uint64_t now_ms);

/* The next probe may go at once. */
void breaker_ask_now(struct breaker *breaker, uint64_t now_ms);

#endif
