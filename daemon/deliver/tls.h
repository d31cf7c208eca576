/*
 * tls - one encrypted connection over a non-blocking socket
 *
 * OpenSSL driven by hand: the owner has the socket's events and calls again
 * when the socket is readable or writable. Read until -EAGAIN: what OpenSSL
 * holds decrypted wakes nobody.
 *
 * Promise: a handshake that succeeds has met its policy - chain, name and
 *          version, or the pinned key - and the end of a connection that was
 *          cut is never taken for one that was closed.
 * Errors:  -EAGAIN: wait; -EPROTO, -ECONNRESET and others: see tls_text().
 * Thread:  the one that made it.
 */
#ifndef RELAIS_DELIVER_TLS_H
#define RELAIS_DELIVER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay_tls;
struct tls;

struct tls_options {
	const struct relay_tls *settings;
	/* encrypts with anybody; the settings are not looked at */
	bool is_opportunistic;
	/* the configured name or address; SNI and certificate */
	const char *host;
	uint16_t port;
	/* no session is resumed: the certificate is looked at anew */
	bool is_fresh;
};

/* What is wrong, as far as somebody could do something about it. */
enum tls_fault {
	TLS_FAULT_NONE,
	TLS_FAULT_EXPIRED,
	TLS_FAULT_NOT_YET_VALID,
	TLS_FAULT_NAME,
	TLS_FAULT_SELF_SIGNED,
	TLS_FAULT_UNKNOWN_AUTHORITY,
	TLS_FAULT_FINGERPRINT,
	/* any other objection to the certificate */
	TLS_FAULT_CERTIFICATE,
	/* whoever listens there does not speak TLS */
	TLS_FAULT_NOT_TLS,
	TLS_FAULT_VERSION,
	/* the other side ended the handshake */
	TLS_FAULT_REFUSED,
	/* our own files cannot be used */
	TLS_FAULT_SETTINGS,
	TLS_FAULT_OTHER,
};

/*
 * The socket is borrowed until tls_free(). Always gives an object, so that
 * tls_text() can be asked, but where it returns -ENOMEM; -EINVAL: the
 * settings' files cannot be used.
 */
int tls_new(struct tls **ret_tls, const struct tls_options *options, int fd);

/* Says close_notify, as far as that goes without waiting. */
void tls_free(struct tls *tls);

int tls_handshake(struct tls *tls);

/* *ret_len 0: the far side has closed, properly. */
int tls_read(struct tls *tls, char *data, size_t size, size_t *ret_len);
int tls_write(struct tls *tls, const char *data, size_t len, size_t *ret_len);

/* Has OpenSSL more, read from the socket already? tls_read() again. */
bool tls_has_pending(const struct tls *tls);

/* After -EAGAIN of any of the three: which of the two to wait for. */
bool tls_wants_write(const struct tls *tls);

enum tls_fault tls_fault(const struct tls *tls);
/* What went wrong, for people. */
const char *tls_text(const struct tls *tls);

/* After the handshake: "TLSv1.3", "TLS_AES_256_GCM_SHA384". */
const char *tls_version(const struct tls *tls);
const char *tls_cipher(const struct tls *tls);
/*
 * The far side's certificate in words, also of one that was not accepted: for
 * which names, by whom, until when. "" where none has come.
 */
void tls_describe_certificate(const struct tls *tls, char *text, size_t size);
/* Days until the far side's certificate ends; negative once it has. */
int tls_certificate_days(const struct tls *tls);

#endif
