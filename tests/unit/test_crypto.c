/*
 * test_crypto - signatures that others can check, and keys that are none
 */
#include "config.h"

#include "crypto.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "test_keys.h"

static const char signed_text[] = "header.claims";

/* Made with openssl dgst -sha256 -sign. */
static const char rsa_signature[] =
    "prSglL2-EYndluIFS06RpPei4erf2h63fMMoikHQf04zLKCkEg4WkFDVSdQeI_fM"
    "vbneYI_2NT4u6G9gN2bu40dhMIV5jeyt0PU4fHCpZmttsz5tsP4lvK1cHR4JWh_U"
    "O6TlqyaNwzSUmQjcRt8eLdyZckSohZqzCxvffX9sv3wiHT3uWgO0oUKOyMrnTy3b"
    "6WTUvnf4ZzAJBPypjmYNA8oE50LhUM_DK2ry-dY8X4LRDQzXhz-ibqC6TSeQ4Huo"
    "4wmsTXz3Png__FupAuGim34wa-I2xCSbllXWmUJVmJyjN23S6-JQRv7uShQnsGcs"
    "9Bv_Z-TfE1N4vZziame1og";

static void signs_with_rsa_as_everybody_does(void **state)
{
	const char *problem;
	char *signature;

	(void)state;
	assert_string_equal(crypto_key_algorithm(test_key_rsa, &problem),
	                    "RS256");
	assert_int_equal(crypto_sign(test_key_rsa, signed_text,
	                             strlen(signed_text), &signature),
	                 0);
	assert_string_equal(signature, rsa_signature);
	free(signature);
}

/* Two numbers of 32 octets, as in RFC 7518 3.4, back into OpenSSL's DER. */
static bool is_signature(const char *base64url)
{
	unsigned char octets[72], *der = NULL;
	char base64[96];
	BIO *bio = BIO_new_mem_buf(test_key_p256, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	ECDSA_SIG *pair = ECDSA_SIG_new();
	bool is_good;
	int len;

	snprintf(base64, sizeof(base64), "%s==", base64url);
	for (char *c = base64; *c; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	assert_int_equal(EVP_DecodeBlock(octets, (unsigned char *)base64,
	                                 (int)strlen(base64)),
	                 66);
	ECDSA_SIG_set0(pair, BN_bin2bn(octets, 32, NULL),
	               BN_bin2bn(octets + 32, 32, NULL));
	len = i2d_ECDSA_SIG(pair, &der);
	is_good =
	    EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestVerify(context, der, (size_t)len,
	                     (const unsigned char *)signed_text,
	                     strlen(signed_text)) == 1;
	OPENSSL_free(der);
	ECDSA_SIG_free(pair);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return is_good;
}

static void signs_with_p256_in_two_plain_numbers(void **state)
{
	const char *problem;
	char *signature;

	(void)state;
	assert_string_equal(crypto_key_algorithm(test_key_p256, &problem),
	                    "ES256");
	for (int i = 0; i < 50; i++) { /* short numbers are padded */
		assert_int_equal(crypto_sign(test_key_p256, signed_text,
		                             strlen(signed_text), &signature),
		                 0);
		assert_int_equal(strlen(signature), 86);
		assert_true(is_signature(signature));
		free(signature);
	}
}

static void refuses_what_is_no_key(void **state)
{
	const char *problem = NULL;
	char *signature;

	(void)state;
	assert_null(crypto_key_algorithm("secret", &problem));
	assert_non_null(strstr(problem, "no private key"));
	assert_int_equal(crypto_sign("", "x", 1, &signature), -EINVAL);
}

/* RFC 7636 B: the verifier and its challenge. */
static void makes_the_challenge_of_the_standard(void **state)
{
	static const char verifier[] =
	    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
	unsigned char digest[CRYPTO_SHA256_SIZE];
	char *text;

	(void)state;
	crypto_sha256(verifier, strlen(verifier), digest);
	text = crypto_base64url(digest, sizeof(digest));
	assert_string_equal(text,
	                    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
	free(text);
}

static void writes_base64url_without_padding(void **state)
{
	static const char *const pairs[][2] = { { "", "" },
		                                { "f", "Zg" },
		                                { "fo", "Zm8" },
		                                { "foo", "Zm9v" },
		                                { "\xfb\xff", "-_8" } };

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char *text = crypto_base64url(pairs[i][0], strlen(pairs[i][0]));

		assert_string_equal(text, pairs[i][1]);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_with_rsa_as_everybody_does),
		cmocka_unit_test(signs_with_p256_in_two_plain_numbers),
		cmocka_unit_test(refuses_what_is_no_key),
		cmocka_unit_test(makes_the_challenge_of_the_standard),
		cmocka_unit_test(writes_base64url_without_padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
