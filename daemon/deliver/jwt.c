/*
 * jwt - the signed word of a service account
 */
#include "config.h"

#include "deliver/jwt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "crypto.h"
#include "runtime/xalloc.h"
#include "secret.h"
#include "settings.h"

/* A clock that is a little fast must not sign in the future. */
#define SKEW_S 30
#define LIFE_S 600

static char *make_claims(const struct relay_oauth *oauth, long long now_s);
static void add_text(struct buffer *json, const char *name, const char *value);
static void add_number(struct buffer *json, const char *name, long long value);
static char *close_object(struct buffer *json);

char *jwt_assertion(const struct relay_oauth *oauth, long long now_s)
{
	const char *pem = secret_text_borrow(oauth->key), *problem;
	const char *algorithm = crypto_key_algorithm(pem, &problem);
	char *header, *claims, *input, *signature, *whole = NULL;
	struct buffer json;

	if (!algorithm)
		return NULL;
	buffer_init(&json, 0);
	add_text(&json, "alg", algorithm);
	add_text(&json, "typ", "JWT");
	add_text(&json, "kid", oauth->key_id);
	header = close_object(&json);
	claims = make_claims(oauth, now_s);
	input = xasprintf("%s.%s", header, claims);
	if (crypto_sign(pem, input, strlen(input), &signature) == 0) {
		whole = xasprintf("%s.%s", input, signature);
		free(signature);
	}
	free(header);
	free(claims);
	free(input);
	return whole;
}

static char *make_claims(const struct relay_oauth *oauth, long long now_s)
{
	unsigned char octets[16];
	struct buffer json;
	char *unique;

	crypto_random(octets, sizeof(octets));
	unique = crypto_base64url(octets, sizeof(octets));
	buffer_init(&json, 0);
	add_text(&json, "iss", oauth->issuer);
	add_text(&json, "sub", oauth->subject);
	add_text(&json, "aud", oauth->audience);
	add_text(&json, "scope", oauth->scopes);
	add_text(&json, "jti", unique);
	add_number(&json, "iat", now_s - SKEW_S);
	add_number(&json, "exp", now_s - SKEW_S + LIFE_S);
	free(unique);
	return close_object(&json);
}

static void put(struct buffer *json, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct buffer *json, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (buffer_appendv(json, format, args) < 0)
		abort();
	va_end(args);
}

/* RFC 8259 7 */
static void add_text(struct buffer *json, const char *name, const char *value)
{
	const unsigned char *c = (const unsigned char *)value;

	if (!value)
		return;
	put(json, "%c\"%s\":\"", json->len == 0 ? '{' : ',', name);
	for (; *c; c++)
		if (*c < ' ' || *c == '"' || *c == '\\')
			put(json, "\\u%04x", *c);
		else
			put(json, "%c", *c);
	put(json, "\"");
}

static void add_number(struct buffer *json, const char *name, long long value)
{
	put(json, "%c\"%s\":%lld", json->len == 0 ? '{' : ',', name, value);
}

/* In base64url. */
static char *close_object(struct buffer *json)
{
	char *text;

	put(json, "}");
	text = crypto_base64url(json->data, json->len);
	buffer_done(json);
	return text;
}
