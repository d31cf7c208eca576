#include "config.h"

#include "runtime/crypto.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "runtime/xalloc.h"

struct crypto_digest {
	EVP_MD_CTX *context;
	EVP_MD *method; /* fetched once: a fetch each time costs more */
};

/* OpenSSL fails here only without memory or without its own algorithms. */
static void must(int is_done)
{
	if (is_done != 1)
		abort();
}

void crypto_digest_begin(struct crypto_digest **digest)
{
	struct crypto_digest *d = *digest;

	if (d == NULL) {
		d = xcalloc(1, sizeof(*d));
		d->context = EVP_MD_CTX_new();
		d->method = EVP_MD_fetch(NULL, "SHA256", NULL);
		must(d->context != NULL && d->method != NULL);
		*digest = d;
	}
	must(EVP_DigestInit_ex(d->context, d->method, NULL));
}

void crypto_digest_add(struct crypto_digest *digest, const void *data,
    size_t len)
{
	must(EVP_DigestUpdate(digest->context, data, len));
}

void crypto_digest_end(struct crypto_digest *digest, unsigned char *ret_result,
    size_t len)
{
	unsigned char whole[EVP_MAX_MD_SIZE];

	assert(len <= 32);
	must(EVP_DigestFinal_ex(digest->context, whole, NULL));
	memcpy(ret_result, whole, len);
}

void crypto_digest_free(struct crypto_digest *digest)
{
	if (digest == NULL)
		return;
	EVP_MD_CTX_free(digest->context);
	EVP_MD_free(digest->method);
	free(digest);
}
