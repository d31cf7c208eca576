/*
 * store_copy - the whole store as it is at one moment, and back from there
 */
#include "config.h"

#include <errno.h>
#include <sys/stat.h>

#include "queue/store_private.h"

/* Compacted: free pages are left out, and the writer is not held up. */
int store_copy(struct store *store, int fd)
{
	return store_translate(mdb_env_copyfd2(store->env, fd, MDB_CP_COMPACT));
}

/* A file that was cut would be a fault of the bus, once its end is read. */
int store_verify(const char *path)
{
	struct stat status;
	MDB_envinfo info;
	MDB_stat tree;
	MDB_env *env;
	int r;

	if (stat(path, &status) < 0)
		return -errno;
	if (status.st_size == 0)
		return -EBADMSG;
	r = mdb_env_create(&env);
	if (r != 0)
		return store_translate(r);
	r = mdb_env_open(env, path, MDB_RDONLY | MDB_NOSUBDIR | MDB_NOLOCK,
	                 0600);
	if (r == 0)
		r = mdb_env_info(env, &info);
	if (r == 0)
		r = mdb_env_stat(env, &tree);
	mdb_env_close(env);
	if (r == 0 && (uint64_t)status.st_size <
	                  (uint64_t)(info.me_last_pgno + 1) * tree.ms_psize)
		return -EBADMSG;
	return r == MDB_INVALID || r == MDB_VERSION_MISMATCH
	           ? -EBADMSG
	           : store_translate(r);
}
