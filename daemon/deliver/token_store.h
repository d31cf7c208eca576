/*
 * token_store - where logins outlive us: one file each, refresh tokens inside
 *
 * logins/RELAY under queue.directory, mode 0600. A file says what the login was
 * made for, so that a relay that was changed cannot use it.
 *
 * Promise: after token_store_write() has returned 0 the token survives a power
 *          cut; before, the old one does.
 * Thread:  one at a time for one relay; keeps no state.
 */
#ifndef RELAIS_DELIVER_TOKEN_STORE_H
#define RELAIS_DELIVER_TOKEN_STORE_H

/*
 * The token if there is one that was made for this: yours to wipe and free.
 * 0, -ENOENT, -ESTALE: it was made for something else; or -errno.
 */
int token_store_read(const char *directory, const char *relay,
                     const char *purpose, char **ret_token);

/* Neither text has a line end. 0 or -errno. */
int token_store_write(const char *directory, const char *relay,
                      const char *purpose, const char *token);

/* 0 or -errno; there need not be one. */
int token_store_remove(const char *directory, const char *relay);

#endif
