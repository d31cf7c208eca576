/*
 * store_rows - what is left in the store of a relaisd that has ended
 *
 *   store_rows DIRECTORY
 *
 * Prints the rows of each table, and ends with 1 where tables disagree.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/consistency.h"
#include "queue/queue.h"
#include "queue/queue_private.h"
#include "settings.h"

static const struct {
	enum store_table table;
	const char *name;
} shown[] = {
	{ TABLE_MSG, "msg" },       { TABLE_BODY, "body" },
	{ TABLE_FRESH, "fresh" },   { TABLE_SCHED, "sched" },
	{ TABLE_WAKE, "wake" },     { TABLE_REPORT, "report" },
	{ TABLE_SHARED, "shared" },
};

static void print_rows(struct queue *queue)
{
	struct store_txn *txn;

	if (store_reader_new(&txn, queue->store) < 0 ||
	    store_reader_begin(txn) < 0)
		abort();
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		printf("%s %" PRIu64 "\n", shown[i].name,
		       store_count(txn, shown[i].table));
	store_reader_end(txn);
	store_reader_free(txn);
}

int main(int argc, char **argv)
{
	struct settings settings = { 0 };
	struct queue *queue;
	char *error = NULL;
	bool is_kept;

	if (argc != 2) {
		fprintf(stderr, "usage: store_rows DIRECTORY\n");
		return 64;
	}
	settings.queue.directory = argv[1];
	settings.queue.maximum_bytes = UINT64_C(1) << 30;
	if (queue_open(&queue, &settings, &error) < 0) {
		fprintf(stderr, "store_rows: %s\n", error ? error : "?");
		free(error);
		return 2;
	}
	is_kept = consistency_is_kept(queue);
	print_rows(queue);
	queue_free(queue);
	return is_kept ? 0 : 1;
}
