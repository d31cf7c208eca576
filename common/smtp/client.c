/*
 * smtp/client - the sending side of SMTP: the session around transactions
 *
 * Only smtp_client_on_reply() and its four siblings at the edge (on_tls,
 * on_lost, output, send) assign client->state.
 */
#include "config.h"

#include "smtp/client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/client_internal.h"

/* More challenges than any mechanism has. */
#define AUTH_STEPS_MAX 10

/* RFC 4954 4.5.3 */
#define AUTH_LINE_MAX 12288

typedef enum client_state (*reply_handler)(struct smtp_client *client,
                                           const struct smtp_reply *reply);

struct client_step {
	const char *awaited;
	/* RFC 5321 4.5.3.2, seconds */
	unsigned timeout_s;
	enum smtp_phase phase;
	enum smtp_client_status status;
	reply_handler on_reply;
};

static enum client_state on_greeting(struct smtp_client *client,
                                     const struct smtp_reply *reply);
static enum client_state on_ehlo(struct smtp_client *client,
                                 const struct smtp_reply *reply);
static enum client_state on_helo(struct smtp_client *client,
                                 const struct smtp_reply *reply);
static enum client_state on_starttls(struct smtp_client *client,
                                     const struct smtp_reply *reply);
static enum client_state on_auth(struct smtp_client *client,
                                 const struct smtp_reply *reply);
static enum client_state on_auth_cancel(struct smtp_client *client,
                                        const struct smtp_reply *reply);
static enum client_state on_unasked(struct smtp_client *client,
                                    const struct smtp_reply *reply);
static enum client_state on_quit(struct smtp_client *client,
                                 const struct smtp_reply *reply);

#define BUSY  SMTP_CLIENT_BUSY
#define READY SMTP_CLIENT_READY

/* clang-format off */
static const struct client_step steps[] = {
	[AWAIT_GREETING] =
	    { "greeting", 300, PHASE_GREETING, BUSY, on_greeting },
	[AWAIT_EHLO] =
	    { "reply to EHLO", 300, PHASE_EHLO, BUSY, on_ehlo },
	[AWAIT_HELO] =
	    { "reply to HELO", 300, PHASE_EHLO, BUSY, on_helo },
	[AWAIT_STARTTLS] =
	    { "reply to STARTTLS", 120, PHASE_STARTTLS, BUSY, on_starttls },
	[AWAIT_TLS] =
	    { "TLS handshake", 60, PHASE_TLS, SMTP_CLIENT_WANTS_TLS,
	      on_unasked },
	[AWAIT_AUTH] =
	    { "reply to AUTH", 120, PHASE_AUTH, BUSY, on_auth },
	[AWAIT_AUTH_CANCEL] =
	    { "end of AUTH", 120, PHASE_AUTH, BUSY, on_auth_cancel },
	[AWAIT_MESSAGE] =
	    { "message", 0, PHASE_MAIL, READY, on_unasked },
	[AWAIT_RSET] =
	    { "reply to RSET", 20, PHASE_RSET, BUSY, client_on_rset },
	[AWAIT_MAIL] =
	    { "reply to MAIL", 300, PHASE_MAIL, BUSY, client_on_mail },
	[AWAIT_RCPT] =
	    { "reply to RCPT", 300, PHASE_RCPT, BUSY, client_on_rcpt },
	[AWAIT_DATA] =
	    { "reply to DATA", 120, PHASE_DATA, BUSY, client_on_data },
	[SENDING_CONTENT] =
	    { "room for content", 180, PHASE_BODY, BUSY, client_on_early },
	[AWAIT_ACCEPTANCE] =
	    { "reply to end of data", 600, PHASE_DOT, BUSY,
	      client_on_acceptance },
	[AWAIT_CANCEL] =
	    { "reply to end of no data", 60, PHASE_DATA, BUSY,
	      client_on_cancel },
	[AWAIT_QUIT] =
	    { "reply to QUIT", 2, PHASE_QUIT, BUSY, on_quit },
	[CLOSED] =
	    { "nothing", 0, PHASE_QUIT, SMTP_CLIENT_CLOSED, on_unasked },
};
/* clang-format on */

static enum client_state say_ehlo(struct smtp_client *client);
static enum client_state go_on(struct smtp_client *client);
static enum client_state start_auth(struct smtp_client *client);
static enum client_state fail_reply(struct smtp_client *client,
                                    const struct smtp_reply *reply);
static enum client_state fail_local(struct smtp_client *client,
                                    enum smtp_phase phase,
                                    enum verdict_fault fault, const char *text);

int smtp_client_new(struct smtp_client **ret_client,
                    const struct smtp_client_options *options)
{
	struct smtp_client *client = calloc(1, sizeof *client);

	if (!client)
		return -ENOMEM;
	client->options = *options;
	client->has_tls = options->has_tls;
	client->state = AWAIT_GREETING;
	buffer_init(&client->out, 0);
	*ret_client = client;
	return 0;
}

void smtp_client_free(struct smtp_client *client)
{
	if (!client)
		return;
	buffer_done(&client->out);
	free(client->is_accepted);
	free(client->verdicts);
	free(client);
}

enum smtp_client_status smtp_client_status(const struct smtp_client *client)
{
	return steps[client->state].status;
}

void smtp_client_output(struct smtp_client *client, const char **ret_data,
                        size_t *ret_len)
{
	if (client->state == SENDING_CONTENT)
		client->state = client_fill(client);
	*ret_data = client->out.data;
	*ret_len = client->state == CLOSED ? 0 : client->out.len;
}

void smtp_client_wrote(struct smtp_client *client, size_t len)
{
	/* What we keep of a login is not for the next core dump. */
	if (client->state == AWAIT_AUTH)
		explicit_bzero(client->out.data, len);
	buffer_consume(&client->out, len);
}

void smtp_client_on_reply(struct smtp_client *client,
                          const struct smtp_reply *reply)
{
	if (client->state == CLOSED)
		return;
	if (reply->is_inconsistent)
		client->must_close = true;
	client->state = steps[client->state].on_reply(client, reply);
	if (client->has_no_memory)
		smtp_client_on_lost(client, FAULT_OTHER, "out of memory");
}

void smtp_client_on_tls(struct smtp_client *client)
{
	assert(client->state == AWAIT_TLS);
	client->has_tls = true;
	client->capabilities = (struct smtp_capabilities){ .extensions = 0 };
	client->state = say_ehlo(client);
}

void smtp_client_on_lost(struct smtp_client *client, enum verdict_fault fault,
                         const char *text)
{
	bool is_silent = client->state == AWAIT_GREETING && !client->has_tls &&
	                 fault == FAULT_NETWORK;
	char hint[VERDICT_TEXT_SIZE];

	/* What speaks TLS waits for us to begin, as we wait for it. */
	(void)snprintf(hint, sizeof hint,
	               "%s (does this port speak TLS from the start?)", text);
	if (client->mail.message)
		client->state = client_settle_lost(client, fault, text);
	else if (client->state < AWAIT_MESSAGE)
		client->state = fail_local(client, steps[client->state].phase,
		                           fault, is_silent ? hint : text);
	else
		client->state = CLOSED;
}

bool smtp_client_is_sending(const struct smtp_client *client)
{
	return client->mail.message != NULL;
}

const struct verdict *smtp_client_verdicts(const struct smtp_client *client)
{
	return client->verdicts;
}

const struct verdict *smtp_client_fault(const struct smtp_client *client)
{
	return &client->fault;
}

bool smtp_client_has_dsn(const struct smtp_client *client)
{
	return (client->capabilities.extensions & SMTP_EXT_DSN) != 0 &&
	       !client->has_no_parameters;
}

bool smtp_client_is_stale(const struct smtp_client *client)
{
	return client->is_stale;
}

bool smtp_client_may_send(const struct smtp_client *client)
{
	uint32_t limit = client->capabilities.mail_max;

	return client->state == AWAIT_MESSAGE &&
	       (limit == 0 || client->messages < limit);
}

void smtp_client_quit(struct smtp_client *client)
{
	if (client->state != AWAIT_MESSAGE)
		return;
	client_append(client, "QUIT\r\n");
	client->state = AWAIT_QUIT;
}

enum smtp_phase smtp_client_phase(const struct smtp_client *client)
{
	return steps[client->state].phase;
}

const char *smtp_client_awaited(const struct smtp_client *client)
{
	return steps[client->state].awaited;
}

unsigned smtp_client_timeout_s(const struct smtp_client *client)
{
	return steps[client->state].timeout_s;
}

const struct smtp_capabilities *
smtp_client_capabilities(const struct smtp_client *client)
{
	return &client->capabilities;
}

/* --- From the greeting to the login, in the order of the dialogue -------- */

/*
 * RFC 5321 3.1. A greeting of asterisks is a firewall that rewrites SMTP and
 * cannot follow groups of commands.
 */
static enum client_state on_greeting(struct smtp_client *client,
                                     const struct smtp_reply *reply)
{
	if (!smtp_reply_is_positive(reply))
		return fail_reply(client, reply);
	if (memmem(reply->data, reply->size, "********", 8))
		client->options.has_no_pipelining = true;
	return say_ehlo(client);
}

static enum client_state say_ehlo(struct smtp_client *client)
{
	client_append(client, client->options.is_lmtp ? "LHLO " : "EHLO ");
	client_append(client, client->options.ehlo_name);
	client_append(client, "\r\n");
	return AWAIT_EHLO;
}

static enum client_state on_ehlo(struct smtp_client *client,
                                 const struct smtp_reply *reply)
{
	const struct smtp_client_options *options = &client->options;
	bool knows_no_ehlo = reply->code == 500 || reply->code == 502 ||
	                     reply->code == 504 || reply->code == 550;

	if (smtp_reply_is_positive(reply)) {
		smtp_capabilities_parse(&client->capabilities, reply);
		return go_on(client);
	}
	if (!knows_no_ehlo || options->is_lmtp || options->auth ||
	    options->security == SMTP_CLIENT_STARTTLS || client->has_tls)
		return fail_reply(client, reply);
	client_append(client, "HELO ");
	client_append(client, options->ehlo_name);
	client_append(client, "\r\n");
	return AWAIT_HELO;
}

static enum client_state on_helo(struct smtp_client *client,
                                 const struct smtp_reply *reply)
{
	if (!smtp_reply_is_positive(reply))
		return fail_reply(client, reply);
	return go_on(client);
}

/* What comes next, now that we know what the server offers. */
static enum client_state go_on(struct smtp_client *client)
{
	const struct smtp_client_options *options = &client->options;
	bool has_starttls =
	    smtp_capabilities_have(&client->capabilities, SMTP_EXT_STARTTLS);

	if (!client->has_tls && options->security == SMTP_CLIENT_STARTTLS &&
	    !has_starttls)
		return fail_local(
		    client, PHASE_STARTTLS, FAULT_TLS,
		    "STARTTLS is required here and was not offered: the "
		    "wrong port, or somebody strips it");
	if (!client->has_tls && options->security != SMTP_CLIENT_AS_IT_IS &&
	    has_starttls && !client->has_refused_tls) {
		client_append(client, "STARTTLS\r\n");
		return AWAIT_STARTTLS;
	}
	if (options->auth)
		return start_auth(client);
	return AWAIT_MESSAGE;
}

/* RFC 3207. Refused, mail goes on in the clear only if nobody minds. */
static enum client_state on_starttls(struct smtp_client *client,
                                     const struct smtp_reply *reply)
{
	if (reply->code == 220)
		return AWAIT_TLS;
	if (client->options.security == SMTP_CLIENT_OPPORTUNISTIC &&
	    reply->code != 421) {
		client->has_refused_tls = true;
		return go_on(client);
	}
	return fail_reply(client, reply);
}

static enum client_state start_auth(struct smtp_client *client)
{
	const struct smtp_client_auth *auth = client->options.auth;
	int r;

	if (!smtp_capabilities_have(&client->capabilities, SMTP_EXT_AUTH))
		return fail_local(
		    client, PHASE_AUTH, FAULT_CONFIG,
		    client->has_tls
			? "a login is configured and AUTH was not offered"
			: "a login is configured and AUTH was not offered "
			  "(many servers offer it only behind TLS)");

	/* At once, so that growing leaves no secret in a freed block. */
	if (buffer_reserve(&client->out, 2 * AUTH_LINE_MAX) < 0)
		client->has_no_memory = true;
	client->auth_steps = 0;
	client_append(client, "AUTH ");
	r = auth->start(auth->context, &client->capabilities, client->has_tls,
	                &client->out);
	client_append(client, "\r\n");
	if (r == -EOPNOTSUPP)
		return fail_local(
		    client, PHASE_AUTH, FAULT_CONFIG,
		    "no login mechanism in common with the relay");
	if (r == -EACCES)
		return fail_local(client, PHASE_AUTH, FAULT_CONFIG,
		                  "the login would show the password: no TLS");
	if (r < 0)
		return fail_local(client, PHASE_AUTH, FAULT_AUTH,
		                  "the login could not be prepared");
	return AWAIT_AUTH;
}

static enum client_state on_auth(struct smtp_client *client,
                                 const struct smtp_reply *reply)
{
	const struct smtp_client_auth *auth = client->options.auth;
	const char *challenge = "";
	size_t cursor = 0;
	size_t len = 0;
	int r;

	if (smtp_reply_is_positive(reply)) {
		if (auth->finish(auth->context) < 0)
			return fail_local(
			    client, PHASE_AUTH, FAULT_AUTH,
			    "the relay accepted the login but did not prove "
			    "that it knows the password");
		return AWAIT_MESSAGE;
	}
	if (reply->code >= 500 && auth->may_retry(auth->context, reply->code))
		return start_auth(client);
	if (reply->code != 334)
		return fail_reply(client, reply);

	(void)smtp_reply_next_line(reply, &cursor, &challenge, &len);
	r = len <= AUTH_LINE_MAX && ++client->auth_steps <= AUTH_STEPS_MAX
	        ? auth->step(auth->context, challenge, len, &client->out)
	        : -EPROTO;
	client_append(client, r < 0 ? "*\r\n" : "\r\n");
	return r < 0 ? AWAIT_AUTH_CANCEL : AWAIT_AUTH;
}

/* RFC 4954 4: 501 is due. */
static enum client_state on_auth_cancel(struct smtp_client *client,
                                        const struct smtp_reply *reply)
{
	(void)reply;
	return fail_local(
	    client, PHASE_AUTH, FAULT_AUTH,
	    "the relay's side of the login makes no sense, or is not who it "
	    "should be");
}

/*
 * 421 before a shutdown, most often. Whatever it is, we are not in step. After
 * a message that is nobody's fault; before the first it is why we are sent
 * away, and like a greeting it means this moment and not the mail.
 */
static enum client_state on_unasked(struct smtp_client *client,
                                    const struct smtp_reply *reply)
{
	struct verdict verdict;

	if (client->state == AWAIT_TLS)
		return fail_local(client, PHASE_STARTTLS, FAULT_PROTOCOL,
		                  "clear text followed the reply to STARTTLS");
	if (client->state != AWAIT_MESSAGE || client->messages > 0)
		return CLOSED;
	if (reply->code < 400)
		return fail_local(client, PHASE_MAIL, FAULT_PROTOCOL,
		                  "the relay answers what it was not asked");
	verdict_from_reply(&verdict, reply, PHASE_GREETING);
	verdict.phase = PHASE_MAIL;
	return client_fail(client, &verdict);
}

static enum client_state on_quit(struct smtp_client *client,
                                 const struct smtp_reply *reply)
{
	(void)client;
	(void)reply;
	return CLOSED;
}

/* --- Faults -------------------------------------------------------------- */

enum client_state client_fail(struct smtp_client *client,
                              const struct verdict *verdict)
{
	client->fault = *verdict;
	client->mail.message = NULL;
	return CLOSED;
}

static enum client_state fail_reply(struct smtp_client *client,
                                    const struct smtp_reply *reply)
{
	const struct smtp_client_auth *auth = client->options.auth;
	struct verdict verdict;

	verdict_from_reply_by(&verdict, reply, steps[client->state].phase,
	                      client->options.own_rules);
	/* Neither a 3xx nor a 2xx has a place here. */
	if (verdict.class == VERDICT_NONE) {
		verdict.class = VERDICT_TEMPORARY;
		verdict.fault = FAULT_PROTOCOL;
	}
	verdict.scope = SCOPE_RELAY;
	if (client->state == AWAIT_AUTH && auth && auth->explain)
		auth->explain(auth->context, &verdict);
	return client_fail(client, &verdict);
}

static enum client_state fail_local(struct smtp_client *client,
                                    enum smtp_phase phase,
                                    enum verdict_fault fault, const char *text)
{
	struct verdict verdict;

	verdict_local(&verdict, VERDICT_TEMPORARY, SCOPE_RELAY, phase, fault,
	              text);
	return client_fail(client, &verdict);
}

void client_append(struct smtp_client *client, const char *text)
{
	if (buffer_append_string(&client->out, text) < 0)
		client->has_no_memory = true;
}
