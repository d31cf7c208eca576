/*
 * secret - a password or token: kept apart, and wiped when it goes
 *
 * Either a text that was read with the settings, or a command to be run (by
 * command_helper) whenever the secret is needed.
 *
 * Promise: no function of this module prints a secret; freed ones are wiped.
 * Thread:  immutable once made; any thread may read.
 */
#ifndef RELAIS_SECRET_H
#define RELAIS_SECRET_H

#include <stdbool.h>

#define SECRET_SIZE_MAX 8192 /* with the final NUL */

struct secret;

/* Borrowed until secret_free(); NULL if it is a command. */
const char *secret_text_borrow(const struct secret *secret);

/* NULL-terminated words, borrowed; NULL if it is a text. */
char *const *secret_command_borrow(const struct secret *secret);

struct secret *secret_new_text(const char *text);
struct secret *secret_new_command(char *const *words);

/**
 * Read a file's first line, without its line end.
 *
 * @return 0; -ENODATA if it is empty; -EFBIG; -EINVAL for a NUL in it;
 *         -ENOMEM; what open() and read() say
 */
int secret_new_file(struct secret **ret_secret, const char *path);

/* All of a file; the same errors. */
int secret_new_whole_file(struct secret **ret_secret, const char *path);

void secret_free(struct secret *secret);

/* What functions that have returned have left of a secret on the stack. */
void secret_wipe_stack(void) __attribute__((noinline));

/* Make the whole process leave no core dump and no ptrace to its own uid. */
void secret_forbid_dumps(void);

#endif
