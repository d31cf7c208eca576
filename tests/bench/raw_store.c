/*
 * raw_store - what the disk and LMDB give for the same bytes, as key=value
 *
 * usage: raw_store [-n BATCH] [-b BYTES] [-s SECONDS] DIRECTORY
 *
 * The limit of every submission: a loop that does nothing but put bodies of
 * BYTES octets and their records into a store like relaisd's, BATCH of them in
 * a transaction, through the same calls. Each commit is timed. The store is
 * made in DIRECTORY and removed.
 */
#include "config.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "queue/bigendian.h"
#include "queue/queue.h"
#include "queue/store.h"

#define HEADER_BYTES 400
#define RECORD_BYTES 250
#define TIMES_MAX    1000000

static unsigned batch = 1;
static size_t bytes = 4096;
static double seconds = 3;
static char *body;
static float times_ms[TIMES_MAX];
static size_t time_count;

static void must(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "raw_store: %s: %s\n", what, strerror(-r));
	exit(1);
}

static int remove_one(const char *path, const struct stat *stat, int flag,
                      struct FTW *ftw)
{
	(void)stat;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void put_piece(struct store_txn *txn, uint64_t id, uint32_t piece,
                      const char *data, size_t len)
{
	unsigned char key[12];
	void *room;

	be64_put(key, id);
	be32_put(key + 8, piece);
	must(store_append_room(txn, TABLE_BODY, key, sizeof(key), len, &room),
	     "put");
	memcpy(room, data, len);
}

static void put_mail(struct store_txn *txn, uint64_t id)
{
	size_t left = HEADER_BYTES + bytes, len;
	unsigned char key[8], record[RECORD_BYTES] = { 0 };

	for (uint32_t piece = 0; left > 0; piece++, left -= len) {
		len = left < BODY_PIECE_MAX ? left : BODY_PIECE_MAX;
		put_piece(txn, id, piece, body, len);
	}
	be64_put(key, id);
	must(store_append(txn, TABLE_MSG, key, sizeof(key), record,
	                  sizeof(record)),
	     "put");
}

static void run(struct store *store)
{
	int64_t start_us = clock_monotonic_us(), before_us, now_us = start_us;
	uint64_t id = 0;

	while ((double)(now_us - start_us) < seconds * 1e6) {
		struct store_txn *txn;

		before_us = now_us;
		must(store_begin(store, &txn), "begin");
		for (unsigned i = 0; i < batch; i++)
			put_mail(txn, ++id);
		must(store_commit(txn), "commit");
		now_us = clock_monotonic_us();
		if (time_count < TIMES_MAX)
			times_ms[time_count++] =
			    (float)(now_us - before_us) / 1000;
	}
	printf("done=%lu secs=%.3f rate=%.1f mib_s=%.2f", (unsigned long)id,
	       (double)(now_us - start_us) / 1e6,
	       (double)id * 1e6 / (double)(now_us - start_us),
	       (double)id * (double)bytes / (double)(now_us - start_us) /
	           1.048576);
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static int read_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "n:b:s:")) != -1) {
		if (option == 'n')
			batch = (unsigned)atoi(optarg);
		else if (option == 'b')
			bytes = strtoul(optarg, NULL, 10);
		else if (option == 's')
			seconds = atof(optarg);
		else
			return -1;
	}
	return optind + 1 == argc && batch > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct store *store;
	char *error = NULL;
	char directory[4096];

	if (read_options(argc, argv) < 0) {
		fprintf(stderr, "usage: raw_store [-n BATCH] [-b BYTES] "
		                "[-s SECONDS] DIRECTORY\n");
		return 64;
	}
	body = calloc(1, BODY_PIECE_MAX);
	snprintf(directory, sizeof(directory), "%s/raw-XXXXXX", argv[optind]);
	if (body == NULL || mkdtemp(directory) == NULL)
		must(-errno, directory);
	memset(body, 'X', BODY_PIECE_MAX);
	if (store_open(&store, directory, 64ull << 30, &error) < 0) {
		fprintf(stderr, "raw_store: %s\n", error);
		return 1;
	}
	run(store);
	store_close(store);
	(void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	qsort(times_ms, time_count, sizeof(*times_ms), compare);
	printf(" p50_ms=%.3f p99_ms=%.3f\n", (double)times_ms[time_count / 2],
	       (double)times_ms[time_count * 99 / 100]);
	return 0;
}
