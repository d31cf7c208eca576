/*
 * smtp_mail - a transport's message in the words of the SMTP engine
 */
#include "config.h"

#include "deliver/smtp_mail.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "queue/message.h"
#include "runtime/xalloc.h"
#include "smtp/xtext.h"

/* What the queue keeps and what goes over the wire are the same words. */
static_assert((int)NOTIFY_NEVER == (int)SMTP_NOTIFY_NEVER, "RFC 3461 4.1");
static_assert((int)NOTIFY_SUCCESS == (int)SMTP_NOTIFY_SUCCESS, "RFC 3461 4.1");
static_assert((int)NOTIFY_FAILURE == (int)SMTP_NOTIFY_FAILURE, "RFC 3461 4.1");
static_assert((int)NOTIFY_DELAY == (int)SMTP_NOTIFY_DELAY, "RFC 3461 4.1");

static void fill_params(struct smtp_mail *mail,
                        const struct transport_message *message);

void smtp_mail_fill(struct smtp_mail *mail,
                    const struct transport_message *message)
{
	unsigned count = message->recipient_count;

	fill_params(mail, message);
	if (mail->room < count) {
		free(mail->recipients);
		mail->recipients = xcalloc(count, sizeof *mail->recipients);
		mail->room = count;
	}
	for (unsigned i = 0; i < count; i++) {
		const struct transport_recipient *from =
		    &message->recipients[i];

		mail->recipients[i] = (struct smtp_recipient){
			.address = from->address,
			.params = { .notify = from->notify,
			            .orcpt = from->original },
		};
	}
	mail->message = (struct smtp_client_message){
		.sender = message->sender,
		.params = &mail->params,
		.recipients = mail->recipients,
		.recipient_count = count,
		.header = message->header,
		.header_len = message->header_len,
		.is_envelope_only = message->is_envelope_only,
		.read_body = message->read_body,
		.on_dot = message->on_dot,
		.context = message->context,
	};
}

static void fill_params(struct smtp_mail *mail,
                        const struct transport_message *message)
{
	struct smtp_mail_params *params = &mail->params;

	*params = (struct smtp_mail_params){ .size_bytes = message->size };
	params->priority.is_stated = message->priority != 0;
	params->priority.level = message->priority;
	if (message->flags & MESSAGE_8BIT)
		params->body = SMTP_BODY_8BITMIME;
	params->is_smtputf8 = message->flags & MESSAGE_SMTPUTF8;
	if (message->flags & MESSAGE_RET_FULL)
		params->ret = SMTP_RET_FULL;
	else if (message->flags & MESSAGE_RET_HDRS)
		params->ret = SMTP_RET_HDRS;

	free(mail->envid);
	mail->envid = NULL;
	if (message->envelope_id) {
		size_t len = strlen(message->envelope_id);

		mail->envid = xmalloc(XTEXT_ENCODED_SIZE(len));
		xtext_encode(message->envelope_id, len, mail->envid);
		params->envid = mail->envid;
	}
}

void smtp_mail_done(struct smtp_mail *mail)
{
	free(mail->recipients);
	free(mail->envid);
}
