/*
 * smtp/client_verdict - what the replies to one transaction amount to
 */
#include "config.h"

#include "smtp/client_internal.h"

#define IDLE_OUTPUT_BYTES_MAX (16 * 1024)

static bool is_meant_for_recipient(const struct smtp_client *client,
                                   const struct verdict *verdict)
{
	return verdict->scope == SCOPE_RELAY && verdict->phase == PHASE_RCPT &&
	       (verdict->fault == FAULT_AUTH ||
	        verdict->fault == FAULT_CONFIG) &&
	       client->has_accepted_rcpt;
}

/* "Log in", "I do not relay": not said of us, but of this mail. */
static void say_of_mail(struct verdict *verdict)
{
	verdict->class =
	    verdict->code >= 500 ? VERDICT_PERMANENT : VERDICT_TEMPORARY;
	verdict->scope =
	    verdict->phase == PHASE_RCPT ? SCOPE_RECIPIENT : SCOPE_MESSAGE;
	verdict->fault = FAULT_NONE;
	verdict->retry_after_s = 0;
}

/*
 * What a reply means, given what else is known: whose server it is, what the
 * connection has done before, and what was accepted already.
 */
void client_judge(struct smtp_client *client, struct verdict *ret_verdict,
                  const struct smtp_reply *reply, enum smtp_phase phase)
{
	struct verdict *v = ret_verdict;

	verdict_from_reply_by(v, reply, phase, client->options.own_rules);
	if (reply->code == 421)
		client->must_close = true;
	if (v->class == VERDICT_NONE || v->class == VERDICT_DELIVERED)
		return;

	/* A stranger's server owes us nothing: it refuses this mail. */
	if (client->options.is_direct && v->scope == SCOPE_RELAY &&
	    (v->fault == FAULT_AUTH || v->fault == FAULT_CONFIG))
		say_of_mail(v);
	/* A used connection may have come to its end in many ways. */
	if (phase == PHASE_MAIL && v->code < 500 && client->messages > 0)
		v->scope = SCOPE_CONNECTION;
	/* The content is known to them: say it of the message. */
	if (phase >= PHASE_BODY && phase <= PHASE_DOT &&
	    v->scope == SCOPE_CONNECTION)
		v->scope = SCOPE_MESSAGE;
	/* Asked for fewer, there would be none left. */
	if (v->fault == FAULT_TOO_MANY_RECIPIENTS && client->mail.accepted == 0)
		v->fault = FAULT_NONE;
}

/* MAIL was refused, and with it everybody. */
void client_settle_all(struct smtp_client *client,
                       const struct verdict *verdict)
{
	for (unsigned i = 0; i < client->mail.count; i++)
		client->verdicts[i] = *verdict;
}

void client_settle_accepted(struct smtp_client *client,
                            const struct verdict *verdict)
{
	for (unsigned i = 0; i < client->mail.count; i++) {
		if (client->is_accepted[i])
			client->verdicts[i] = *verdict;
		client->is_accepted[i] = false;
	}
	client->mail.accepted = 0;
}

/*
 * The end of a transaction. Faults of the relay leave the recipients and
 * become the relay's; what did not fit is for the next transaction.
 */
enum client_state client_finish(struct smtp_client *client)
{
	struct client_transaction *mail = &client->mail;

	if (mail->is_repeated) {
		client->has_no_parameters = true;
		return client_start_transaction(client);
	}
	for (unsigned i = 0; i < mail->count; i++) {
		struct verdict *v = &client->verdicts[i];

		if (v->scope != SCOPE_RELAY || v->class == VERDICT_NONE)
			continue;
		/* One that has taken another recipient means this one. */
		if (is_meant_for_recipient(client, v)) {
			say_of_mail(v);
			continue;
		}
		if (client->fault.class == VERDICT_NONE)
			client->fault = *v;
		*v = (struct verdict){ .class = VERDICT_NONE };
	}
	for (unsigned i = mail->count; i < mail->message->recipient_count; i++)
		verdict_local(&client->verdicts[i], VERDICT_TEMPORARY,
		              SCOPE_RECIPIENT, PHASE_RCPT,
		              FAULT_TOO_MANY_RECIPIENTS,
		              "more recipients than the relay takes at once");
	/* A pool keeps connections, not the room for their largest message. */
	if (client->out.len == 0 && client->out.cap > IDLE_OUTPUT_BYTES_MAX)
		buffer_done(&client->out);
	client->messages++;
	mail->message = NULL;
	return client->must_close ? CLOSED : AWAIT_MESSAGE;
}

/* The connection ends before DATA: whoever has no word yet was not tried. */
enum client_state client_drop(struct smtp_client *client,
                              const struct verdict *verdict)
{
	client->must_close = true;
	client->mail.is_repeated = false;
	if (client->messages > 0 && verdict->scope == SCOPE_CONNECTION) {
		client->is_stale = true;
	} else if (client->fault.class == VERDICT_NONE) {
		client->fault = *verdict;
		client->fault.scope = SCOPE_RELAY;
		if (client->fault.fault == FAULT_NONE)
			client->fault.fault = FAULT_OTHER;
	}
	return client_finish(client);
}

enum client_state client_drop_out_of_step(struct smtp_client *client,
                                          enum smtp_phase phase)
{
	struct verdict verdict;

	verdict_local(&verdict, VERDICT_TEMPORARY, SCOPE_CONNECTION, phase,
	              FAULT_PROTOCOL,
	              "the relay's reply does not fit the command");
	return client_drop(client, &verdict);
}

/*
 * RFC 1047: between the dot and its reply nobody knows. The dot counts as
 * said once its last octet was written; content without it was not accepted.
 */
enum client_state client_settle_lost(struct smtp_client *client,
                                     enum verdict_fault fault, const char *text)
{
	bool is_unknown =
	    client->state == AWAIT_ACCEPTANCE && client->out.len == 0;
	struct verdict verdict;

	verdict_local(&verdict,
	              is_unknown ? VERDICT_UNKNOWN : VERDICT_TEMPORARY,
	              SCOPE_MESSAGE, smtp_client_phase(client),
	              is_unknown ? FAULT_NONE : fault, text);
	if (client->state != SENDING_CONTENT &&
	    client->state != AWAIT_ACCEPTANCE) {
		verdict.scope = SCOPE_CONNECTION;
		return client_drop(client, &verdict);
	}
	client->must_close = true;
	client_settle_accepted(client, &verdict);
	return client_finish(client);
}
