/*
 * uuid - version 7 UUIDs (RFC 9562 5.7), used as idempotency keys
 */
#ifndef RELAIS_UUID_H
#define RELAIS_UUID_H

#include <stdbool.h>
#include <stdint.h>

/* 36 characters and the NUL */
#define UUID_SIZE 37

/* Random bits come from getrandom(2); returns -errno where that fails. */
int uuid_v7_make(int64_t wall_ms, char out[UUID_SIZE]);

/* Is this a version 7 UUID, and which milliseconds does it start with? */
bool uuid_v7_is(const char *text, uint64_t *ret_wall_ms);

#endif
