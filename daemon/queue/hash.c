#include "config.h"

#include "queue/hash.h"

#include <endian.h>
#include <string.h>

/* Any constant will do; these are "relais queue v1" and never change. */
#define KEY_0 0x71207369616c6572ull
#define KEY_1 0x0031762065756575ull

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void round_once(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static inline void compress(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	round_once(v);
	round_once(v);
	v[0] ^= word;
}

static uint64_t finish(uint64_t v[4])
{
	for (unsigned i = 0; i < 4; i++)
		round_once(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static inline uint64_t load_le64(const unsigned char *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return le64toh(value);
}

static void store_le64(unsigned char *bytes, uint64_t value)
{
	value = htole64(value);
	memcpy(bytes, &value, sizeof(value));
}

void hash_init(struct hash *hash)
{
	hash->v[0] = KEY_0 ^ 0x736f6d6570736575ull;
	hash->v[1] = KEY_1 ^ 0x646f72616e646f6dull ^ 0xee;
	hash->v[2] = KEY_0 ^ 0x6c7967656e657261ull;
	hash->v[3] = KEY_1 ^ 0x7465646279746573ull;
	hash->total = 0;
	memset(hash->tail, 0, sizeof(hash->tail));
}

void hash_update(struct hash *hash, const void *data, size_t len)
{
	const unsigned char *at = data;
	size_t held = hash->total % 8;
	uint64_t v[4]; /* in registers */

	hash->total += len;
	if (held > 0) {
		size_t wanted = 8 - held < len ? 8 - held : len;

		memcpy(hash->tail + held, at, wanted);
		at += wanted;
		len -= wanted;
		if (held + wanted < 8)
			return;
		compress(hash->v, load_le64(hash->tail));
	}
	memcpy(v, hash->v, sizeof(v));
	for (; len >= 8; at += 8, len -= 8)
		compress(v, load_le64(at));
	memcpy(hash->v, v, sizeof(v));
	if (len > 0)
		memcpy(hash->tail, at, len);
}

void hash_final(struct hash *hash, unsigned char ret_digest[HASH_SIZE])
{
	uint64_t *v = hash->v;

	memset(hash->tail + hash->total % 8, 0, 8 - hash->total % 8);
	hash->tail[7] = (unsigned char)hash->total;
	compress(v, load_le64(hash->tail));
	v[2] ^= 0xee;
	store_le64(ret_digest, finish(v));
	v[1] ^= 0xdd;
	store_le64(ret_digest + 8, finish(v));
}

uint64_t hash_bytes(const void *data, size_t len)
{
	unsigned char digest[HASH_SIZE];
	struct hash hash;

	hash_init(&hash);
	hash_update(&hash, data, len);
	hash_final(&hash, digest);
	return load_le64(digest);
}
