/*
 * identity - as whom a relay lets mail leave
 *
 * A pure function of the relay's settings and an address, asked for the
 * envelope sender and for each author in the header alike.
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_IDENTITY_H
#define RELAIS_DELIVER_IDENTITY_H

#include <stdbool.h>

struct relay_settings;

enum identity_reason {
	IDENTITY_KEPT,        /* it may leave as it is */
	IDENTITY_NOT_FULL,    /* its domain means nothing elsewhere */
	IDENTITY_NOT_ALLOWED, /* the relay takes mail of others only */
	IDENTITY_ALWAYS,      /* all mail leaves as the identity */
};

/*
 * Why the relay's `from` takes the place of an address. IDENTITY_KEPT where
 * the relay has no `from`, and for the identity's own address.
 */
enum identity_reason identity_judge(const struct relay_settings *relay,
                                    const char *address);

/*
 * The envelope sender for this relay: the message's own or the identity's. The
 * null sender stays, whatever the settings say. Borrowed from either.
 */
const char *identity_sender(const struct relay_settings *relay,
                            const char *sender);

/* For people; "" for IDENTITY_KEPT. */
const char *identity_reason_text(enum identity_reason reason);

#endif
