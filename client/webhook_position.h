/*
 * webhook_position - the number of the last event that is done with, on disk
 *
 * Promise: what webhook_position_save() has returned 0 for is there after a
 * crash and a power cut; the file is never half written.
 */
#ifndef RELAIS_WEBHOOK_POSITION_H
#define RELAIS_WEBHOOK_POSITION_H

#include <stdint.h>

/*
 * Takes the file for this process until it ends. 0; -EWOULDBLOCK: another one
 * has it; -errno.
 */
int webhook_position_lock(const char *path);

/* -ENOENT: there is none yet; -EBADMSG: no position is in it; -errno. */
int webhook_position_load(const char *path, uint64_t *ret_position);

int webhook_position_save(const char *path, uint64_t position);

#endif
