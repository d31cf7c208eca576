/*
 * users - names of uids, remembered for a while
 *
 * The name service may be slow and is only asked for what people read; no
 * decision is made on a name.
 *
 * Thread: the control loop.
 */
#ifndef RELAIS_CONTROL_USERS_H
#define RELAIS_CONTROL_USERS_H

#include <sys/types.h>

struct users;

struct users *users_new(void);
void users_free(struct users *users);

/* Borrowed until the next call; NULL: the uid has no name. */
const char *users_name(struct users *users, uid_t uid);

/* A name or a number; -ENOENT. */
int users_find(const char *word, uid_t *ret_uid);

/* The uid's primary group; -ENOENT. */
int users_group(uid_t uid, gid_t *ret_gid);

#endif
