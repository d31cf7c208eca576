/*
 * journal - systemd's journal by its own protocol, without libsystemd
 *
 * A line that is text for people is a set of fields for programs:
 * `journalctl RELAIS_QUEUE_ID=01j9x2k7q4mzt` finds all that happened to one
 * message.
 *
 * Thread: journal_put_field() any; the rest the log thread.
 */
#ifndef RELAIS_RUNTIME_JOURNAL_H
#define RELAIS_RUNTIME_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

/* sd-daemon(3): is our stderr the journal? */
bool journal_is_stderr(void);

/* A socket to the journal at path (NULL: where it is), or -errno. */
int journal_open(const char *path);

/*
 * Adds "RELAIS_KEY=value" and a line end to fields, or nothing where it does
 * not fit; returns the new length. The key id is called QUEUE_ID. The value
 * has no control characters.
 */
size_t journal_put_field(char *fields, size_t len, size_t size, const char *key,
                         const char *value, size_t value_len);

/*
 * Sends text (one line, its end included) as MESSAGE, with its level and
 * fields. 0 or -errno; then nothing was written.
 */
int journal_send(int fd, int level, const char *text, size_t len,
                 const char *fields, size_t fields_len);

#endif
