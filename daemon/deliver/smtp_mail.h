/*
 * smtp_mail - a transport's message in the words of the SMTP engine
 *
 * Keeps its memory from one message to the next.
 * Thread: one at a time.
 */
#ifndef RELAIS_DELIVER_SMTP_MAIL_H
#define RELAIS_DELIVER_SMTP_MAIL_H

#include "deliver/transport.h"
#include "smtp/client.h"

struct smtp_mail {
	struct smtp_client_message message;
	struct smtp_mail_params params;
	struct smtp_recipient *recipients;
	unsigned room;
	char *envid;
};

/* Borrows the message for as long as mail->message is used. Aborts without
 * memory. */
void smtp_mail_fill(struct smtp_mail *mail,
                    const struct transport_message *message);
void smtp_mail_done(struct smtp_mail *mail);

#endif
