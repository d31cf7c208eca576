/*
 * tls - one encrypted connection over a non-blocking socket
 */
#include "config.h"

#include "deliver/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "deliver/tls_certificate.h"
#include "deliver/tls_context.h"
#include "settings.h"

struct tls {
	struct tls_context *context;
	SSL *ssl;
	/* "host:port": whose sessions these are */
	char *peer;
	char *host;
	X509 *seen; /* the far side's certificate, good or bad */
	const char *fingerprint;
	bool is_open;
	/* no close_notify after an error, and no resumption */
	bool is_broken;
	bool wants_write;
	enum tls_fault fault;
	char text[TLS_TEXT_SIZE];
};

static int prepare(struct tls *tls, const struct tls_options *options, int fd);
static int name_peer(struct tls *tls, const struct tls_options *options);
static int on_verify(int is_good, X509_STORE_CTX *store);
static int check_fingerprint(struct tls *tls);
static int fail(struct tls *tls, int result);
static int fail_protocol(struct tls *tls);
static void explain_certificate(struct tls *tls, long verified);

int tls_new(struct tls **ret_tls, const struct tls_options *options, int fd)
{
	struct tls *tls = calloc(1, sizeof *tls);
	int r;

	if (!tls)
		return -ENOMEM;
	r = prepare(tls, options, fd);
	if (r == -ENOMEM) {
		tls_free(tls);
		return r;
	}
	if (r < 0)
		tls->fault = TLS_FAULT_SETTINGS;
	*ret_tls = tls;
	return r;
}

static int prepare(struct tls *tls, const struct tls_options *options, int fd)
{
	SSL_SESSION *session;
	int r;

	r = tls_context_get(&tls->context, options->settings,
	                    options->is_opportunistic, tls->text);
	if (r < 0)
		return r;
	if (!options->is_opportunistic)
		tls->fingerprint = options->settings->fingerprint;
	tls->host = strdup(options->host);
	tls->ssl = SSL_new(tls_context_borrow(tls->context));
	if (!tls->host || !tls->ssl ||
	    asprintf(&tls->peer, "%s:%u", options->host, options->port) < 0 ||
	    SSL_set_fd(tls->ssl, fd) != 1)
		return -ENOMEM;
	SSL_set_connect_state(tls->ssl);
	r = name_peer(tls, options);
	if (r < 0)
		return r;

	SSL_set_app_data(tls->ssl, tls);
	SSL_set_verify(tls->ssl, SSL_get_verify_mode(tls->ssl), on_verify);
	if (options->is_fresh)
		return 0;
	tls_context_keep_sessions(tls->context, tls->ssl, tls->peer);
	session = tls_context_take_session(tls->context, tls->peer);
	if (session) {
		(void)SSL_set_session(tls->ssl, session);
		SSL_SESSION_free(session);
	}
	return 0;
}

/*
 * RFC 9525: the name to check is the one that was configured, never one that
 * DNS led to; a wildcard is a whole left-most label; the subject's common name
 * counts for nothing. RFC 6066 3: no addresses in SNI.
 */
static int name_peer(struct tls *tls, const struct tls_options *options)
{
	struct in6_addr address;
	bool is_address = inet_pton(AF_INET, options->host, &address) == 1 ||
	                  inet_pton(AF_INET6, options->host, &address) == 1;

	if (is_address)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl),
		                                     options->host) == 1
		           ? 0
		           : -ENOMEM;
	SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
	                                X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (SSL_set_tlsext_host_name(tls->ssl, tls->host) != 1 ||
	    SSL_set1_host(tls->ssl, options->host) != 1)
		return -ENOMEM;
	return 0;
}

/* Changes nothing, only remembers what there is to be said of it. */
static int on_verify(int is_good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
	    store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *tls = SSL_get_app_data(ssl);
	X509 *certificate = X509_STORE_CTX_get0_cert(store);

	if (!tls->seen && certificate && X509_up_ref(certificate) == 1)
		tls->seen = certificate;
	return is_good;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	X509_free(tls->seen);
	if (tls->ssl) {
		ERR_clear_error();
		/* Without it OpenSSL forgets the session, too. */
		if (tls->is_open && !tls->is_broken)
			(void)SSL_shutdown(tls->ssl);
		SSL_free(tls->ssl);
		ERR_clear_error();
	}
	tls_context_unref(tls->context);
	free(tls->peer);
	free(tls->host);
	free(tls);
}

int tls_handshake(struct tls *tls)
{
	int r;

	assert(tls->ssl);
	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(tls->ssl);
	if (r != 1)
		return fail(tls, r);
	if (tls->fingerprint && check_fingerprint(tls) < 0)
		return -EPROTO;
	tls->is_open = true;
	return 0;
}

/* The pin is of the key alone (SPKI), so it outlives new certificates. */
static int check_fingerprint(struct tls *tls)
{
	X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[2 * EVP_MAX_MD_SIZE + 1] = "";
	unsigned char *spki = NULL;
	unsigned len = 0;
	int size = 0;

	if (certificate)
		size =
		    i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
	if (size > 0 && EVP_Digest(spki, (size_t)size, digest, &len,
	                           EVP_sha256(), NULL) != 1)
		len = 0;
	OPENSSL_free(spki);
	for (unsigned i = 0; i < len; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
	if (len > 0 && strcasecmp(text, tls->fingerprint) == 0)
		return 0;

	tls->is_broken = true;
	tls->fault = TLS_FAULT_FINGERPRINT;
	(void)snprintf(tls->text, sizeof tls->text,
	               "the relay's key is not the pinned one: its fingerprint "
	               "is sha256:%s",
	               text);
	return -EPROTO;
}

int tls_read(struct tls *tls, char *data, size_t size, size_t *ret_len)
{
	int room = size > INT_MAX ? INT_MAX : (int)size;
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_read(tls->ssl, data, room);
	if (r > 0) {
		*ret_len = (size_t)r;
		return 0;
	}
	if (SSL_get_error(tls->ssl, r) == SSL_ERROR_ZERO_RETURN) {
		*ret_len = 0;
		return 0;
	}
	return fail(tls, r);
}

int tls_write(struct tls *tls, const char *data, size_t len, size_t *ret_len)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_write(tls->ssl, data, len > INT_MAX ? INT_MAX : (int)len);
	if (r <= 0)
		return fail(tls, r);
	*ret_len = (size_t)r;
	return 0;
}

bool tls_has_pending(const struct tls *tls)
{
	return SSL_has_pending(tls->ssl) == 1;
}

bool tls_wants_write(const struct tls *tls)
{
	return tls->wants_write;
}

enum tls_fault tls_fault(const struct tls *tls)
{
	return tls->fault;
}

const char *tls_text(const struct tls *tls)
{
	return tls->text;
}

const char *tls_version(const struct tls *tls)
{
	return SSL_get_version(tls->ssl);
}

const char *tls_cipher(const struct tls *tls)
{
	return SSL_get_cipher_name(tls->ssl);
}

void tls_describe_certificate(const struct tls *tls, char *text, size_t size)
{
	X509 *certificate =
	    tls->ssl ? SSL_get0_peer_certificate(tls->ssl) : NULL;

	tls_certificate_describe(certificate ? certificate : tls->seen, text,
	                         size);
}

int tls_certificate_days(const struct tls *tls)
{
	X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
	int days = 0;
	int seconds;

	if (!certificate ||
	    ASN1_TIME_diff(&days, &seconds, NULL,
	                   X509_get0_notAfter(certificate)) != 1)
		return 0;
	return days;
}

/* --- What went wrong ----------------------------------------------------- */

static int fail(struct tls *tls, int result)
{
	int error = errno;

	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		tls->wants_write = false;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		tls->wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_SYSCALL:
		tls->is_broken = true;
		if (error == 0)
			error = ECONNRESET;
		(void)snprintf(tls->text, sizeof tls->text, "%s",
		               strerror(error));
		return -error;
	default:
		tls->is_broken = true;
		return fail_protocol(tls);
	}
}

static int fail_protocol(struct tls *tls)
{
	unsigned long error = ERR_peek_error();
	long verified = SSL_get_verify_result(tls->ssl);
	const char *reason = ERR_reason_error_string(error);

	(void)snprintf(tls->text, sizeof tls->text, "TLS: %s",
	               reason ? reason : "unknown error");
	tls->fault = TLS_FAULT_OTHER;
	switch (ERR_GET_REASON(error)) {
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		(void)snprintf(
		    tls->text, sizeof tls->text,
		    tls->is_open ? "the connection was cut (no close_notify)"
				 : "the relay closed the connection during the "
				   "TLS handshake");
		if (!tls->is_open)
			tls->fault = TLS_FAULT_REFUSED;
		return -ECONNRESET;
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		explain_certificate(tls, verified);
		break;
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_UNEXPECTED_MESSAGE:
	case SSL_R_BAD_PACKET_LENGTH:
		if (tls->is_open)
			break;
		tls->fault = TLS_FAULT_NOT_TLS;
		(void)snprintf(
		    tls->text, sizeof tls->text,
		    "this port does not speak TLS from the start "
		    "(wrong version number): is it one for STARTTLS?");
		break;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
	case SSL_R_VERSION_TOO_LOW:
		tls->fault = TLS_FAULT_VERSION;
		break;
	default:
		if (ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET &&
		    ERR_GET_LIB(error) == ERR_LIB_SSL)
			tls->fault = TLS_FAULT_REFUSED;
		break;
	}
	return -EPROTO;
}

static void explain_certificate(struct tls *tls, long verified)
{
	const char *reason = X509_verify_cert_error_string(verified);

	switch (verified) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		tls->fault = TLS_FAULT_EXPIRED;
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		tls->fault = TLS_FAULT_NOT_YET_VALID;
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		tls->fault = TLS_FAULT_NAME;
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		tls->fault = TLS_FAULT_SELF_SIGNED;
		break;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		tls->fault = TLS_FAULT_UNKNOWN_AUTHORITY;
		break;
	default:
		tls->fault = TLS_FAULT_CERTIFICATE;
		break;
	}
	(void)snprintf(tls->text, sizeof tls->text,
	               "the certificate of %s is not accepted: %s", tls->host,
	               reason);
}
