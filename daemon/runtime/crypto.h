/*
 * crypto - digests, by OpenSSL
 *
 * Thread: any; a digest serves one thread at a time.
 */
#ifndef RELAIS_RUNTIME_CRYPTO_H
#define RELAIS_RUNTIME_CRYPTO_H

#include <stddef.h>

struct crypto_digest;

/* SHA-256; makes *digest where it is NULL. Aborts without memory. */
void crypto_digest_begin(struct crypto_digest **digest);
void crypto_digest_add(struct crypto_digest *digest, const void *data,
    size_t len);
/* The first len (at most 32) octets of the result. */
void crypto_digest_end(struct crypto_digest *digest, unsigned char *ret_result,
    size_t len);
void crypto_digest_free(struct crypto_digest *digest);

#endif
