/*
 * fuzz_smtp_client - a whole session with a server that says anything
 *
 * What leaves is commands and content whose lines end in CRLF, whatever was
 * said; delivered is who got a positive answer to a whole message; and the
 * session ends.
 */
#include "config.h"

#include "smtp/client.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "buffer.h"
#include "smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MESSAGES   2
#define RECIPIENTS 3

struct session {
	struct smtp_client *client;
	struct smtp_client_message message; /* borrowed while it is sent */
	struct buffer sent;
	unsigned messages, dots;
	bool has_body, may_break;
};

static int auth_start(void *context, const struct smtp_capabilities *offer,
                      bool has_tls, struct buffer *out)
{
	(void)context;
	(void)has_tls;
	return offer->mechanisms == 0 ? -EOPNOTSUPP
	                              : buffer_append_string(out, "LOGIN");
}

static int auth_step(void *context, const char *challenge, size_t len,
                     struct buffer *out)
{
	(void)context;
	(void)challenge;
	return len > 40 ? -EPROTO : buffer_append_string(out, "c3RlcA==");
}

static int auth_finish(void *context)
{
	(void)context;
	return 0;
}

static bool auth_may_retry(void *context, uint16_t code)
{
	(void)context;
	return code == 504;
}

static const struct smtp_client_auth auth = {
	.start = auth_start,
	.step = auth_step,
	.finish = auth_finish,
	.may_retry = auth_may_retry,
};

static int read_body(void *context, const char **ret_data, size_t *ret_len)
{
	static const char body[] = ".\r\n.dot\r\n\r\n.\r\n..\r\nlast";
	struct session *session = context;

	if (session->may_break && session->messages == 2)
		return -EIO;
	*ret_data = body;
	*ret_len = session->has_body ? 0 : sizeof(body) - 1;
	session->has_body = true;
	return 0;
}

static void on_dot(void *context)
{
	((struct session *)context)->dots++;
}

static void send_message(struct session *session)
{
	static const struct smtp_mail_params params = {
		.size_bytes = 100,
		.body = SMTP_BODY_8BITMIME,
		.ret = SMTP_RET_HDRS,
		.envid = "id",
	};
	static const struct smtp_recipient recipients[RECIPIENTS] = {
		{ .address = "a@example.org" },
		{ .address = "b@example.org",
		  .params = { .notify = SMTP_NOTIFY_NEVER } },
		{ .address = "c@example.org",
		  .params = { .orcpt = "rfc822;c@example.org" } },
	};
	static const char header[] = "Subject: hello\r\n\r\n";
	session->message = (struct smtp_client_message){
		.sender = session->messages == 0 ? "me@example.com" : "",
		.params = &params,
		.recipients = recipients,
		.recipient_count = RECIPIENTS,
		.header = header,
		.header_len = sizeof(header) - 1,
		.read_body = read_body,
		.on_dot = on_dot,
		.context = session,
	};

	session->messages++;
	session->has_body = false;
	assert(smtp_client_send(session->client, &session->message) == 0);
}

static void write_all(struct session *session)
{
	const char *out;
	size_t len;

	for (;;) {
		smtp_client_output(session->client, &out, &len);
		if (len == 0)
			return;
		/* In small pieces: its end may be any byte's. */
		len = len > 7 ? 7 : len;
		assert(buffer_append(&session->sent, out, len) == 0);
		smtp_client_wrote(session->client, len);
	}
}

static void check_sent(const struct session *session)
{
	const struct buffer *sent = &session->sent;
	unsigned ends = 0;

	for (size_t i = 0; i < sent->len; i++) {
		char next = i + 1 < sent->len ? sent->data[i + 1] : '\n';

		assert(sent->data[i] != '\0');
		assert(sent->data[i] != '\r' || next == '\n');
		assert(sent->data[i] != '\n' || sent->data[i - 1] == '\r');
		/* DATA that was taken for nobody is ended by a dot alone. */
		ends += i >= 4 && i + 5 <= sent->len &&
		        memcmp(sent->data + i, "\r\n.\r\n", 5) == 0 &&
		        memcmp(sent->data + i - 4, "DATA", 4) != 0;
	}
	assert(ends <= session->dots);
}

static void check_verdicts(struct session *session, unsigned dots_before,
                           unsigned code)
{
	const struct verdict *verdicts = smtp_client_verdicts(session->client);

	for (unsigned i = 0; i < RECIPIENTS; i++) {
		assert(memchr(verdicts[i].text, '\0',
		              sizeof(verdicts[i].text)) != NULL);
		if (verdicts[i].class != VERDICT_DELIVERED)
			continue;
		/* Both the dot and its answer have to have been there. */
		assert(session->dots > dots_before);
		assert(code / 100 == 2 ||
		       smtp_client_status(session->client) !=
		           SMTP_CLIENT_READY ||
		       verdicts[i].code / 100 == 2);
		assert(verdicts[i].code / 100 == 2);
	}
}

static void play(struct session *session, const char *rest, size_t len)
{
	struct smtp_client *client = session->client;
	struct smtp_reply_parser parser = { 0 };
	unsigned dots_before = 0, turns = 0;
	struct smtp_reply reply = { 0 };
	bool was_sending = false;
	int r;

	while (smtp_client_status(client) != SMTP_CLIENT_CLOSED) {
		assert(turns++ < 100000);
		if (was_sending && !smtp_client_is_sending(client))
			check_verdicts(session, dots_before, reply.code);
		was_sending = smtp_client_is_sending(client);
		if (smtp_client_status(client) == SMTP_CLIENT_WANTS_TLS) {
			smtp_client_on_tls(client);
			continue;
		}
		if (smtp_client_status(client) == SMTP_CLIENT_READY &&
		    !was_sending) {
			dots_before = session->dots;
			if (session->messages == MESSAGES)
				smtp_client_quit(client);
			else if (smtp_client_may_send(client))
				send_message(session);
			else
				break;
			was_sending = smtp_client_is_sending(client);
		}
		write_all(session);
		if (smtp_client_status(client) != SMTP_CLIENT_BUSY)
			continue;
		assert(smtp_client_timeout_s(client) > 0);
		assert(smtp_client_awaited(client) != NULL);
		r = smtp_reply_parse(&parser, rest, len, &reply);
		if (r == 0) {
			smtp_client_on_reply(client, &reply);
			rest += reply.size;
			len -= reply.size;
		} else {
			smtp_client_on_lost(client, FAULT_NETWORK, "closed");
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct session session = { 0 };
	struct smtp_client_options options = { .ehlo_name = "me.example" };

	if (len < 1)
		return 0;
	options.is_lmtp = (data[0] & 1) != 0;
	options.has_no_pipelining = (data[0] & 2) != 0;
	options.auth = (data[0] & 4) != 0 ? &auth : NULL;
	options.security = (data[0] & 8) != 0    ? SMTP_CLIENT_STARTTLS
	                   : (data[0] & 16) != 0 ? SMTP_CLIENT_OPPORTUNISTIC
	                                         : SMTP_CLIENT_AS_IT_IS;
	options.is_direct = (data[0] & 32) != 0;
	options.recipients_max = (data[0] & 64) != 0 ? 2 : 0;
	session.may_break = (data[0] & 128) != 0;
	assert(smtp_client_new(&session.client, &options) == 0);
	buffer_init(&session.sent, 0);
	play(&session, (const char *)data + 1, len - 1);
	check_sent(&session);
	buffer_done(&session.sent);
	smtp_client_free(session.client);
	return 0;
}
