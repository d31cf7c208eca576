/*
 * bigendian - integers in keys and fixed values of the store
 *
 * Most significant byte first, so that the order of the bytes is the order of
 * the numbers.
 */
#ifndef RELAIS_QUEUE_BIGENDIAN_H
#define RELAIS_QUEUE_BIGENDIAN_H

#include <stdint.h>

static inline void be16_put(unsigned char *bytes, uint16_t value)
{
	bytes[0] = (unsigned char)(value >> 8);
	bytes[1] = (unsigned char)value;
}

static inline void be32_put(unsigned char *bytes, uint32_t value)
{
	be16_put(bytes, (uint16_t)(value >> 16));
	be16_put(bytes + 2, (uint16_t)value);
}

static inline void be64_put(unsigned char *bytes, uint64_t value)
{
	be32_put(bytes, (uint32_t)(value >> 32));
	be32_put(bytes + 4, (uint32_t)value);
}

static inline uint16_t be16_get(const unsigned char *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t be32_get(const unsigned char *bytes)
{
	return (uint32_t)be16_get(bytes) << 16 | be16_get(bytes + 2);
}

static inline uint64_t be64_get(const unsigned char *bytes)
{
	return (uint64_t)be32_get(bytes) << 32 | be32_get(bytes + 4);
}

#endif
