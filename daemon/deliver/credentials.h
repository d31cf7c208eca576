/*
 * credentials - passwords and tokens as they are now
 *
 * A secret that is a text is at hand. One that a command prints is fetched
 * through the command helper, several askers causing one run, and kept until it
 * is refused: a password for an hour, a token for five minutes, or, where the
 * command prints `TOKEN SECONDS`, for four fifths of its life.
 *
 * One cache a worker. Thread: its worker's.
 */
#ifndef RELAIS_DELIVER_CREDENTIALS_H
#define RELAIS_DELIVER_CREDENTIALS_H

#include <stdbool.h>

struct command_helper;
struct credentials;
struct mailbox;
struct relay_settings;

/* Borrowed until the loop turns. NULL: not needed. */
struct credentials_secrets {
	const char *password;
	const char *token;
};

/* Embedded in who waits; stays in place until called. */
struct credentials_waiter {
	struct credentials_waiter *next;
	/* Ask again: it is there, or the reason why not. */
	void (*on_ready)(struct credentials_waiter *waiter);
};

/* helper and inbox (of the worker's loop) are borrowed. */
struct credentials *credentials_new(struct command_helper *helper,
                                    struct mailbox *inbox);
/* With no command under way, or its helper stopped. Wipes what it held. */
void credentials_free(struct credentials *credentials);

/*
 * 0; -EINPROGRESS: the waiter will be called; -EIO: the command failed, what
 * credentials_problem() says, and will be tried again when asked again.
 */
int credentials_get(struct credentials *credentials,
                    const struct relay_settings *relay,
                    struct credentials_secrets *ret_secrets,
                    struct credentials_waiter *waiter);
/* The waiter waits no longer, if it did. */
void credentials_cancel(struct credentials *credentials,
                        const struct credentials_waiter *waiter);
const char *credentials_problem(const struct credentials *credentials);

/*
 * The relay refused them. True if they came from a command and another run may
 * give better ones.
 */
bool credentials_renew(struct credentials *credentials,
                       const struct relay_settings *relay);

#endif
