/*
 * sendmail_recipients - addresses from the command line and the header
 *
 * Errors: -EINVAL where something is no address, with a sentence in
 *         ->error; -ENOMEM.
 */
#ifndef RELAIS_SENDMAIL_RECIPIENTS_H
#define RELAIS_SENDMAIL_RECIPIENTS_H

#include <stddef.h>

#include "arena.h"

struct sendmail_recipients {
	/* borrowed until ..._done() */
	const char **list;
	size_t count;
	size_t room;
	struct arena arena;
	char error[200];
};

void sendmail_recipients_init(struct sendmail_recipients *recipients);
void sendmail_recipients_done(struct sendmail_recipients *recipients);

/* An operand is a list, as in a header: "a@example.com, B <b@example.com>". */
int sendmail_recipients_add_operand(struct sendmail_recipients *recipients,
                                    const char *operand);

/*
 * All of To, Cc and Bcc; or of Resent-To, Resent-Cc and Resent-Bcc where there
 * is one of those (RFC 5322 3.6.6: it is being sent on).
 */
int sendmail_recipients_add_header(struct sendmail_recipients *recipients,
                                   const char *header, size_t len);

/*
 * The sender as -f gives it: an address, "Name <address>", a name alone; "" and
 * "<>" are the null sender. -EINVAL: anything else.
 */
int sendmail_recipients_parse_sender(struct sendmail_recipients *recipients,
                                     const char *text, const char **ret_sender);

#endif
