#include "config.h"

#include "queue_id.h"

#include <errno.h>
#include <string.h>

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

void queue_id_format(uint64_t id, char out[QUEUE_ID_SIZE])
{
	out[QUEUE_ID_SIZE - 1] = '\0';
	for (int i = QUEUE_ID_SIZE - 2; i >= 0; i--) {
		out[i] = digits[id & 31];
		id >>= 5;
	}
}

int queue_id_parse(const char *text, uint64_t *ret_id)
{
	uint64_t id = 0;

	for (int i = 0; i < QUEUE_ID_SIZE - 1; i++) {
		const char *digit;

		if (text[i] == '\0')
			return -EINVAL;
		digit = strchr(digits, text[i]);
		if (!digit)
			return -EINVAL;
		/* 13 characters have 65 bits: the first one has only 4 */
		if (i == 0 && digit - digits > 15)
			return -EINVAL;
		id = id << 5 | (uint64_t)(digit - digits);
	}
	if (text[QUEUE_ID_SIZE - 1] != '\0')
		return -EINVAL;
	*ret_id = id;
	return 0;
}
