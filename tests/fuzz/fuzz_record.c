/*
 * fuzz_record - records as a damaged disk might give them back
 *
 * What is accepted must come out the same after another round.
 */
#include "config.h"

#include "queue/record.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_again(const struct message *message)
{
	struct record first = { 0 }, second = { 0 };
	struct record_summary summary;
	struct message *again = NULL;

	assert(record_encode(&first, message) == 0);
	assert(record_decode(&again, 1, first.bytes, first.len, true) == 0);
	assert(record_peek(&summary, first.bytes, first.len) == 0);
	assert(summary.recipient_count == again->recipient_count);
	assert(record_encode(&second, again) == 0);
	assert(first.len == second.len);
	assert(memcmp(first.bytes, second.bytes, first.len) == 0);
	message_free(again);
	record_done(&first);
	record_done(&second);
}

/* The input is a record without its sum, which no fuzzer would guess. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned char *bytes = malloc(len + 4);
	struct message *message = NULL;

	assert(bytes != NULL);
	memcpy(bytes, data, len);
	be32_put(bytes + len, (uint32_t)hash_bytes(bytes, len));
	if (record_decode(&message, 1, bytes, len + 4, true) == 0) {
		read_again(message);
		(void)record_decode_recipient(message, 0, bytes, len + 4);
	}
	message_free(message);
	free(bytes);
	return 0;
}
