/*
 * fuzz_lane_row - rows of lanes as a damaged disk might give them back
 *
 * What is accepted comes out the same after another round.
 */
#include "config.h"

#include "queue/lane_row.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The input is a row without its sum, which no fuzzer would guess. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned char *bytes = malloc(len + 4);
	struct store_bytes row = { bytes, len + 4 };
	struct record first = { 0 };
	struct lane_info info;
	struct lane *lane, *again;

	assert(bytes != NULL);
	memcpy(bytes, data, len);
	be32_put(bytes + len, (uint32_t)hash_bytes(bytes, len));
	lane = lane_from_row(7, &row);
	assert((lane_row_parse(&info, 7, &row) == 0) == (lane != NULL));
	if (lane != NULL) {
		assert(strlen(info.domain) < LANE_DOMAIN_MAX);
		assert(strcmp(info.domain, lane->key.domain) == 0);
		assert(lane_to_row(&first, lane) == 0);
		row = (struct store_bytes){ first.bytes, first.len };
		again = lane_from_row(7, &row);
		assert(again != NULL && again->waiting == lane->waiting);
		assert(again->wake_row_ms == lane->wake_row_ms);
		assert(strcmp(again->domain, lane->domain) == 0);
		free(again);
	}
	free(lane);
	record_done(&first);
	free(bytes);
	return 0;
}
