/*
 * store_create - a new store, that is there whole or not at all
 *
 * LMDB writes the first pages of a new file in place; a power cut meanwhile
 * leaves one that it takes for damaged ever after. So the file is made under
 * another name and gets its own when its pages are on disk.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "queue/store_private.h"

#define PATH_SIZE 4096

static int make_file(const char *path);
static int join(char path[PATH_SIZE], const char *directory, const char *name);

int store_create(const char *directory)
{
	char path[PATH_SIZE], new_path[PATH_SIZE], lock_path[PATH_SIZE];
	int r;

	r = join(path, directory, "data.mdb");
	if (r == 0)
		r = join(new_path, directory, "data.new");
	if (r == 0)
		r = join(lock_path, directory, "data.new-lock");
	if (r < 0)
		return r;
	if (access(path, F_OK) == 0)
		return 0;
	/* What an earlier try has left. */
	(void)unlink(new_path);
	r = make_file(new_path);
	(void)unlink(lock_path);
	if (r == 0 && rename(new_path, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(new_path);
	return r;
}

static int make_file(const char *path)
{
	MDB_env *env;
	int r = mdb_env_create(&env);

	if (r != 0)
		return store_translate(r);
	r = mdb_env_open(env, path, MDB_NOSUBDIR, 0600);
	if (r == 0)
		r = mdb_env_sync(env, 1);
	mdb_env_close(env);
	return store_translate(r);
}

static int join(char path[PATH_SIZE], const char *directory, const char *name)
{
	int len = snprintf(path, PATH_SIZE, "%s/%s", directory, name);

	return len < 0 || len >= PATH_SIZE ? -ENAMETOOLONG : 0;
}
