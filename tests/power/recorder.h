/*
 * recorder - writes down what a process asks of the disk, in order
 *
 * Takes the place of libc's calls, for LMDB too: linked into a program, or
 * preloaded into relaisd with the log's path in $POWER_LOG. Recorded are the
 * writes, cuts and syncs of data.mdb, the syncs of its directory, and words: a
 * promise that was given to somebody at that moment. With a preloaded recorder
 * each "250 … queued as ID" that is written anywhere is a word, "queued ID".
 *
 * Log: records of a struct recorded and its data.
 */
#ifndef RELAIS_TESTS_RECORDER_H
#define RELAIS_TESTS_RECORDER_H

#include <stdint.h>

enum recorded_kind {
	RECORD_WRITE,        /* on disk perhaps, until a sync has returned */
	RECORD_SYNCED_WRITE, /* by O_DSYNC: on disk, this write alone */
	RECORD_SYNC,         /* all before it is on disk */
	RECORD_CUT,          /* ftruncate */
	RECORD_MADE,         /* it was given its name, which is there perhaps */
	RECORD_NAMED,        /* the directory was synced: it is there */
	RECORD_WORD,
};

struct recorded {
	uint32_t kind;
	uint32_t len;
	uint64_t offset;
};

/* From here on into this file; NULL ends it. */
void recorder_start(const char *path);
void recorder_word(const char *word);

#endif
