/*
 * delivery_log - one line for what an attempt meant to one recipient
 *
 * event=delivered|deferred|failed|expired, then in this order: id, rcpt, relay,
 * host, tls, phase, attempt, ms, delay_s (since submission), next_s (deferred
 * only), dsn, reply.
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_DELIVERY_LOG_H
#define RELAIS_DELIVER_DELIVERY_LOG_H

#include <stdint.h>

struct message;
struct message_recipient;
struct settlement_recipient;

struct delivery_report {
	const struct message *message;
	const struct message_recipient *recipient;
	const struct settlement_recipient *decision;
	const char *relay;
	const char *host; /* or NULL */
	const char *tls;  /* or NULL */
	uint32_t duration_ms;
	uint64_t now_ms;       /* wall */
	uint64_t queue_now_ms; /* the clock of the decision's due */
};

void delivery_log(const struct delivery_report *report);

#endif
