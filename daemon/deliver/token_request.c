/*
 * token_request - what a token service is asked, in the words of each grant
 */
#include "config.h"

#include "deliver/token_request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "crypto.h"
#include "deliver/jwt.h"
#include "runtime/xalloc.h"
#include "secret.h"
#include "settings.h"

#define GRANT "urn:ietf:params:oauth:grant-type:"

static void add(struct buffer *form, const char *name, const char *value);
static void add_client(struct buffer *form, const struct relay_oauth *oauth);
static char *take(struct buffer *form);

static void make_text(char *text, size_t size, const void *octets, size_t len)
{
	char *base64 = crypto_base64url(octets, len);

	(void)snprintf(text, size, "%s", base64);
	explicit_bzero(base64, strlen(base64));
	free(base64);
}

void token_proof_make(struct token_proof *proof)
{
	unsigned char octets[32], digest[CRYPTO_SHA256_SIZE];

	crypto_random(octets, sizeof(octets));
	make_text(proof->verifier, sizeof(proof->verifier), octets, 32);
	crypto_sha256(proof->verifier, strlen(proof->verifier), digest);
	make_text(proof->challenge, sizeof(proof->challenge), digest, 32);
	crypto_random(octets, sizeof(octets));
	make_text(proof->state, sizeof(proof->state), octets, 16);
	explicit_bzero(octets, sizeof(octets));
}

char *token_request_refresh(const struct relay_oauth *oauth,
                            const char *refresh_token)
{
	struct buffer form;

	buffer_init(&form, 0);
	add(&form, "grant_type", "refresh_token");
	add(&form, "refresh_token", refresh_token);
	add(&form, "scope", oauth->scopes);
	add_client(&form, oauth);
	return take(&form);
}

char *token_request_own(const struct relay_oauth *oauth, long long now_s)
{
	char *assertion = NULL;
	struct buffer form;

	buffer_init(&form, 0);
	if (oauth->grant == OAUTH_CLIENT_CREDENTIALS) {
		add(&form, "grant_type", "client_credentials");
		add(&form, "scope", oauth->scopes);
		add_client(&form, oauth);
		return take(&form);
	}
	assertion = jwt_assertion(oauth, now_s);
	if (!assertion)
		return NULL;
	add(&form, "grant_type", GRANT "jwt-bearer");
	add(&form, "assertion", assertion);
	add(&form, "scope", oauth->scopes);
	explicit_bzero(assertion, strlen(assertion));
	free(assertion);
	return take(&form);
}

char *token_request_device(const struct relay_oauth *oauth)
{
	struct buffer form;

	buffer_init(&form, 0);
	add(&form, "client_id", oauth->client_id);
	add(&form, "scope", oauth->scopes);
	return take(&form);
}

char *token_request_poll(const struct relay_oauth *oauth,
                         const char *device_code)
{
	struct buffer form;

	buffer_init(&form, 0);
	add(&form, "grant_type", GRANT "device_code");
	add(&form, "device_code", device_code);
	add_client(&form, oauth);
	return take(&form);
}

char *token_request_code(const struct relay_oauth *oauth, const char *code,
                         const char *redirect_uri,
                         const struct token_proof *proof)
{
	struct buffer form;

	buffer_init(&form, 0);
	add(&form, "grant_type", "authorization_code");
	add(&form, "code", code);
	add(&form, "redirect_uri", redirect_uri);
	add(&form, "code_verifier", proof->verifier);
	add_client(&form, oauth);
	return take(&form);
}

char *token_request_authorization(const struct relay_oauth *oauth,
                                  const char *redirect_uri,
                                  const char *username,
                                  const struct token_proof *proof)
{
	bool has_query = strchr(oauth->authorization_url, '?') != NULL;
	struct buffer query;
	char *text, *url;

	buffer_init(&query, 0);
	add(&query, "response_type", "code");
	add(&query, "client_id", oauth->client_id);
	add(&query, "redirect_uri", redirect_uri);
	add(&query, "scope", oauth->scopes);
	add(&query, "state", proof->state);
	add(&query, "code_challenge", proof->challenge);
	add(&query, "code_challenge_method", "S256");
	add(&query, "login_hint", username);
	text = take(&query);
	url = xasprintf("%s%c%s", oauth->authorization_url,
	                has_query ? '&' : '?', text);
	free(text);
	return url;
}

/* A public client has no secret. */
static void add_client(struct buffer *form, const struct relay_oauth *oauth)
{
	add(form, "client_id", oauth->client_id);
	if (oauth->client_secret)
		add(form, "client_secret",
		    secret_text_borrow(oauth->client_secret));
}

static void put(struct buffer *form, const char *data, size_t len)
{
	if (buffer_append(form, data, len) < 0)
		abort();
}

/* RFC 3986 2.1 and 2.3, which every reader of forms takes, too. */
static void add(struct buffer *form, const char *name, const char *value)
{
	char escaped[4];

	if (!value)
		return;
	if (form->len > 0)
		put(form, "&", 1);
	put(form, name, strlen(name));
	put(form, "=", 1);
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (isalnum(c) || strchr("-._~", c)) {
			put(form, value, 1);
			continue;
		}
		(void)snprintf(escaped, sizeof(escaped), "%%%02X", c);
		put(form, escaped, 3);
	}
}

static char *take(struct buffer *form)
{
	char *text;

	if (buffer_take(form, &text, NULL) < 0)
		abort();
	return text;
}

/* ---------------------------------------------------------------- answers */

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

static char *decode(const char *text, size_t len)
{
	char *plain = xmalloc(len + 1);
	size_t i, used = 0;

	for (i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%' && len - i > 2 && hex(text[i + 1]) >= 0 &&
		    hex(text[i + 2]) >= 0) {
			c = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
			i += 2;
		} else if (c == '+') {
			c = ' ';
		}
		plain[used++] = c;
	}
	plain[used] = '\0';
	return plain;
}

char *token_request_parameter(const char *url, const char *name)
{
	const char *at = strchr(url, '?');
	size_t len = strlen(name);

	while (at && *at && *at != '#') {
		at++;
		if (strncmp(at, name, len) == 0 && at[len] == '=') {
			at += len + 1;
			return decode(at, strcspn(at, "&# \r\n"));
		}
		at += strcspn(at, "&#");
	}
	return NULL;
}
