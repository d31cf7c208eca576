/*
 * file_sync - small files that survive a power cut
 *
 * Thread: any. Errors: 0 or -errno.
 */
#ifndef RELAIS_FILE_SYNC_H
#define RELAIS_FILE_SYNC_H

#include <stddef.h>

/* Writes all of it, then fsync(2). */
int file_write_synced(int fd, const char *bytes, size_t len);

/*
 * A new file, 0600, in the place of whatever has its name in the folder (or
 * AT_FDCWD); no link is followed.
 */
int file_create_synced(int folder, const char *name, const char *text);

/* The folder that has the file: what was renamed or removed in it stays so. */
int file_sync_folder(const char *path);

#endif
