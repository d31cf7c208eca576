#include "config.h"

#include "queue/hash.h"

#include <string.h>

static void compress(struct hash *hash, uint64_t word);
static void rounds(uint64_t v[4], unsigned count);
static uint64_t load_le64(const unsigned char *bytes);
static void store_le64(unsigned char *bytes, uint64_t value);

/* Any constant will do; these are "relais queue v1" and never change. */
#define KEY_0 0x71207369616c6572ull
#define KEY_1 0x0031762065756575ull

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

	hash->total += len;
	if (held > 0) {
		size_t wanted = 8 - held < len ? 8 - held : len;

		memcpy(hash->tail + held, at, wanted);
		at += wanted;
		len -= wanted;
		if (held + wanted < 8)
			return;
		compress(hash, load_le64(hash->tail));
	}
	for (; len >= 8; at += 8, len -= 8)
		compress(hash, load_le64(at));
	if (len > 0)
		memcpy(hash->tail, at, len);
}

void hash_final(struct hash *hash, unsigned char ret_digest[HASH_SIZE])
{
	uint64_t *v = hash->v;

	memset(hash->tail + hash->total % 8, 0, 8 - hash->total % 8);
	hash->tail[7] = (unsigned char)hash->total;
	compress(hash, load_le64(hash->tail));
	v[2] ^= 0xee;
	rounds(v, 4);
	store_le64(ret_digest, v[0] ^ v[1] ^ v[2] ^ v[3]);
	v[1] ^= 0xdd;
	rounds(v, 4);
	store_le64(ret_digest + 8, v[0] ^ v[1] ^ v[2] ^ v[3]);
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

static void compress(struct hash *hash, uint64_t word)
{
	hash->v[3] ^= word;
	rounds(hash->v, 2);
	hash->v[0] ^= word;
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static void rounds(uint64_t v[4], unsigned count)
{
	while (count-- > 0) {
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
}

static uint64_t load_le64(const unsigned char *bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

static void store_le64(unsigned char *bytes, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(value >> (8 * i));
}
