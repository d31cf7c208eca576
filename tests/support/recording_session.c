#include "config.h"

#include "recording_session.h"

#include <assert.h>
#include <string.h>

#include "smtp/extensions.h"

static struct smtp_answer or_ok(struct smtp_answer answer)
{
	return answer.code ? answer : smtp_answer(250, "2.0.0", "Ok");
}

static struct smtp_answer on_mail(void *owner,
                                  const struct smtp_envelope *envelope)
{
	struct recording_session *session = owner;

	(void)buffer_appendf(&session->log, "mail %s\n", envelope->sender);
	return or_ok(session->mail_answer);
}

static struct smtp_answer on_rcpt(void *owner,
                                  const struct smtp_envelope *envelope,
                                  const struct smtp_recipient *recipient)
{
	struct recording_session *session = owner;

	assert(envelope->sender);
	(void)buffer_appendf(&session->log, "rcpt %s\n", recipient->address);
	if (strncmp(recipient->address, "refused", 7) == 0)
		return session->rcpt_answer.code
		           ? session->rcpt_answer
		           : smtp_answer(550, "5.1.1", "Nobody here");
	return smtp_answer(250, "2.1.5", "Ok");
}

static struct smtp_answer on_data(void *owner,
                                  const struct smtp_envelope *envelope)
{
	struct recording_session *session = owner;

	assert(envelope->recipient_count > 0);
	(void)buffer_append_string(&session->log, "data\n");
	buffer_clear(&session->content);
	return or_ok(session->data_answer);
}

static void on_header(void *owner, const char *header, size_t len)
{
	struct recording_session *session = owner;

	(void)buffer_append(&session->content, header, len);
	(void)buffer_append_string(&session->content, "\r\n");
}

static void on_content(void *owner, const char *data, size_t len)
{
	struct recording_session *session = owner;

	assert(session->content.len >= 2);
	(void)buffer_append(&session->content, data, len);
	if (session->content_failure.code)
		smtp_server_fail_message(session->server,
		                         session->content_failure);
}

static void on_message_end(void *owner, const struct smtp_envelope *envelope)
{
	struct recording_session *session = owner;
	const struct smtp_recipient *first = envelope->recipients;

	session->messages++;
	buffer_clear(&session->message);
	(void)buffer_append(&session->message, session->content.data,
	                    session->content.len);
	session->params = envelope->params;
	session->notify = first->params.notify;
	strncpy(session->orcpt, first->params.orcpt ? first->params.orcpt : "",
	        sizeof(session->orcpt) - 1);
	(void)buffer_appendf(&session->log, "end %zu\n",
	                     envelope->recipient_count);
	if (session->answer.code)
		smtp_server_answer_message(session->server, session->answer);
}

static void on_reset(void *owner)
{
	struct recording_session *session = owner;

	(void)buffer_append_string(&session->log, "reset\n");
}

static void on_key(void *owner, const char *key)
{
	struct recording_session *session = owner;

	(void)buffer_appendf(&session->log, "key %s\n", key);
	smtp_server_answer_key(session->server,
	                       smtp_answer(550, "5.1.0", "No such key"));
}

static const struct smtp_server_callbacks callbacks = {
	.on_mail = on_mail,
	.on_rcpt = on_rcpt,
	.on_data = on_data,
	.on_header = on_header,
	.on_content = on_content,
	.on_message_end = on_message_end,
	.on_reset = on_reset,
	.on_key = on_key,
};

void recording_session_init(struct recording_session *session,
                            const struct smtp_server_settings *settings)
{
	static const struct smtp_server_settings usual = {
		.hostname = "relais.example",
		.extensions = SMTP_EXT_BASIC,
	};
	int r;

	memset(session, 0, sizeof(*session));
	buffer_init(&session->log, 0);
	buffer_init(&session->content, 0);
	buffer_init(&session->message, 0);
	r = smtp_server_new(&session->server, settings ? settings : &usual,
	                    &callbacks, session);
	assert(r == 0);
}

void recording_session_done(struct recording_session *session)
{
	smtp_server_free(session->server);
	buffer_done(&session->log);
	buffer_done(&session->content);
	buffer_done(&session->message);
}

size_t recording_session_feed(struct recording_session *session,
                              const char *data, size_t len, size_t piece)
{
	struct smtp_server *server = session->server;
	size_t used = 0;

	while (used < len) {
		size_t n = len - used;
		size_t taken;

		if (piece && n > piece)
			n = piece;
		taken = smtp_server_feed(server, data + used, n);
		assert(taken <= n);
		used += taken;
		if (taken == n)
			continue;
		if (smtp_server_output(server)->len < SMTP_SERVER_OUTPUT_HIGH) {
			assert(smtp_server_is_suspended(server) ||
			       smtp_server_is_finished(server));
			break;
		}
		buffer_clear(smtp_server_output(server));
	}
	return used;
}

static const char *text_of(struct buffer *buffer)
{
	/* A byte behind the contents is always there. */
	int r = buffer_append(buffer, "", 1);

	assert(r == 0);
	buffer_truncate(buffer, buffer->len - 1);
	return buffer->data;
}

const char *recording_session_replies(struct recording_session *session)
{
	struct buffer *output = smtp_server_output(session->server);
	const char *text = text_of(output);

	buffer_clear(output);
	return text;
}

const char *recording_session_log(struct recording_session *session)
{
	return text_of(&session->log);
}

const char *recording_session_message(struct recording_session *session)
{
	return text_of(&session->message);
}
