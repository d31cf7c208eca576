/*
 * smtp/client_mail - one transaction: MAIL, RCPT, DATA, content, verdicts
 *
 * The commands of the envelope are steps of a list with two cursors, `sent`
 * and `answered`. With PIPELINING (RFC 2920) `sent` runs ahead, in groups
 * bounded so that neither side's buffers can fill up while nobody reads;
 * without it, it is never more than one ahead.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "smtp/client_internal.h"

/* Commands on their way at a time, and octets of them. */
#define GROUP_STEPS_MAX 100
#define GROUP_BYTES_MAX (16 * 1024)

/* Content encoded at a time. */
#define CONTENT_BYTES_MAX (64 * 1024)

static int make_room(struct smtp_client *client, unsigned count);
static bool refuse_unsendable(struct smtp_client *client,
                              const struct smtp_client_message *message);
static void refuse_message(struct smtp_client *client, uint16_t subject,
                           uint16_t detail, const char *text);
static void send_steps(struct smtp_client *client);
static void send_step(struct smtp_client *client, unsigned step);
static enum client_state advance(struct smtp_client *client);
static unsigned step_data(const struct client_transaction *mail)
{
	return STEP_RCPT + mail->count;
}

/* Behind the last one. */
static unsigned step_end(const struct client_transaction *mail)
{
	return step_data(mail) + (mail->message->is_envelope_only ? 0 : 1);
}

int smtp_client_send(struct smtp_client *client,
                     const struct smtp_client_message *message)
{
	struct client_transaction *mail = &client->mail;
	unsigned limit = client->options.recipients_max;
	unsigned offered = client->capabilities.rcpt_max;

	assert(client->state == AWAIT_MESSAGE && !mail->message);
	assert(message->recipient_count > 0);
	if (make_room(client, message->recipient_count) < 0)
		return -ENOMEM;

	client->is_stale = false;
	client->fault = (struct verdict){ .class = VERDICT_NONE };
	*mail = (struct client_transaction){
		.message = message,
		.count = message->recipient_count,
	};
	if (limit == 0 || (offered > 0 && offered < limit))
		limit = offered;
	if (limit > 0 && mail->count > limit)
		mail->count = limit;

	if (refuse_unsendable(client, message)) {
		mail->message = NULL;
		return 0;
	}
	client->state = client_start_transaction(client);
	if (client->has_no_memory)
		smtp_client_on_lost(client, FAULT_OTHER, "out of memory");
	return 0;
}

/* Fresh verdicts; those of a huge message are not kept for ever. */
static int make_room(struct smtp_client *client, unsigned count)
{
	if (client->room < count || (client->room > 64 && count <= 64)) {
		bool *is_accepted = calloc(count, sizeof *is_accepted);
		struct verdict *verdicts = calloc(count, sizeof *verdicts);

		if (!is_accepted || !verdicts) {
			free(is_accepted);
			free(verdicts);
			return -ENOMEM;
		}
		free(client->is_accepted);
		free(client->verdicts);
		client->is_accepted = is_accepted;
		client->verdicts = verdicts;
		client->room = count;
		return 0;
	}
	for (unsigned i = 0; i < count; i++)
		client->verdicts[i] = (struct verdict){ .text = "" };
	return 0;
}

/* --- Messages that this server cannot take ------------------------------- */

static bool is_ascii(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text > 0x7f)
			return false;
	}
	return true;
}

/* Whatever let such an address in: it ends here, not in a second command. */
static bool has_controls(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	}
	return false;
}

static bool refuse_unsendable(struct smtp_client *client,
                              const struct smtp_client_message *message)
{
	uint64_t size = message->params->size_bytes;
	uint64_t limit = client->options.size_max_bytes;
	uint64_t offered = client->capabilities.size_max_bytes;
	bool is_plain = is_ascii(message->sender);
	bool is_clean = !has_controls(message->sender);
	char text[160];

	for (unsigned i = 0; i < message->recipient_count; i++) {
		is_plain &= is_ascii(message->recipients[i].address);
		is_clean &= !has_controls(message->recipients[i].address);
	}
	if (limit == 0 || (offered > 0 && offered < limit))
		limit = offered;
	if (limit == 0)
		limit = client->options.size_usual_bytes;

	if (!is_clean) {
		refuse_message(client, 1, 3,
		               "an address has control characters");
		return true;
	}
	if (limit > 0 && size > limit) {
		(void)snprintf(text, sizeof text,
		               "the message has %" PRIu64
		               " octets, the relay takes %" PRIu64,
		               size, limit);
		refuse_message(client, 3, 4, text);
		return true;
	}
	if ((message->params->is_smtputf8 || !is_plain) &&
	    !smtp_capabilities_have(&client->capabilities, SMTP_EXT_SMTPUTF8)) {
		refuse_message(
		    client, 6, 7,
		    "the relay takes no internationalised mail (SMTPUTF8)");
		return true;
	}
	return false;
}

static void refuse_message(struct smtp_client *client, uint16_t subject,
                           uint16_t detail, const char *text)
{
	struct verdict verdict;

	verdict_local(&verdict, VERDICT_PERMANENT, SCOPE_MESSAGE, PHASE_MAIL,
	              FAULT_NONE, text);
	verdict.enhanced[0] = 5;
	verdict.enhanced[1] = subject;
	verdict.enhanced[2] = detail;
	for (unsigned i = 0; i < client->mail.message->recipient_count; i++)
		client->verdicts[i] = verdict;
}

/* --- The envelope -------------------------------------------------------- */

enum client_state client_start_transaction(struct smtp_client *client)
{
	struct client_transaction *mail = &client->mail;

	mail->sent = client->must_reset ? STEP_RSET : STEP_MAIL;
	mail->answered = mail->sent;
	/* What a server said of recipients before it is begun again is void. */
	memset(client->is_accepted, 0,
	       mail->count * sizeof *client->is_accepted);
	mail->accepted = 0;
	mail->is_abandoned = false;
	mail->is_repeated = false;
	mail->piece = mail->message->header;
	mail->piece_len = mail->message->header_len;
	dot_encoder_init(&mail->encoder);
	return advance(client);
}

/*
 * Sends what may be sent now and says what comes next. When nothing is to
 * come, the transaction is over without content.
 */
static enum client_state advance(struct smtp_client *client)
{
	const struct client_transaction *mail = &client->mail;

	send_steps(client);
	if (mail->answered == mail->sent)
		return client_finish(client);
	if (mail->answered == STEP_RSET)
		return AWAIT_RSET;
	if (mail->answered == STEP_MAIL)
		return AWAIT_MAIL;
	return mail->answered < step_data(mail) ? AWAIT_RCPT : AWAIT_DATA;
}

static void send_steps(struct smtp_client *client)
{
	struct client_transaction *mail = &client->mail;
	bool is_grouped =
	    !client->options.has_no_pipelining &&
	    smtp_capabilities_have(&client->capabilities, SMTP_EXT_PIPELINING);
	unsigned waiting = mail->sent - mail->answered;

	/* No command at a time for a reply at a time: refill by halves. */
	if (mail->is_abandoned ||
	    waiting > (is_grouped ? GROUP_STEPS_MAX / 2 : 0))
		return;
	while (mail->sent < step_end(mail) &&
	       mail->sent - mail->answered <
	           (is_grouped ? GROUP_STEPS_MAX : 1) &&
	       client->out.len < GROUP_BYTES_MAX) {
		/* All recipients refused: no DATA. */
		if (mail->sent == step_data(mail) &&
		    mail->answered == mail->sent && mail->accepted == 0)
			return;
		send_step(client, mail->sent++);
	}
}

static void send_step(struct smtp_client *client, unsigned step)
{
	const struct client_transaction *mail = &client->mail;
	const struct smtp_client_message *message = mail->message;
	struct smtp_capabilities plain = { .extensions = 0 };
	const struct smtp_capabilities *offer =
	    client->has_no_parameters ? &plain : &client->capabilities;
	int r;

	if (step == STEP_RSET)
		r = buffer_append_string(&client->out, "RSET\r\n");
	else if (step == STEP_MAIL)
		r = client_command_mail(&client->out, message->sender,
		                        message->params, offer);
	else if (step < step_data(mail))
		r = client_command_rcpt(&client->out,
		                        &message->recipients[step - STEP_RCPT],
		                        offer);
	else
		r = buffer_append_string(&client->out, "DATA\r\n");
	if (r < 0)
		client->has_no_memory = true;
}

/* Its scope says so, or the server closes the channel (RFC 5321 3.8). */
static bool ends_connection(const struct verdict *verdict)
{
	return verdict->scope == SCOPE_CONNECTION || verdict->code == 421;
}

enum client_state client_on_rset(struct smtp_client *client,
                                 const struct smtp_reply *reply)
{
	struct verdict verdict;

	client->mail.answered++;
	if (smtp_reply_is_positive(reply)) {
		client->must_reset = false;
		return advance(client);
	}
	if (smtp_reply_is_intermediate(reply))
		return client_drop_out_of_step(client, PHASE_RSET);
	client_judge(client, &verdict, reply, PHASE_RSET);
	return client_drop(client, &verdict);
}

/* RFC 5321 4.1.1.11: 555, or 501 in older servers, for a parameter. */
static bool dislikes_parameters(const struct smtp_client *client,
                                const struct smtp_reply *reply)
{
	char text[VERDICT_TEXT_SIZE];

	if (client->has_no_parameters ||
	    (client->capabilities.extensions & SMTP_EXT_SMTPUTF8 &&
	     client->mail.message->params->is_smtputf8))
		return false;
	smtp_reply_text(reply, text, sizeof text);
	return reply->code == 555 ||
	       (reply->code == 501 &&
	        (strcasestr(text, "param") || strcasestr(text, "option") ||
	         strcasestr(text, "dsn")));
}

enum client_state client_on_mail(struct smtp_client *client,
                                 const struct smtp_reply *reply)
{
	struct client_transaction *mail = &client->mail;
	struct verdict verdict;

	mail->answered++;
	client->must_reset = true;
	if (smtp_reply_is_positive(reply))
		return advance(client);

	if (smtp_reply_is_intermediate(reply))
		return client_drop_out_of_step(client, PHASE_MAIL);

	mail->is_abandoned = true;
	if (dislikes_parameters(client, reply)) {
		mail->is_repeated = true;
		return advance(client);
	}
	client_judge(client, &verdict, reply, PHASE_MAIL);
	if (ends_connection(&verdict))
		return client_drop(client, &verdict);
	client_settle_all(client, &verdict);
	return advance(client);
}

enum client_state client_on_rcpt(struct smtp_client *client,
                                 const struct smtp_reply *reply)
{
	struct client_transaction *mail = &client->mail;
	unsigned index = mail->answered - STEP_RCPT;
	struct verdict verdict;

	if (smtp_reply_is_intermediate(reply))
		return client_drop_out_of_step(client, PHASE_RCPT);

	mail->answered++;
	client_judge(client, &verdict, reply, PHASE_RCPT);
	if (verdict.class == VERDICT_NONE) {
		client->is_accepted[index] = true;
		client->has_accepted_rcpt |= !mail->is_abandoned;
		mail->accepted++;
	} else if (!mail->is_abandoned) {
		if (ends_connection(&verdict))
			return client_drop(client, &verdict);
		client->verdicts[index] = verdict;
	}
	return advance(client);
}

enum client_state client_on_data(struct smtp_client *client,
                                 const struct smtp_reply *reply)
{
	struct client_transaction *mail = &client->mail;
	struct verdict verdict;

	mail->answered++;
	if (smtp_reply_is_positive(reply))
		return client_drop_out_of_step(client, PHASE_DATA);
	if (smtp_reply_is_intermediate(reply)) {
		if (!mail->is_abandoned && mail->accepted > 0)
			return SENDING_CONTENT;
		/* RFC 2920 3.1: nobody is to get it; but if MAIL failed and a
		 * RCPT did not, a dot would hand over an empty message. */
		if (mail->accepted > 0)
			return client_drop_out_of_step(client, PHASE_DATA);
		client_append(client, ".\r\n");
		return AWAIT_CANCEL;
	}
	if (mail->is_abandoned || mail->accepted == 0)
		return advance(client);
	client_judge(client, &verdict, reply, PHASE_DATA);
	if (ends_connection(&verdict))
		return client_drop(client, &verdict);
	client_settle_accepted(client, &verdict);
	return client_finish(client);
}

/* --- The content --------------------------------------------------------- */

static int append_run(struct smtp_client *client, const struct dot_run *run)
{
	return buffer_append(&client->out, run->data, run->len);
}

static enum client_state fail_content(struct smtp_client *client, int error)
{
	char text[160];

	(void)snprintf(text, sizeof text,
	               "the content could not be read from the queue: %s",
	               strerror(-error));
	return client_settle_lost(client, FAULT_NONE, text);
}

enum client_state client_fill(struct smtp_client *client)
{
	struct client_transaction *mail = &client->mail;
	const struct smtp_client_message *message = mail->message;
	struct dot_run run;
	int r = 0;

	while (r == 0 && client->out.len < CONTENT_BYTES_MAX) {
		size_t room = CONTENT_BYTES_MAX - client->out.len;
		size_t used;

		if (mail->piece_len == 0) {
			r = message->read_body(message->context, &mail->piece,
			                       &mail->piece_len);
			if (r == 0 && mail->piece_len == 0)
				break;
			continue;
		}
		used = dot_encoder_next(
		    &mail->encoder, mail->piece,
		    mail->piece_len < room ? mail->piece_len : room, &run);
		mail->piece += used;
		mail->piece_len -= used;
		r = append_run(client, &run);
	}
	if (r < 0)
		return fail_content(client, r);
	if (mail->piece_len > 0 || client->out.len >= CONTENT_BYTES_MAX)
		return SENDING_CONTENT;

	/* The end: in the same output as the tail. */
	dot_encoder_finish(&mail->encoder, &run);
	r = append_run(client, &run);
	if (r < 0)
		return fail_content(client, r);
	if (message->on_dot)
		message->on_dot(message->context);
	return AWAIT_ACCEPTANCE;
}

/* A reply before the dot: the server has had enough, and we cannot unsay. */
enum client_state client_on_early(struct smtp_client *client,
                                  const struct smtp_reply *reply)
{
	struct verdict verdict;

	if (reply->code < 400)
		return client_drop_out_of_step(client, PHASE_BODY);
	client_judge(client, &verdict, reply, PHASE_BODY);
	client_settle_accepted(client, &verdict);
	client->must_close = true;
	return client_finish(client);
}

enum client_state client_on_acceptance(struct smtp_client *client,
                                       const struct smtp_reply *reply)
{
	struct client_transaction *mail = &client->mail;
	struct verdict verdict;

	/* The dot is not all written yet, so this is no answer to it. */
	if (client->out.len > 0)
		return client_on_early(client, reply);

	client_judge(client, &verdict, reply, PHASE_DOT);
	/* 3xx has no meaning here, and tells nothing. */
	if (verdict.class == VERDICT_NONE)
		return client_settle_lost(
		    client, FAULT_PROTOCOL,
		    "the reply to the end of data makes no sense");
	client->must_reset = false;
	if (reply->code == 421)
		client->must_close = true;
	if (!client->options.is_lmtp) {
		client_settle_accepted(client, &verdict);
		return client_finish(client);
	}

	/* RFC 2033 4.2: a reply for each accepted recipient, in their order */
	while (!client->is_accepted[mail->next_acceptance])
		mail->next_acceptance++;
	client->verdicts[mail->next_acceptance] = verdict;
	client->is_accepted[mail->next_acceptance++] = false;
	return --mail->accepted > 0 ? AWAIT_ACCEPTANCE : client_finish(client);
}

enum client_state client_on_cancel(struct smtp_client *client,
                                   const struct smtp_reply *reply)
{
	if (reply->code == 421)
		client->must_close = true;
	return client_finish(client);
}
