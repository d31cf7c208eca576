#include "config.h"

#include "queue/totals.h"

#include <errno.h>
#include <string.h>

#include "queue/bigendian.h"

#define NUMBERS     (6 + MESSAGE_STATES)
#define ROW_SIZE    (1 + 8 * NUMBERS + 4)
#define ROW_VERSION 1

static const unsigned char row_key[4];

static void list_numbers(struct totals *totals, uint64_t *numbers[NUMBERS])
{
	unsigned n = 0;

	numbers[n++] = &totals->last_id;
	numbers[n++] = &totals->last_body_id;
	numbers[n++] = &totals->last_sequence;
	numbers[n++] = &totals->committed_ms;
	numbers[n++] = &totals->retained_to;
	numbers[n++] = &totals->waiting_parts;
	for (unsigned i = 0; i < MESSAGE_STATES; i++)
		numbers[n++] = &totals->messages[i];
}

int totals_load(struct totals *ret_totals, struct store_txn *txn)
{
	uint64_t *numbers[NUMBERS];
	struct totals totals = { 0 };
	struct store_bytes row;
	int r;

	r = store_get(txn, TABLE_LANE, row_key, sizeof(row_key), &row);
	if (r == -ENOENT) {
		*ret_totals = totals;
		return 0;
	}
	if (r < 0)
		return r;
	if (row.len != ROW_SIZE || row.data[0] != ROW_VERSION)
		return -EBADMSG;
	list_numbers(&totals, numbers);
	for (unsigned i = 0; i < NUMBERS; i++)
		*numbers[i] = be64_get(row.data + 1 + 8 * i);
	totals.last_lane = be32_get(row.data + 1 + 8 * NUMBERS);
	*ret_totals = totals;
	return 0;
}

int totals_save(const struct totals *totals, struct store_txn *txn)
{
	struct totals copy = *totals;
	uint64_t *numbers[NUMBERS];
	unsigned char row[ROW_SIZE];

	row[0] = ROW_VERSION;
	list_numbers(&copy, numbers);
	for (unsigned i = 0; i < NUMBERS; i++)
		be64_put(row + 1 + 8 * i, *numbers[i]);
	be32_put(row + 1 + 8 * NUMBERS, totals->last_lane);
	return store_put(txn, TABLE_LANE, row_key, sizeof(row_key), row,
	                 sizeof(row));
}
