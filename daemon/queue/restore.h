/*
 * restore - a queue from a backup
 *
 * Thread: before a queue is opened.
 */
#ifndef RELAIS_QUEUE_RESTORE_H
#define RELAIS_QUEUE_RESTORE_H

/*
 * Puts the backup at path into a directory that has no queue, on disk and
 * owned as the directory is. What waits in it may have been delivered since:
 * the next start treats it as after a power cut. 0; -EEXIST: there is a queue;
 * -EBADMSG: that is no whole backup; -errno. *ret_error is a sentence then.
 */
int queue_restore(const char *directory, const char *path, char **ret_error);

#endif
