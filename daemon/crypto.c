/*
 * crypto - random octets, digests and signatures of our own
 */
#include "config.h"

#include "crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "runtime/xalloc.h"

#define RSA_BITS_MIN  2048
#define P256_OCTETS   32
#define SIGNATURE_MAX 1024 /* of an RSA key with 8192 bits */

static EVP_PKEY *read_key(const char *pem);
static const char *key_algorithm(EVP_PKEY *key, const char **ret_problem);
static int sign(EVP_PKEY *key, const void *data, size_t len,
                unsigned char signature[SIGNATURE_MAX], size_t *ret_len);
static int flatten(unsigned char signature[SIGNATURE_MAX], size_t *len);

static void *allocate(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(size);
}

static void *resize(void *old, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return xrealloc_wiping(old, size);
}

static void release(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	xfree_wiping(memory);
}

void crypto_prepare(void)
{
	(void)CRYPTO_set_mem_functions(allocate, resize, release);
}

void crypto_random(void *octets, size_t len)
{
	if (RAND_bytes(octets, (int)len) != 1)
		abort();
}

void crypto_sha256(const void *data, size_t len,
                   unsigned char digest[CRYPTO_SHA256_SIZE])
{
	if (EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

char *crypto_base64url(const void *data, size_t len)
{
	char *text = xmalloc((len + 2) / 3 * 4 + 1);
	char *c;

	(void)EVP_EncodeBlock((unsigned char *)text, data, (int)len);
	for (c = text; *c; c++)
		if (*c == '+')
			*c = '-';
		else if (*c == '/')
			*c = '_';
		else if (*c == '=')
			*c = '\0';
	return text;
}

/* A key with a pass phrase must not ask for it at our terminal. */
static int refuse_phrase(char *phrase, int size, int is_writing, void *context)
{
	(void)phrase;
	(void)size;
	(void)is_writing;
	(void)context;
	return -1;
}

static EVP_PKEY *read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key;

	if (!bio)
		abort();
	key = PEM_read_bio_PrivateKey(bio, NULL, refuse_phrase, NULL);
	BIO_free(bio);
	return key;
}

const char *crypto_key_algorithm(const char *pem, const char **ret_problem)
{
	EVP_PKEY *key = read_key(pem);
	const char *algorithm = NULL;

	if (key)
		algorithm = key_algorithm(key, ret_problem);
	else
		*ret_problem = "holds no private key in PEM (one without a "
			       "pass phrase)";
	EVP_PKEY_free(key);
	return algorithm;
}

static const char *key_algorithm(EVP_PKEY *key, const char **ret_problem)
{
	char group[32] = "";

	if (EVP_PKEY_is_a(key, "RSA")) {
		if (EVP_PKEY_get_bits(key) >= RSA_BITS_MIN)
			return "RS256";
		*ret_problem = "is an RSA key of less than 2048 bits";
		return NULL;
	}
	if (EVP_PKEY_is_a(key, "EC") &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	    strcmp(group, "prime256v1") == 0)
		return "ES256";
	*ret_problem = "is neither an RSA key nor one of the curve P-256";
	return NULL;
}

int crypto_sign(const char *pem, const void *data, size_t len,
                char **ret_signature)
{
	EVP_PKEY *key = read_key(pem);
	unsigned char signature[SIGNATURE_MAX];
	const char *problem;
	size_t used = sizeof(signature);
	int r = -EINVAL;

	if (key && key_algorithm(key, &problem))
		r = sign(key, data, len, signature, &used);
	if (r == 0 && EVP_PKEY_is_a(key, "EC"))
		r = flatten(signature, &used);
	if (r == 0)
		*ret_signature = crypto_base64url(signature, used);
	EVP_PKEY_free(key);
	return r;
}

static int sign(EVP_PKEY *key, const void *data, size_t len,
                unsigned char signature[SIGNATURE_MAX], size_t *ret_len)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int r = -EINVAL;

	if (!context)
		abort();
	if (EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(context, signature, ret_len, data, len) == 1)
		r = 0;
	EVP_MD_CTX_free(context);
	return r;
}

/* RFC 7518 3.4: the two numbers side by side, not in DER. */
static int flatten(unsigned char signature[SIGNATURE_MAX], size_t *len)
{
	const unsigned char *at = signature;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)*len);
	int r = -EINVAL;

	if (pair &&
	    BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, P256_OCTETS) ==
	        P256_OCTETS &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + P256_OCTETS,
	                 P256_OCTETS) == P256_OCTETS) {
		*len = 2 * (size_t)P256_OCTETS;
		r = 0;
	}
	ECDSA_SIG_free(pair);
	return r;
}
