/*
 * smtp/client_command - writes MAIL and RCPT with their parameters
 *
 * A parameter is sent only where its extension is offered (RFC 5321 4.1.1.11).
 */
#include "config.h"

#include <inttypes.h>

#include "smtp/client_internal.h"

static int append_dsn(struct buffer *out,
                      const struct smtp_mail_params *params);

int client_command_mail(struct buffer *out, const char *sender,
                        const struct smtp_mail_params *params,
                        const struct smtp_capabilities *capabilities)
{
	unsigned offered = capabilities->extensions;
	int r;

	r = buffer_append_strings(out, "MAIL FROM:<", sender, ">", NULL);
	if (r == 0 && params->size_bytes && (offered & SMTP_EXT_SIZE)) {
		r = buffer_append_string(out, " SIZE=");
		if (r == 0)
			r = buffer_append_number(out, params->size_bytes);
	}
	if (r == 0 && params->body == SMTP_BODY_8BITMIME &&
	    (offered & SMTP_EXT_8BITMIME))
		r = buffer_append_string(out, " BODY=8BITMIME");
	if (r == 0 && params->is_smtputf8 && (offered & SMTP_EXT_SMTPUTF8))
		r = buffer_append_string(out, " SMTPUTF8");
	if (r == 0 && (offered & SMTP_EXT_DSN))
		r = append_dsn(out, params);
	if (r == 0 && params->priority.is_stated &&
	    (offered & SMTP_EXT_MT_PRIORITY))
		r = buffer_appendf(out, " MT-PRIORITY=%d",
		                   params->priority.level);
	if (r == 0)
		r = buffer_append(out, "\r\n", 2);
	return r;
}

/* RFC 3461 4.3, 4.4; envid is xtext already. */
static int append_dsn(struct buffer *out, const struct smtp_mail_params *params)
{
	int r = 0;

	if (params->ret == SMTP_RET_FULL)
		r = buffer_append_string(out, " RET=FULL");
	else if (params->ret == SMTP_RET_HDRS)
		r = buffer_append_string(out, " RET=HDRS");
	if (r == 0 && params->envid)
		r = buffer_append_strings(out, " ENVID=", params->envid, NULL);
	return r;
}

int client_command_rcpt(struct buffer *out,
                        const struct smtp_recipient *recipient,
                        const struct smtp_capabilities *capabilities)
{
	static const struct {
		unsigned flag;
		const char *name;
	} words[] = {
		{ SMTP_NOTIFY_NEVER, "NEVER" },
		{ SMTP_NOTIFY_SUCCESS, "SUCCESS" },
		{ SMTP_NOTIFY_FAILURE, "FAILURE" },
		{ SMTP_NOTIFY_DELAY, "DELAY" },
	};
	const struct smtp_rcpt_params *params = &recipient->params;
	bool has_dsn = capabilities->extensions & SMTP_EXT_DSN;
	const char *separator = " NOTIFY=";
	int r;

	r = buffer_append_strings(out, "RCPT TO:<", recipient->address, ">",
	                          NULL);
	for (size_t i = 0; has_dsn && i < sizeof words / sizeof words[0]; i++) {
		if (r == 0 && (params->notify & words[i].flag)) {
			r = buffer_append_strings(out, separator, words[i].name,
			                          NULL);
			separator = ",";
		}
	}
	if (r == 0 && has_dsn && params->orcpt)
		r = buffer_append_strings(out, " ORCPT=", params->orcpt, NULL);
	if (r == 0)
		r = buffer_append(out, "\r\n", 2);
	return r;
}
