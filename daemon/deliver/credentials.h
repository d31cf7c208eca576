/*
 * credentials - passwords and tokens as they are now
 *
 * A secret that is a text is at hand. One that a command prints is fetched
 * through the command helper, several askers causing one run, and kept until it
 * is refused: a password for an hour, a token for five minutes, or, where the
 * command prints `TOKEN SECONDS`, for four fifths of its life. A token by oauth
 * is the engine's; it is kept here as long as it is fresh.
 *
 * One cache a worker. Thread: its worker's.
 */
#ifndef RELAIS_DELIVER_CREDENTIALS_H
#define RELAIS_DELIVER_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "smtp/verdict.h"

struct command_helper;
struct credentials;
struct mailbox;
struct oauth;
struct relay_settings;
struct settings;

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

/* All are borrowed; inbox is of the worker's loop. oauth: NULL: none needs it.
 * is_urgent: a person waits. */
struct credentials *credentials_new(struct command_helper *helper,
                                    struct oauth *oauth, struct mailbox *inbox,
                                    bool is_urgent);
/* With no command under way, or its helper stopped. Wipes what it held. */
void credentials_free(struct credentials *credentials);

/*
 * 0; -EINPROGRESS: the waiter will be called; -EIO: there is none, why
 * credentials_problem() says; it will be tried again when asked again.
 */
int credentials_get(struct credentials *credentials,
                    const struct settings *settings,
                    const struct relay_settings *relay,
                    struct credentials_secrets *ret_secrets,
                    struct credentials_waiter *waiter);
/* The waiter waits no longer, if it did. */
void credentials_cancel(struct credentials *credentials,
                        const struct credentials_waiter *waiter);
/* Forgets what no relay of these settings needs; nothing that is borrowed. */
void credentials_keep(struct credentials *credentials,
                      const struct settings *settings);
const char *credentials_problem(const struct credentials *credentials);
/* What kind of trouble that is. */
enum verdict_fault credentials_fault(const struct credentials *credentials);
/* Seconds that the token of this relay is good for; 0: not known. */
int64_t credentials_life_s(struct credentials *credentials,
                           const struct relay_settings *relay);

/*
 * The relay refused them. True if they came from a command or by oauth, and
 * asking once more may give better ones.
 */
bool credentials_renew(struct credentials *credentials,
                       const struct relay_settings *relay);

#endif
