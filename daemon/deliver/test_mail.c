#include "config.h"

#include "deliver/test_mail.h"

#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "buffer.h"
#include "clock.h"
#include "deliver/compose.h"
#include "deliver/identity.h"
#include "queue/message.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "uuid.h"

struct test_mail {
	struct message *record;
	struct buffer header;
	char *body;
	bool is_read;
	struct transport_recipient recipient;
	struct transport_message message;
};

static char *choose_sender(const struct settings *settings,
                           const struct relay_settings *relay);
static void fill_record(struct message *record, const struct settings *settings,
                        const char *sender, const char *to);
static char *write_header(const char *sender, const char *to,
                          const struct relay_settings *relay,
                          const char *hostname);
static int read_body(void *context, const char **ret_data, size_t *ret_len);

struct test_mail *test_mail_new(const struct settings *settings,
                                const struct relay_settings *relay,
                                const char *to, const char *asker)
{
	struct test_mail *mail = xcalloc(1, sizeof(*mail));
	char *sender = choose_sender(settings, relay);
	struct composition what = {
		.settings = settings,
		.relay = relay,
	};
	unsigned notes;
	char *header;
	int r;

	buffer_init(&mail->header, 0);
	mail->record = message_new();
	fill_record(mail->record, settings, sender, to ? to : sender);
	header =
	    write_header(sender, to ? to : sender, relay, settings->hostname);
	what.message = mail->record;
	what.stored = header;
	what.stored_len = strlen(header);
	r = compose_header(&mail->header, &what, &notes);
	free(header);
	free(sender);
	if (r < 0) {
		test_mail_free(mail);
		return NULL;
	}
	mail->body = xasprintf("This mail was sent by a test of the relay %s "
	                       "on %s,\r\nasked for by %s.\r\n\r\n"
	                       "That it is here says that the relay works.\r\n",
	                       relay->name, settings->hostname, asker);
	mail->recipient.address = mail->record->recipients[0].address;
	mail->message = (struct transport_message){
		.sender = identity_sender(relay, mail->record->sender),
		.recipients = &mail->recipient,
		.recipient_count = 1,
		.header = mail->header.data,
		.header_len = mail->header.len,
		.size = mail->header.len + strlen(mail->body),
		.is_envelope_only = !to,
		.read_body = read_body,
		.context = mail,
	};
	return mail;
}

void test_mail_free(struct test_mail *mail)
{
	if (!mail)
		return;
	message_free(mail->record);
	buffer_done(&mail->header);
	free(mail->body);
	free(mail);
}

const struct transport_message *test_mail_message(struct test_mail *mail)
{
	mail->is_read = false;
	return &mail->message;
}

/* What the relay is known to take, or root's. */
static char *choose_sender(const struct settings *settings,
                           const struct relay_settings *relay)
{
	if (relay->from.address)
		return xstrdup(relay->from.address);
	if (relay->username && address_domain(relay->username) &&
	    address_check(relay->username, strlen(relay->username), 0) == 0)
		return xstrdup(relay->username);
	return xasprintf("root@%s", settings->domain);
}

static void fill_record(struct message *record, const struct settings *settings,
                        const char *sender, const char *to)
{
	char uuid[UUID_SIZE];
	char *id;

	if (uuid_v7_make(clock_wall_ms(), uuid) < 0)
		abort(); /* getrandom(2) does not fail once it has worked */
	id = xasprintf("<%s@%s>", uuid, settings->hostname);
	record->message_id = message_dup_text(record, id);
	free(id);
	record->submitted_ms = (uint64_t)clock_wall_ms();
	record->priority = PRIORITY_NORMAL;
	record->sender = message_dup_text(record, sender);
	record->recipients =
	    message_allocate(record, sizeof(*record->recipients));
	record->recipients[0] = (struct message_recipient){
		.address = message_dup_text(record, to),
	};
	record->recipient_count = 1;
}

static char *write_header(const char *sender, const char *to,
                          const struct relay_settings *relay,
                          const char *hostname)
{
	return xasprintf("From: <%s>\r\nTo: <%s>\r\n"
	                 "Subject: Test of relay %s on %s\r\n"
	                 "Auto-Submitted: auto-generated\r\n"
	                 "MIME-Version: 1.0\r\n"
	                 "Content-Type: text/plain; charset=us-ascii\r\n",
	                 sender, to, relay->name, hostname);
}

static int read_body(void *context, const char **ret_data, size_t *ret_len)
{
	struct test_mail *mail = context;

	*ret_data = mail->body;
	*ret_len = mail->is_read ? 0 : strlen(mail->body);
	mail->is_read = true;
	return 0;
}
