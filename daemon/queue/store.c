#include "config.h"

#include "queue/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "queue/bigendian.h"
#include "queue/store_private.h"

#define READERS_MAX 256
/* Where the address space has no room for more. */
#define MAP_BYTES_LEAST (1ull << 30)
#define RESERVE_MAX     (64ull << 20)
#define LOCK_NAME       "relaisd.lock"

static const char *const table_names[STORE_TABLES] = {
	[TABLE_META] = "meta",     [TABLE_MSG] = "msg",
	[TABLE_RCPT] = "rcpt",     [TABLE_BODY] = "body",
	[TABLE_FRESH] = "fresh",   [TABLE_SCHED] = "sched",
	[TABLE_LANE] = "lane",     [TABLE_LANE_KEY] = "lane_key",
	[TABLE_WAKE] = "wake",     [TABLE_STATE] = "state",
	[TABLE_FEED] = "feed",     [TABLE_LATE] = "late",
	[TABLE_FILTER] = "filter", [TABLE_IDEM] = "idem",
	[TABLE_RELAY] = "relay",   [TABLE_REPORT] = "report",
	[TABLE_SHARED] = "shared", [TABLE_ACCOUNT] = "account",
};

static int lock_directory(struct store *store, const char *directory,
                          char **ret_error);
static int open_environment(struct store *store, const char *directory,
                            char **ret_error);
static int sync_directory(const char *directory, char **ret_error);
static int open_tables(struct store *store, char **ret_error);
static int check_format(struct store *store, MDB_txn *txn, char **ret_error);
static void explain(char **ret_error, const char *what, const char *where,
                    int code);
static bool is_lost(struct store *store);

/* ------------------------------------------------------------- life cycle */

int store_open(struct store **ret_store, const char *directory,
               uint64_t map_bytes, char **ret_error)
{
	struct store *store = calloc(1, sizeof(*store));
	int r;

	*ret_error = NULL;
	if (store == NULL)
		return -ENOMEM;
	store->lock_fd = -1;
	store->map_bytes = map_bytes;
	r = lock_directory(store, directory, ret_error);
	if (r < 0)
		goto out;
	r = store_create(directory);
	if (r < 0) {
		explain(ret_error, "cannot make the store in", directory, -r);
		goto out;
	}
	r = sync_directory(directory, ret_error);
	if (r < 0)
		goto out;
	r = open_environment(store, directory, ret_error);
	if (r < 0)
		goto out;
	r = open_tables(store, ret_error);
	if (r < 0)
		goto out;

	*ret_store = store;
	store = NULL;
out:
	store_close(store);
	return r;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	if (store->env != NULL)
		mdb_env_close(store->env);
	if (store->lock_fd >= 0)
		(void)close(store->lock_fd);
	free(store);
}

static int lock_directory(struct store *store, const char *directory,
                          char **ret_error)
{
	char path[4096];
	int len = snprintf(path, sizeof(path), "%s/" LOCK_NAME, directory);
	int r = 0;

	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	store->lock_fd =
	    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock_fd < 0) {
		r = -errno;
		explain(ret_error, "cannot open", path, -r);
		return r;
	}
	if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		r = -errno;
		explain(ret_error,
		        r == -EWOULDBLOCK
		            ? "another relaisd has the queue open:"
		            : "cannot lock",
		        path, -r);
		r = r == -EWOULDBLOCK ? -EBUSY : r;
	}
	return r;
}

/* Answers with codes of LMDB. */
static int try_environment(struct store *store, const char *directory)
{
	int r = mdb_env_create(&store->env);

	if (r == 0)
		r = mdb_env_set_maxdbs(store->env, STORE_TABLES);
	if (r == 0)
		r = mdb_env_set_maxreaders(store->env, READERS_MAX);
	if (r == 0)
		r = mdb_env_set_mapsize(store->env, store->map_bytes);
	if (r == 0)
		r = mdb_env_open(store->env, directory,
		                 MDB_NOTLS | MDB_NORDAHEAD, 0600);
	if (r == 0)
		r = mdb_env_get_fd(store->env, &store->data_fd);
	return r;
}

static int open_environment(struct store *store, const char *directory,
                            char **ret_error)
{
	int dead, flags;
	int r;

	/* Not everywhere is there so much address space. */
	while (((r = try_environment(store, directory)) == ENOMEM ||
	        r == EINVAL) &&
	       store->map_bytes > MAP_BYTES_LEAST) {
		mdb_env_close(store->env);
		store->env = NULL;
		store->map_bytes /= 2;
	}
	if (r != 0) {
		explain(ret_error, "cannot open the store in", directory, r);
		return store_translate(r);
	}
	/* LMDB 0.9.24 opens data.mdb without O_CLOEXEC. */
	flags = fcntl(store->data_fd, F_GETFD);
	if (flags >= 0)
		(void)fcntl(store->data_fd, F_SETFD, flags | FD_CLOEXEC);
	(void)mdb_reader_check(store->env, &dead);
	return 0;
}

/* A new file is there after a power cut only if its name is on disk, too. */
static int sync_directory(const char *directory, char **ret_error)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	/* Some file systems have nothing to sync there, and say so. */
	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL)) {
		r = -errno;
		explain(ret_error, "cannot sync", directory, -r);
	}
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static int open_tables(struct store *store, char **ret_error)
{
	MDB_txn *txn = NULL;
	int r;

	r = mdb_txn_begin(store->env, NULL, 0, &txn);
	if (r != 0)
		goto out;
	r = mdb_dbi_open(txn, table_names[TABLE_META], MDB_CREATE,
	                 &store->tables[TABLE_META]);
	if (r != 0)
		goto out;
	r = check_format(store, txn, ret_error);
	if (r != 0)
		goto out;
	for (int i = 0; i < STORE_TABLES && r == 0; i++)
		r = mdb_dbi_open(txn, table_names[i], MDB_CREATE,
		                 &store->tables[i]);
	if (r != 0)
		goto out;
	r = mdb_txn_commit(txn);
	txn = NULL;
out:
	if (txn != NULL)
		mdb_txn_abort(txn);
	if (r != 0 && *ret_error == NULL)
		explain(ret_error, "cannot prepare", "the store's tables", r);
	return store_translate(r);
}

/* Answers with codes of LMDB, which has none for a newer format of ours. */
static int check_format(struct store *store, MDB_txn *txn, char **ret_error)
{
	static char name[] = "format";
	unsigned char version[4];
	MDB_val key = { sizeof(name) - 1, name };
	MDB_val value = { sizeof(version), version };
	unsigned found;
	int r;

	be32_put(version, STORE_FORMAT_VERSION);
	r = mdb_put(txn, store->tables[TABLE_META], &key, &value,
	            MDB_NOOVERWRITE);
	if (r != MDB_KEYEXIST)
		return r;
	found = value.mv_size == 4 ? be32_get(value.mv_data) : 0;
	if (found >= STORE_FORMAT_OLDEST && found <= STORE_FORMAT_VERSION)
		return 0;
	if (asprintf(
		ret_error,
		"the queue on disk has format %u, this relaisd knows formats "
		"up to %u: run the version that wrote it, or move the queue "
		"directory away",
		found, STORE_FORMAT_VERSION) < 0)
		*ret_error = NULL;
	return MDB_VERSION_MISMATCH;
}

static void explain(char **ret_error, const char *what, const char *where,
                    int code)
{
	if (asprintf(ret_error, "%s %s: %s", what, where, mdb_strerror(code)) <
	    0)
		*ret_error = NULL;
}

int store_translate(int code)
{
	switch (code) {
	case MDB_SUCCESS:
		return 0;
	case MDB_NOTFOUND:
		return -ENOENT;
	case MDB_KEYEXIST:
		return -EEXIST;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case MDB_CURSOR_FULL:
	case MDB_PAGE_FULL:
	case EDQUOT:
	case EFBIG:
		return -ENOSPC;
	case MDB_PANIC:
		return -ENOTRECOVERABLE;
	case MDB_VERSION_MISMATCH:
		return -EPROTONOSUPPORT;
	case MDB_READERS_FULL:
		return -EMFILE;
	default:
		/* The rest of LMDB's own mean: damaged, or misused. */
		return code > 0 ? -code : -EIO;
	}
}

/* ----------------------------------------------------------- transactions */

int store_begin(struct store *store, struct store_txn **ret_txn)
{
	struct store_txn *txn = calloc(1, sizeof(*txn));
	int r;

	if (txn == NULL)
		return -ENOMEM;
	txn->store = store;
	r = mdb_txn_begin(store->env, NULL, 0, &txn->txn);
	if (r != 0) {
		free(txn);
		return store_translate(r);
	}
	*ret_txn = txn;
	return 0;
}

int store_commit(struct store_txn *txn)
{
	int r = txn->error;

	if (r == 0)
		r = store_fail_on_purpose(txn->store, STORE_CALL_COMMIT);
	if (r == 0) {
		r = store_translate(mdb_txn_commit(txn->txn));
		if (r < 0 && is_lost(txn->store))
			r = -ENOTRECOVERABLE;
		else if (r == -EIO)
			r = store_why_not_written(txn->store);
	} else {
		mdb_txn_abort(txn->txn);
	}
	free(txn);
	return r;
}

/*
 * Where the last write of a commit fails, LMDB says why, but not that nobody
 * knows now what is on disk; only the next transaction is refused for that.
 */
static bool is_lost(struct store *store)
{
	MDB_txn *txn;
	int r = mdb_txn_begin(store->env, NULL, 0, &txn);

	if (r == 0)
		mdb_txn_abort(txn);
	return r == MDB_PANIC;
}

void store_abort(struct store_txn *txn)
{
	if (txn == NULL)
		return;
	mdb_txn_abort(txn->txn);
	free(txn);
}

int store_txn_error(const struct store_txn *txn)
{
	return txn->error;
}

uint64_t store_txn_writes(const struct store_txn *txn)
{
	return txn->writes;
}

int store_reader_new(struct store_txn **ret_reader, struct store *store)
{
	struct store_txn *reader = calloc(1, sizeof(*reader));
	int r;

	if (reader == NULL)
		return -ENOMEM;
	reader->store = store;
	r = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &reader->txn);
	if (r != 0) {
		free(reader);
		return store_translate(r);
	}
	mdb_txn_reset(reader->txn);
	*ret_reader = reader;
	return 0;
}

int store_reader_begin(struct store_txn *reader)
{
	return store_translate(mdb_txn_renew(reader->txn));
}

void store_reader_end(struct store_txn *reader)
{
	mdb_txn_reset(reader->txn);
}

void store_reader_free(struct store_txn *reader)
{
	store_abort(reader);
}

int store_fail_on_purpose(struct store *store, enum store_call call)
{
	return store->fault != NULL ? store->fault(call, store->fault_context)
	                            : 0;
}

void store_set_fault(struct store *store,
                     int (*fault)(enum store_call call, void *context),
                     void *context)
{
	store->fault = fault;
	store->fault_context = context;
}

/* ------------------------------------------------------------------ space */

static uint64_t pages_of(MDB_txn *txn, MDB_dbi table)
{
	MDB_stat stat;

	if (mdb_stat(txn, table, &stat) != 0)
		return 0;
	return stat.ms_branch_pages + stat.ms_leaf_pages +
	       stat.ms_overflow_pages;
}

uint64_t store_used_bytes(struct store_txn *txn)
{
	/* Two meta pages, the free list and the table of tables. */
	uint64_t pages = 2 + pages_of(txn->txn, 0) + pages_of(txn->txn, 1);

	for (int i = 0; i < STORE_TABLES; i++)
		pages += pages_of(txn->txn, txn->store->tables[i]);
	return pages * STORE_PAGE_BYTES;
}

uint64_t store_map_bytes(const struct store *store)
{
	return store->map_bytes;
}

uint64_t store_reserve_bytes(uint64_t maximum_bytes)
{
	return maximum_bytes / 4 < RESERVE_MAX ? maximum_bytes / 4
	                                       : RESERVE_MAX;
}

int store_reserve_ahead(struct store *store, uint64_t ahead)
{
	MDB_envinfo info;
	uint64_t end;

	if (mdb_env_info(store->env, &info) != 0)
		return 0;
	end = ((uint64_t)info.me_last_pgno + 1) * STORE_PAGE_BYTES;
	if (end + ahead / 2 <= store->reserved_to)
		return 0;
	if (fallocate(store->data_fd, FALLOC_FL_KEEP_SIZE, (off_t)end,
	              (off_t)ahead) < 0)
		return errno == ENOSPC || errno == EDQUOT || errno == EFBIG
		           ? -ENOSPC
		           : 0;
	store->reserved_to = end + ahead;
	return 0;
}

int store_why_not_written(struct store *store)
{
	struct stat file;
	ssize_t n;
	int r = -EIO;

	if (fstat(store->data_fd, &file) < 0)
		return r;
	n = pwrite(store->data_fd, "", 1, file.st_size);
	if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
		r = -ENOSPC;
	if (n > 0)
		(void)!ftruncate(store->data_fd, file.st_size);
	return r;
}

int store_disk_free(struct store *store, uint64_t *ret_bytes)
{
	struct statvfs disk;

	if (fstatvfs(store->data_fd, &disk) < 0)
		return -errno;
	*ret_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
	return 0;
}

void store_check_readers(struct store *store)
{
	int dead;

	(void)mdb_reader_check(store->env, &dead);
}
