/*
 * hash - 128 bits over a stream of bytes (SipHash-2-4-128, fixed key)
 *
 * For checks of what is on disk and for the idempotency table; it is no secret
 * and proves nothing against somebody who wants a collision with himself.
 *
 * Thread: none; plain values.
 */
#ifndef RELAIS_QUEUE_HASH_H
#define RELAIS_QUEUE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_SIZE 16

struct hash {
	uint64_t v[4];
	uint64_t total;
	unsigned char tail[8];
};

void hash_init(struct hash *hash);
void hash_update(struct hash *hash, const void *data, size_t len);
void hash_final(struct hash *hash, unsigned char ret_digest[HASH_SIZE]);

/* The first 64 bits of the digest of one piece. */
uint64_t hash_bytes(const void *data, size_t len);

#endif
