/*
 * smtp/client_command - writes MAIL and RCPT with their parameters
 *
 * A parameter is sent only where its extension is offered (RFC 5321 4.1.1.11).
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "smtp/client_internal.h"
#include "smtp/xtext.h"

static int append_dsn(struct buffer *out,
                      const struct smtp_mail_params *params);
static int append_by(struct buffer *out, const struct smtp_by *by,
                     uint32_t min_s);
static int append_private(struct buffer *out,
                          const struct smtp_mail_params *params);
static int append_xtext(struct buffer *out, const char *name, const char *value,
                        size_t size_max);

int client_command_mail(struct buffer *out, const char *sender,
                        const struct smtp_mail_params *params,
                        const struct smtp_capabilities *capabilities)
{
	unsigned offered = capabilities->extensions;
	int r;

	r = buffer_appendf(out, "MAIL FROM:<%s>", sender);
	if (r == 0 && params->size_bytes && (offered & SMTP_EXT_SIZE))
		r = buffer_appendf(out, " SIZE=%" PRIu64, params->size_bytes);
	if (r == 0 && params->body == SMTP_BODY_8BITMIME &&
	    (offered & SMTP_EXT_8BITMIME))
		r = buffer_append_string(out, " BODY=8BITMIME");
	if (r == 0 && params->is_smtputf8 && (offered & SMTP_EXT_SMTPUTF8))
		r = buffer_append_string(out, " SMTPUTF8");
	if (r == 0 && (offered & SMTP_EXT_DSN))
		r = append_dsn(out, params);
	if (r == 0 && params->hold_for_s && (offered & SMTP_EXT_FUTURERELEASE))
		r = buffer_appendf(out, " HOLDFOR=%" PRIu64,
		                   params->hold_for_s);
	if (r == 0 && (offered & SMTP_EXT_DELIVERBY))
		r = append_by(out, &params->by, capabilities->by_min_s);
	if (r == 0 && params->priority.is_stated &&
	    (offered & SMTP_EXT_MT_PRIORITY))
		r = buffer_appendf(out, " MT-PRIORITY=%d",
		                   params->priority.level);
	if (r == 0 && (offered & SMTP_EXT_XRELAIS))
		r = append_private(out, params);
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
		r = buffer_appendf(out, " ENVID=%s", params->envid);
	return r;
}

/*
 * RFC 2852 4: below the server's minimum it would be refused; BY is a wish we
 * have honoured up to here, so it is left out then.
 */
static int append_by(struct buffer *out, const struct smtp_by *by,
                     uint32_t min_s)
{
	if (by->mode == SMTP_BY_UNSTATED)
		return 0;
	if (by->mode == SMTP_BY_RETURN &&
	    (by->seconds <= 0 || by->seconds < (int64_t)min_s))
		return 0;
	return buffer_appendf(out, " BY=%" PRId64 ";%c%s", by->seconds,
	                      by->mode == SMTP_BY_RETURN ? 'R' : 'N',
	                      by->is_traced ? "T" : "");
}

/* XRELAIS: only relaisd offers it. */
static int append_private(struct buffer *out,
                          const struct smtp_mail_params *params)
{
	int r;

	r = append_xtext(out, "XKEY", params->key, 256);
	if (r == 0)
		r = append_xtext(out, "XTAG", params->tag, 128);
	if (r == 0)
		r = append_xtext(out, "XMETA", params->meta, 2048);
	if (r == 0)
		r = append_xtext(out, "XRELAY", params->relay, 256);
	if (r == 0 && params->wait_s)
		r = buffer_appendf(out, " XWAIT=%u", params->wait_s);
	return r;
}

static int append_xtext(struct buffer *out, const char *name, const char *value,
                        size_t size_max)
{
	size_t len;
	int r;

	if (!value)
		return 0;
	len = strlen(value);
	if (len > size_max)
		return -EMSGSIZE;
	r = buffer_appendf(out, " %s=", name);
	if (r < 0)
		return r;
	r = buffer_reserve(out, XTEXT_ENCODED_SIZE(len));
	if (r < 0)
		return r;
	xtext_encode(value, len, out->data + out->len);
	buffer_grow(out, strlen(out->data + out->len));
	return 0;
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

	r = buffer_appendf(out, "RCPT TO:<%s>", recipient->address);
	for (size_t i = 0; has_dsn && i < sizeof words / sizeof words[0]; i++) {
		if (r == 0 && (params->notify & words[i].flag)) {
			r = buffer_appendf(out, "%s%s", separator,
			                   words[i].name);
			separator = ",";
		}
	}
	if (r == 0 && has_dsn && params->orcpt)
		r = buffer_appendf(out, " ORCPT=%s", params->orcpt);
	if (r == 0)
		r = buffer_append(out, "\r\n", 2);
	return r;
}
