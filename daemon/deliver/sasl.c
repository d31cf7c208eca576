/*
 * sasl - logs in at a relay
 *
 * Mechanisms are tried in the order of the table, those that show least
 * first; a mechanism that was answered by 504 is not tried again. A server
 * that finds the initial response too long (500 5.5.6, RFC 4954 4) gets it
 * behind an empty challenge.
 */
#include "config.h"

#include "deliver/sasl.h"

#include <assert.h>
#include <errno.h>
#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "buffer.h"
#include "runtime/xalloc.h"
#include "secret.h"
#include "smtp/reply.h"
#include "smtp/verdict.h"

/*
 * A server names the work that a SCRAM login costs us, and our loop waits for
 * it. RFC 7677 4 wants 4,096 at least.
 */
#define SCRAM_ITERATIONS_MIN 4096
#define SCRAM_ITERATIONS_MAX 250000

#define MESSAGE_MAX 12288

/* Of the JSON that tells why a token is refused (RFC 7628 3.2.2). */
#define REFUSAL_SIZE 160

struct mechanism {
	unsigned bit;
	bool has_token;
	/* a listener learns the secret */
	bool is_clear;
	/* the client speaks first */
	bool has_initial;
	/* the exchange has a last word of the server that must be checked */
	bool is_mutual;
};

static const struct mechanism mechanisms[] = {
	{ SMTP_MECHANISM_XOAUTH2, true, true, true, false },
	{ SMTP_MECHANISM_OAUTHBEARER, true, true, true, false },
	{ SMTP_MECHANISM_SCRAM_SHA_256, false, false, true, true },
	{ SMTP_MECHANISM_SCRAM_SHA_1, false, false, true, true },
	{ SMTP_MECHANISM_PLAIN, false, true, true, false },
	{ SMTP_MECHANISM_LOGIN, false, true, false, false },
	{ SMTP_MECHANISM_CRAM_MD5, false, false, false, false },
};

struct sasl {
	struct smtp_client_auth auth;
	Gsasl *context;
	Gsasl_session *session;
	char *username;
	char *password;
	char *token;
	char *host;
	uint16_t port;
	bool is_loopback;
	unsigned only;
	unsigned refused;
	const struct mechanism *current;
	char refusal[REFUSAL_SIZE]; /* what a challenge said of it, or "" */
	bool is_without_initial;
	bool is_initial_due;
	bool is_complete;
};

static int on_start(void *context, const struct smtp_capabilities *offer,
                    bool has_tls, struct buffer *out);
static int on_step(void *context, const char *challenge, size_t len,
                   struct buffer *out);
static int on_finish(void *context);
static bool on_may_retry(void *context, uint16_t code);
static void on_explain(void *context, struct verdict *verdict);

static int choose(struct sasl *sasl, unsigned offered, bool has_tls);
static int begin(struct sasl *sasl);
static int say(struct sasl *sasl, const char *challenge, struct buffer *out);
static int step(struct sasl *sasl, const char *challenge, char **ret_answer,
                size_t *ret_len);
static int say_token(struct sasl *sasl, const char *challenge,
                     struct buffer *out);
static bool is_reasonable(const struct sasl *sasl, const char *challenge);
static int append_base64(struct buffer *out, const char *data, size_t len);

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

/* libgsasl would free its copy of the password as it is. */
static void end_session(struct sasl *sasl)
{
	const char *copy;

	if (!sasl->session)
		return;
	copy = gsasl_property_fast(sasl->session, GSASL_PASSWORD);
	if (copy)
		explicit_bzero((char *)(uintptr_t)copy, strlen(copy));
	gsasl_finish(sasl->session);
	sasl->session = NULL;
}

static int copy(char **ret_text, const char *text)
{
	if (!text)
		return 0;
	*ret_text = strdup(text);
	return *ret_text ? 0 : -ENOMEM;
}

int sasl_new(struct sasl **ret_sasl, const struct sasl_options *options)
{
	struct sasl *sasl = calloc(1, sizeof *sasl);
	int r = -ENOMEM;

	if (!sasl)
		return -ENOMEM;
	sasl->auth =
	    (struct smtp_client_auth){ on_start,     on_step, on_finish,
		                       on_may_retry, sasl,    on_explain };
	sasl->port = options->port;
	sasl->is_loopback = options->is_loopback;
	if (copy(&sasl->username, options->username) < 0 ||
	    copy(&sasl->password, options->password) < 0 ||
	    copy(&sasl->token, options->token) < 0 ||
	    copy(&sasl->host, options->host) < 0)
		goto out;
	if (options->mechanism) {
		sasl->only = smtp_mechanism_parse(options->mechanism,
		                                  strlen(options->mechanism));
		if (!sasl->only) {
			r = -EINVAL;
			goto out;
		}
	}
	if (gsasl_init(&sasl->context) != GSASL_OK)
		goto out;

	*ret_sasl = sasl;
	sasl = NULL;
	r = 0;
out:
	sasl_free(sasl);
	return r;
}

void sasl_free(struct sasl *sasl)
{
	if (!sasl)
		return;
	end_session(sasl);
	if (sasl->context)
		gsasl_done(sasl->context);
	wipe(sasl->username);
	wipe(sasl->password);
	wipe(sasl->token);
	free(sasl->host);
	free(sasl);
	secret_wipe_stack();
}

const struct smtp_client_auth *sasl_auth(const struct sasl *sasl)
{
	return &sasl->auth;
}

const char *sasl_mechanism(const struct sasl *sasl)
{
	return sasl->current ? smtp_mechanism_name(sasl->current->bit) : NULL;
}

/* --- The exchange, in its order ------------------------------------------ */

static int on_start(void *context, const struct smtp_capabilities *offer,
                    bool has_tls, struct buffer *out)
{
	struct sasl *sasl = context;
	int r;

	r = choose(sasl, offer->mechanisms, has_tls);
	if (r < 0)
		return r;
	r = begin(sasl);
	if (r < 0)
		return r;
	r = buffer_append_string(out, sasl_mechanism(sasl));
	if (r < 0)
		return r;
	sasl->is_initial_due = sasl->current->has_initial;
	if (!sasl->is_initial_due || sasl->is_without_initial)
		return 0;
	r = buffer_append(out, " ", 1);
	if (r < 0)
		return r;
	sasl->is_initial_due = false;
	return say(sasl, "", out);
}

/*
 * Of the two ways to hand over a token, XOAUTH2 is the one that every large
 * provider has. CRAM-MD5 is last: inside TLS it protects nothing, and many
 * servers that offer it cannot check it.
 */
static int choose(struct sasl *sasl, unsigned offered, bool has_tls)
{
	bool is_readable = !has_tls && !sasl->is_loopback;
	bool is_hidden_only = false;
	size_t i;

	if (sasl->only)
		offered &= sasl->only;
	offered &= ~sasl->refused;
	sasl->current = NULL;
	for (i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
		const struct mechanism *m = &mechanisms[i];

		if (!(offered & m->bit) ||
		    m->has_token != (sasl->token != NULL))
			continue;
		if (m->is_clear && is_readable) {
			is_hidden_only = true;
			continue;
		}
		sasl->current = m;
		return 0;
	}
	return is_hidden_only ? -EACCES : -EOPNOTSUPP;
}

static int begin(struct sasl *sasl)
{
	end_session(sasl);
	sasl->refusal[0] = '\0';
	sasl->is_complete = !sasl->current->is_mutual;
	if (sasl->current->has_token)
		return 0;
	if (!sasl->username || !sasl->password)
		return -EINVAL;
	if (gsasl_client_start(sasl->context, sasl_mechanism(sasl),
	                       &sasl->session) != GSASL_OK)
		return -EOPNOTSUPP;
	if (gsasl_property_set(sasl->session, GSASL_AUTHID, sasl->username) !=
	        GSASL_OK ||
	    gsasl_property_set(sasl->session, GSASL_PASSWORD, sasl->password) !=
	        GSASL_OK)
		return -ENOMEM;
	return 0;
}

static int on_step(void *context, const char *challenge, size_t len,
                   struct buffer *out)
{
	struct sasl *sasl = context;
	char text[MESSAGE_MAX + 1];

	if (len > MESSAGE_MAX)
		return -EPROTO;
	memcpy(text, challenge, len);
	text[len] = '\0';
	if (sasl->is_initial_due) {
		sasl->is_initial_due = false;
		return say(sasl, "", out);
	}
	if (!is_reasonable(sasl, text))
		return -EPROTO;
	return say(sasl, text, out);
}

/* Appends our next message, in base64, to what the challenge asks. */
static int say(struct sasl *sasl, const char *challenge, struct buffer *out)
{
	char *answer = NULL;
	size_t len;
	int r;

	if (sasl->current->has_token)
		return say_token(sasl, challenge, out);

	/* The prompts of LOGIN mean nothing, and some are not even base64. */
	if (sasl->current->bit == SMTP_MECHANISM_LOGIN)
		challenge = "";
	r = step(sasl, challenge, &answer, &len);
	if (r != GSASL_OK && r != GSASL_NEEDS_MORE)
		return r == GSASL_MALLOC_ERROR ? -ENOMEM : -EPROTO;
	/* The last word of SCRAM has been checked: nothing to say to it. */
	if (r == GSASL_OK)
		sasl->is_complete = true;
	r = append_base64(out, answer, len);
	if (len > 0) /* the end of SCRAM has none */
		explicit_bzero(answer, len);
	gsasl_free(answer);
	return r;
}

/* Not gsasl_step64(), which leaves the answer in memory that it has freed. */
static int step(struct sasl *sasl, const char *challenge, char **ret_answer,
                size_t *ret_len)
{
	char *text = NULL;
	size_t len = 0;
	int r = GSASL_OK;

	if (*challenge)
		r = gsasl_base64_from(challenge, strlen(challenge), &text,
		                      &len);
	if (r == GSASL_OK)
		r = gsasl_step(sasl->session, text, len, ret_answer, ret_len);
	gsasl_free(text);
	return r;
}

static void note_refusal(struct sasl *sasl, const char *challenge)
{
	char *text;
	size_t len;

	if (gsasl_base64_from(challenge, strlen(challenge), &text, &len) !=
	    GSASL_OK)
		return;
	smtp_text_clean(sasl->refusal, sizeof sasl->refusal, text, len);
	gsasl_free(text);
}

static void on_explain(void *context, struct verdict *verdict)
{
	struct sasl *sasl = context;
	char text[VERDICT_TEXT_SIZE];

	if (!*sasl->refusal)
		return;
	snprintf(text, sizeof text, "%.230s %s", verdict->text, sasl->refusal);
	verdict_set_text(verdict, text);
}

/*
 * XOAUTH2 (Google's and Microsoft's) and OAUTHBEARER (RFC 7628 3.1). A
 * challenge can only be the reason of a refusal; it wants an answer before
 * the refusal itself comes: nothing, or one ^A (RFC 7628 3.2.3).
 */
static int say_token(struct sasl *sasl, const char *challenge,
                     struct buffer *out)
{
	bool is_bearer = sasl->current->bit == SMTP_MECHANISM_OAUTHBEARER;
	const char *user = sasl->username ? sasl->username : "";
	char *text;
	int r;

	if (*challenge) {
		note_refusal(sasl, challenge);
		return is_bearer ? buffer_append_string(out, "AQ==") : 0;
	}
	/* These two would end the name's field early. */
	if (is_bearer && strpbrk(user, ",="))
		return -EINVAL;
	if (is_bearer)
		text = xasprintf(
		    "n,a=%s,\1host=%s\1port=%u\1auth=Bearer %s\1\1", user,
		    sasl->host ? sasl->host : "", sasl->port, sasl->token);
	else
		text =
		    xasprintf("user=%s\1auth=Bearer %s\1\1", user, sasl->token);
	r = append_base64(out, text, strlen(text));
	wipe(text);
	return r;
}

/* "r=…,s=…,i=4096": is the work named one that we want to do? */
static bool is_reasonable(const struct sasl *sasl, const char *challenge)
{
	unsigned long iterations;
	char *text;
	size_t len;
	const char *at;
	bool is_fine = true;

	if (!sasl->current->is_mutual)
		return true;
	if (gsasl_base64_from(challenge, strlen(challenge), &text, &len) !=
	    GSASL_OK)
		return false;
	at = len > 0 ? memmem(text, len, ",i=", 3) : NULL;
	if (at) {
		char number[16] = "";

		snprintf(number, sizeof number, "%.*s",
		         (int)(text + len - at - 3), at + 3);
		iterations = strtoul(number, NULL, 10);
		is_fine = iterations >= SCRAM_ITERATIONS_MIN &&
		          iterations <= SCRAM_ITERATIONS_MAX;
	}
	gsasl_free(text);
	return is_fine;
}

static int on_finish(void *context)
{
	struct sasl *sasl = context;

	return sasl->is_complete ? 0 : -EPERM;
}

static bool on_may_retry(void *context, uint16_t code)
{
	struct sasl *sasl = context;

	if (code == 500 && sasl->current->has_initial &&
	    !sasl->is_without_initial) {
		sasl->is_without_initial = true;
		return true;
	}
	if (code != 504 || sasl->only)
		return false;
	sasl->refused |= sasl->current->bit;
	return true;
}

static int append_base64(struct buffer *out, const char *data, size_t len)
{
	char *text;
	int r;

	if (gsasl_base64_to(data, len, &text, NULL) != GSASL_OK)
		return -ENOMEM;
	r = buffer_append_string(out, text);
	explicit_bzero(text, strlen(text));
	gsasl_free(text);
	return r;
}
