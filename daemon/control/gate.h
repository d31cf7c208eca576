/*
 * gate - how large a request may be, decided when its head is there
 *
 * evhttp keeps a body in memory until it is whole, and hears of no limit but
 * one for all. So the head of each request is looked at before evhttp gets to
 * see it: mail has room, all bodies of mail together have receive.memory, and
 * what won't fit is refused before it is read. Nobody keeps others out: where
 * one comes who would hold less than the one who holds most, that one's
 * unfinished bodies give way. All else stays small.
 *
 * Thread: the control loop's.
 */
#ifndef RELAIS_CONTROL_GATE_H
#define RELAIS_CONTROL_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

struct connection;

/* Embedded in a connection. */
struct gate {
	struct buffer head;
	bool is_decided; /* about this request */
	bool is_chunked;
	uint64_t reserved_bytes; /* of the memory that mail has */
};

/* What a body of mail costs while it is worked on, in copies of itself. */
#define GATE_COST_RAW  1
#define GATE_COST_FORM 3
#define GATE_COST_JSON 4
/* A body whose length isn't told beforehand. */
#define GATE_UNKNOWN_MAX (1024 * 1024)

/* From its admission on. */
void gate_open(struct connection *connection);

/* The body is worked on no more, or elsewhere. */
void gate_release(struct connection *connection);

/* The request is answered; the next one begins. */
void gate_reset(struct connection *connection);
void gate_close(struct connection *connection);

#endif
