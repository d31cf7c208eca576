/*
 * sasl - logs in at a relay: PLAIN, LOGIN, CRAM-MD5, SCRAM, XOAUTH2, …
 *
 * One object serves the logins of one connection. It implements the login of
 * smtp/client; everything but XOAUTH2 and OAUTHBEARER is GNU SASL's work. The
 * only includer of <gsasl.h>.
 *
 * Promise: a password or token that a listener could read is sent only over
 *          TLS, or to this host itself; with SCRAM, a server that cannot prove
 *          that it knows the password is not logged in to. Secrets are wiped.
 * Thread:  one at a time.
 */
#ifndef RELAIS_DELIVER_SASL_H
#define RELAIS_DELIVER_SASL_H

#include <stdbool.h>
#include <stdint.h>

#include "smtp/client.h"

struct sasl;

/* Copied. */
struct sasl_options {
	const char *username;
	/* one of both; a token is for XOAUTH2 and OAUTHBEARER */
	const char *password;
	const char *token;
	/* only this one; NULL: the best that both sides know */
	const char *mechanism;
	/* where we log in, for OAUTHBEARER */
	const char *host;
	uint16_t port;
	/* the other end is this host: nobody listens in between */
	bool is_loopback;
};

/* 0, -ENOMEM, or -EINVAL for a mechanism that is not ours. */
int sasl_new(struct sasl **ret_sasl, const struct sasl_options *options);
void sasl_free(struct sasl *sasl);

/* For smtp_client_options.auth; borrowed until sasl_free(). */
const struct smtp_client_auth *sasl_auth(const struct sasl *sasl);

/* The mechanism last tried, "SCRAM-SHA-256"; NULL before. */
const char *sasl_mechanism(const struct sasl *sasl);

#endif
