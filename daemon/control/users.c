#include "config.h"

#include "control/users.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "runtime/xalloc.h"

/* One name a slot, found by the uid's low bits. */
#define SLOTS         128
#define REMEMBERED_MS (10 * 60 * 1000)
#define ENTRY_SIZE    16384

struct slot {
	int64_t asked_ms; /* 0: empty */
	uid_t uid;
	char *name;
};

struct users {
	struct slot slots[SLOTS];
	char entry[ENTRY_SIZE];
};

struct users *users_new(void)
{
	return xcalloc(1, sizeof(struct users));
}

void users_free(struct users *users)
{
	unsigned i;

	if (!users)
		return;
	for (i = 0; i < SLOTS; i++)
		free(users->slots[i].name);
	free(users);
}

const char *users_name(struct users *users, uid_t uid)
{
	struct slot *slot = &users->slots[uid % SLOTS];
	int64_t now_ms = clock_boottime_ms();
	struct passwd passwd;
	struct passwd *found = NULL;

	if (slot->asked_ms != 0 && slot->uid == uid &&
	    now_ms - slot->asked_ms < REMEMBERED_MS)
		return slot->name;

	free(slot->name);
	slot->name = NULL;
	slot->uid = uid;
	slot->asked_ms = now_ms;
	if (getpwuid_r(uid, &passwd, users->entry, ENTRY_SIZE, &found) == 0 &&
	    found)
		slot->name = xstrdup(passwd.pw_name);
	return slot->name;
}

int users_find(const char *word, uid_t *ret_uid)
{
	char entry[ENTRY_SIZE];
	struct passwd passwd;
	struct passwd *found = NULL;
	unsigned long number;
	char *end;

	if (*word >= '0' && *word <= '9') {
		errno = 0;
		number = strtoul(word, &end, 10);
		if (*end || errno || number >= UINT32_MAX)
			return -ENOENT;
		*ret_uid = (uid_t)number;
		return 0;
	}
	if (getpwnam_r(word, &passwd, entry, sizeof(entry), &found) != 0 ||
	    !found)
		return -ENOENT;
	*ret_uid = passwd.pw_uid;
	return 0;
}

int users_group(uid_t uid, gid_t *ret_gid)
{
	char entry[ENTRY_SIZE];
	struct passwd passwd;
	struct passwd *found = NULL;

	if (getpwuid_r(uid, &passwd, entry, sizeof(entry), &found) != 0 ||
	    !found)
		return -ENOENT;
	*ret_gid = passwd.pw_gid;
	return 0;
}
