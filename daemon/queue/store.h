/*
 * store - tables on stable storage, and transactions over them
 *
 * The only includer of <lmdb.h>; its errors are translated here. One process
 * has a store open at a time (a lock file sees to that).
 *
 * Promise: what store_commit() has answered with 0 survives kill -9 and a
 *          power cut, whole; anything else left nothing behind.
 *
 * Errors: -ENOENT and -EEXIST are answers. Every other error of a write makes
 *         the transaction useless: store_txn_error() keeps it, abort. -ENOSPC
 *         (map or disk full), -EIO (also: damaged), -ENOMEM may pass;
 *         -ENOTRECOVERABLE: the process must end, outcome unknown.
 * Thread: store_begin() to its end on the committer's thread only (or before
 *         it runs); a reader belongs to the thread that uses it.
 */
#ifndef RELAIS_QUEUE_STORE_H
#define RELAIS_QUEUE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The names are on disk; the order is not. */
enum store_table {
	TABLE_META,
	TABLE_MSG,
	TABLE_RCPT,
	TABLE_BODY,
	TABLE_FRESH,
	TABLE_SCHED,
	TABLE_LANE,
	TABLE_LANE_KEY,
	TABLE_WAKE,
	TABLE_STATE,
	TABLE_FEED,
	TABLE_LATE,
	TABLE_FILTER,
	TABLE_IDEM,
	TABLE_RELAY,
	TABLE_REPORT,
	TABLE_SHARED,
	TABLE_ACCOUNT, /* of format 1; upgrade.h empties it */
};
#define STORE_TABLES 18

#define STORE_FORMAT_VERSION 2u
#define STORE_FORMAT_OLDEST  1u /* of those that can be upgraded */
#define STORE_PAGE_BYTES     4096

struct store;
struct store_txn;
struct store_cursor;

/* Bytes of the store; borrowed until the transaction ends or writes. */
struct store_bytes {
	const unsigned char *data;
	size_t len;
};

/*
 * Opens or makes the store in an existing directory. `*ret_error`, on error,
 * is a sentence to log, the caller's to free (NULL without memory).
 */
int store_open(struct store **ret_store, const char *directory,
               uint64_t map_bytes, char **ret_error);
void store_close(struct store *store);

/*
 * Writes all that is committed now, as a data.mdb, to a descriptor. Takes as
 * long as the reader at its other end; a read transaction all the while.
 * Thread: any, beside the committer.
 */
int store_copy(struct store *store, int fd);

/* Is this file, which nobody has open, such a copy and whole? 0 or -errno. */
int store_verify(const char *path);

/* ---------------------------------------------------------- transactions */

int store_begin(struct store *store, struct store_txn **ret_txn);
/* Both free the transaction, whatever the result. */
int store_commit(struct store_txn *txn);
void store_abort(struct store_txn *txn);
/* The first error that spoilt this transaction, or 0. */
int store_txn_error(const struct store_txn *txn);
/* Rows written or deleted so far. */
uint64_t store_txn_writes(const struct store_txn *txn);

/* A read transaction that is used again and again; one a thread. */
int store_reader_new(struct store_txn **ret_reader, struct store *store);
int store_reader_begin(struct store_txn *reader);
void store_reader_end(struct store_txn *reader);
void store_reader_free(struct store_txn *reader);

/* ------------------------------------------------------------------ rows */

int store_get(struct store_txn *txn, enum store_table table, const void *key,
              size_t key_len, struct store_bytes *ret_value);
int store_put(struct store_txn *txn, enum store_table table, const void *key,
              size_t key_len, const void *value, size_t value_len);
/* The key must be above all of the table's. */
int store_append(struct store_txn *txn, enum store_table table, const void *key,
                 size_t key_len, const void *value, size_t value_len);
/* The same; the value's room is to be filled before the next write. */
int store_append_room(struct store_txn *txn, enum store_table table,
                      const void *key, size_t key_len, size_t value_len,
                      void **ret_value);
/* The same for a key anywhere. */
int store_put_room(struct store_txn *txn, enum store_table table,
                   const void *key, size_t key_len, size_t value_len,
                   void **ret_value);
/* A row that isn't there: -ENOENT. */
int store_delete(struct store_txn *txn, enum store_table table, const void *key,
                 size_t key_len);
uint64_t store_count(struct store_txn *txn, enum store_table table);

/*
 * Cursors: each move gives the row there, or -ENOENT. After a delete the
 * cursor stands before the row that followed.
 */
int store_cursor_open(struct store_txn *txn, enum store_table table,
                      struct store_cursor **ret_cursor);
void store_cursor_close(struct store_cursor *cursor);
int store_cursor_first(struct store_cursor *cursor, struct store_bytes *ret_key,
                       struct store_bytes *ret_value);
int store_cursor_last(struct store_cursor *cursor, struct store_bytes *ret_key,
                      struct store_bytes *ret_value);
int store_cursor_next(struct store_cursor *cursor, struct store_bytes *ret_key,
                      struct store_bytes *ret_value);
int store_cursor_previous(struct store_cursor *cursor,
                          struct store_bytes *ret_key,
                          struct store_bytes *ret_value);
/* The first row at or above the key. */
int store_cursor_seek(struct store_cursor *cursor, const void *key,
                      size_t key_len, struct store_bytes *ret_key,
                      struct store_bytes *ret_value);
/* The last row below the key. */
int store_cursor_seek_below(struct store_cursor *cursor, const void *key,
                            size_t key_len, struct store_bytes *ret_key,
                            struct store_bytes *ret_value);
int store_cursor_delete(struct store_cursor *cursor);

/* ----------------------------------------------------------------- space */

/* Live bytes as this transaction sees them: exact, at no cost. */
uint64_t store_used_bytes(struct store_txn *txn);
uint64_t store_map_bytes(const struct store *store);
/* What is kept for results and deletes of a store of at most so much. */
uint64_t store_reserve_bytes(uint64_t maximum_bytes);
/*
 * Sees to it that `ahead` bytes behind the used end of the file are allocated,
 * so that small writes succeed on a full disk. -ENOSPC; 0 also where the file
 * system can't say.
 */
int store_reserve_ahead(struct store *store, uint64_t ahead);
/* Bytes free for us on the file system. 0 or -errno. */
int store_disk_free(struct store *store, uint64_t *ret_bytes);
/* Gives back the slots of readers that died. */
void store_check_readers(struct store *store);

/* ------------------------------------------------------------- for tests */

enum store_call {
	STORE_CALL_PUT,
	STORE_CALL_DELETE,
	STORE_CALL_COMMIT,
};
/* Asked before each of these calls; not 0: it fails with that -errno. */
void store_set_fault(struct store *store,
                     int (*fault)(enum store_call call, void *context),
                     void *context);

#endif
