/*
 * store_private - what store.c and store_rows.c share, and nobody else
 */
#ifndef RELAIS_QUEUE_STORE_PRIVATE_H
#define RELAIS_QUEUE_STORE_PRIVATE_H

#include <lmdb.h>

#include "queue/store.h"

struct store {
	MDB_env *env;
	MDB_dbi tables[STORE_TABLES];
	int lock_fd;
	int data_fd;
	uint64_t map_bytes;
	uint64_t reserved_to;
	int (*fault)(enum store_call call, void *context);
	void *fault_context;
};

struct store_txn {
	struct store *store;
	MDB_txn *txn;
	int error;
	uint64_t writes;
};

/* LMDB's codes and errno to 0 or -errno, as store.h tells. */
int store_translate(int code);

/*
 * Makes data.mdb in the directory where there is none. Its name is on disk
 * once the directory was synced.
 */
int store_create(const char *directory);

/*
 * Where less was written than asked for LMDB has but EIO for it, though the
 * disk was full, a quota or the file's limit reached. So one octet more is
 * tried at the file's end: -ENOSPC, or -EIO where that says nothing.
 */
int store_why_not_written(struct store *store);

/* What a test wants of this call: 0, or the -errno it fails with. */
int store_fail_on_purpose(struct store *store, enum store_call call);

#endif
