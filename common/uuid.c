#include "config.h"

#include "uuid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static bool is_dash(int index)
{
	return index == 8 || index == 13 || index == 18 || index == 23;
}

int uuid_v7_make(int64_t wall_ms, char out[UUID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[16], *random = bytes + 6;
	uint64_t time = wall_ms > 0 ? (uint64_t)wall_ms : 0;
	unsigned nibble = 0;
	ssize_t n;

	/* Reads of up to 256 bytes are never cut short, but may be interrupted
	   while the pool is not yet initialised. */
	do
		n = getrandom(random, 10, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	for (int i = 0; i < 6; i++)
		bytes[i] = (unsigned char)(time >> (40 - 8 * i));
	bytes[6] = 0x70 | (bytes[6] & 0x0f);
	bytes[8] = 0x80 | (bytes[8] & 0x3f);
	for (int i = 0; i < UUID_SIZE - 1; i++) {
		if (is_dash(i)) {
			out[i] = '-';
			continue;
		}
		out[i] = digits[bytes[nibble / 2] >> (nibble % 2 ? 0 : 4) & 15];
		nibble++;
	}
	out[UUID_SIZE - 1] = '\0';
	return 0;
}

static int digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

bool uuid_v7_is(const char *text, uint64_t *ret_wall_ms)
{
	uint64_t time = 0;

	if (strlen(text) != UUID_SIZE - 1)
		return false;
	for (int i = 0; i < UUID_SIZE - 1; i++) {
		int value = digit_value(text[i]);

		if (is_dash(i) && text[i] == '-')
			continue;
		if (is_dash(i) || value < 0)
			return false;
		if (i < 13)
			time = time << 4 | (uint64_t)value;
	}
	if (text[14] != '7' || !strchr("89abAB", text[19]))
		return false;
	*ret_wall_ms = time;
	return true;
}
