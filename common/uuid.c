#include "config.h"

#include "uuid.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

int uuid_v7_make(int64_t wall_ms, char out[UUID_SIZE])
{
	unsigned char random[10];
	uint64_t time = wall_ms > 0 ? (uint64_t)wall_ms : 0;
	ssize_t n;

	/* Reads of up to 256 bytes are never cut short, but may be interrupted
	   while the pool is not yet initialised. */
	do
		n = getrandom(random, sizeof(random), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	random[0] = 0x70 | (random[0] & 0x0f);
	random[2] = 0x80 | (random[2] & 0x3f);
	(void)snprintf(out, UUID_SIZE,
	               "%08x-%04x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
	               (unsigned)(time >> 16 & 0xffffffff),
	               (unsigned)(time & 0xffff), random[0], random[1],
	               random[2], random[3], random[4], random[5], random[6],
	               random[7], random[8], random[9]);
	return 0;
}

bool uuid_v7_is(const char *text, uint64_t *ret_wall_ms)
{
	uint64_t time = 0;

	if (strlen(text) != UUID_SIZE - 1)
		return false;
	for (int i = 0; i < UUID_SIZE - 1; i++) {
		const char *hex = "0123456789abcdefABCDEF";
		const char *digit = strchr(hex, text[i]);
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash && text[i] == '-')
			continue;
		if (is_dash || !digit)
			return false;
		if (i < 13) {
			long value = digit - hex;

			time = time << 4 |
			       (uint64_t)(value > 15 ? value - 6 : value);
		}
	}
	if (text[14] != '7' || !strchr("89abAB", text[19]))
		return false;
	*ret_wall_ms = time;
	return true;
}
