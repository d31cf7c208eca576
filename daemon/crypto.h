/*
 * crypto - random octets, digests and signatures of our own
 *
 * With tls the only includer of <openssl/…>.
 *
 * Promise: what it made of a secret is wiped.
 * Thread:  any; keeps no state.
 */
#ifndef RELAIS_CRYPTO_H
#define RELAIS_CRYPTO_H

#include <stddef.h>

#define CRYPTO_SHA256_SIZE 32

/*
 * What OpenSSL frees is wiped, for what goes through TLS is in it. To be called
 * before it has allocated anything; does nothing after that.
 */
void crypto_prepare(void);

/* Aborts where the system has no randomness. */
void crypto_random(void *octets, size_t len);

void crypto_sha256(const void *data, size_t len,
                   unsigned char digest[CRYPTO_SHA256_SIZE]);

/* RFC 4648 5, without padding; yours to free. */
char *crypto_base64url(const void *data, size_t len);

/*
 * The algorithm of RFC 7518 that a private key in PEM is for: "RS256" or
 * "ES256"; NULL with the reason in *ret_problem, a constant.
 */
const char *crypto_key_algorithm(const char *pem, const char **ret_problem);

/**
 * Signs with a private key as RFC 7518 3.3 and 3.4 want it.
 *
 * @param[out] ret_signature  base64url, yours to free
 * @return 0; -EINVAL for a key that is not one of ours
 */
int crypto_sign(const char *pem, const void *data, size_t len,
                char **ret_signature);

#endif
