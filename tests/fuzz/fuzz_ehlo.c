/*
 * fuzz_ehlo - what a server offers, and what we say to it
 *
 * The input is a whole server: replies to a client that sends one message to
 * two recipients. Whatever it says, the client ends, with a verdict or a fault
 * for every recipient, and delivers only after its own final dot.
 */
#include "config.h"

#include "smtp/client.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct content {
	bool is_read;
	bool is_dotted;
};

static int read_body(void *context, const char **ret_data, size_t *ret_len)
{
	struct content *content = context;

	*ret_data = ".\r\n..\r\n";
	*ret_len = content->is_read ? 0 : strlen(*ret_data);
	content->is_read = true;
	return 0;
}

static void on_dot(void *context)
{
	((struct content *)context)->is_dotted = true;
}

static void flush(struct smtp_client *client)
{
	const char *data;
	size_t len;

	for (;;) {
		smtp_client_output(client, &data, &len);
		if (len == 0)
			return;
		smtp_client_wrote(client, len);
	}
}

static void look_at(const struct smtp_client *client, unsigned count,
                    const struct content *content)
{
	const struct verdict *v = smtp_client_verdicts(client);
	bool has_reason = smtp_client_is_stale(client) ||
	                  smtp_client_fault(client)->class != VERDICT_NONE;

	assert(!smtp_client_is_sending(client));
	for (unsigned i = 0; i < count; i++) {
		if (v[i].class == VERDICT_NONE)
			assert(has_reason);
		else
			assert(v[i].scope != SCOPE_RELAY &&
			       v[i].scope != SCOPE_CONNECTION);
		if (v[i].class == VERDICT_DELIVERED ||
		    v[i].class == VERDICT_UNKNOWN)
			assert(content->is_dotted);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct smtp_mail_params params = {
		.size_bytes = 100,
		.body = SMTP_BODY_8BITMIME,
		.envid = "e",
	};
	static const struct smtp_recipient recipients[] = {
		{ .address = "b@x.test",
		  .params = { .notify = SMTP_NOTIFY_NEVER } },
		{ .address = "c@x.test" },
	};
	struct content content = { .is_read = false };
	const struct smtp_client_message message = {
		.sender = "a@x.test",
		.params = &params,
		.recipients = recipients,
		.recipient_count = 2,
		.header = "A: b\r\n\r\n",
		.header_len = 8,
		.read_body = read_body,
		.on_dot = on_dot,
		.context = &content,
	};
	const struct smtp_client_options options = {
		.ehlo_name = "x.test",
		.is_lmtp = len > 0 && data[0] == '?',
		.security = SMTP_CLIENT_OPPORTUNISTIC,
	};
	const char *rest = (const char *)data + options.is_lmtp;
	struct smtp_reply_parser parser = { .code = 0 };
	struct smtp_client *client;
	struct smtp_reply reply;
	bool has_sent = false;

	len -= options.is_lmtp;
	if (smtp_client_new(&client, &options) < 0)
		return 0;
	while (smtp_client_status(client) != SMTP_CLIENT_CLOSED) {
		if (smtp_client_status(client) == SMTP_CLIENT_WANTS_TLS)
			smtp_client_on_tls(client);
		if (smtp_client_may_send(client) && !has_sent) {
			assert(smtp_client_send(client, &message) == 0);
			has_sent = true;
		}
		flush(client);
		if (smtp_reply_parse(&parser, rest, len, &reply) < 0) {
			smtp_client_on_lost(client, FAULT_NETWORK, "end");
			break;
		}
		smtp_client_on_reply(client, &reply);
		rest += reply.size;
		len -= reply.size;
	}
	assert(smtp_client_status(client) == SMTP_CLIENT_CLOSED);
	if (has_sent)
		look_at(client, 2, &content);
	else
		assert(smtp_client_fault(client)->class != VERDICT_NONE);
	smtp_client_free(client);
	return 0;
}
