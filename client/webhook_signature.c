#include "config.h"

#include "webhook_signature.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "buffer.h"

#define KEY_MIN  16
#define KEY_MAX  1024
#define PREFIX   "whsec_"
#define MAC_SIZE 32

struct webhook_keys {
	size_t count;
	struct {
		unsigned char bytes[KEY_MAX];
		size_t len;
	} keys[WEBHOOK_KEYS_MAX];
};

static int add_key(struct webhook_keys *keys, const char *text, size_t len);
static int decode(unsigned char *into, size_t *ret_len, const char *text,
                  size_t len);

int webhook_keys_read(struct webhook_keys **ret_keys, const char *path)
{
	struct webhook_keys *keys = calloc(1, sizeof(*keys));
	FILE *file = fopen(path, "re");
	int r = file ? 0 : -errno;
	char line[2 * KEY_MAX];

	if (!keys)
		r = -ENOMEM;
	while (r == 0 && fgets(line, sizeof(line), file)) {
		size_t len = strcspn(line, "\r\n");

		if (len > 0)
			r = add_key(keys, line, len);
	}
	if (r == 0 && ferror(file))
		r = -EIO;
	if (r == 0 && keys->count == 0)
		r = -ENODATA;
	explicit_bzero(line, sizeof(line));
	if (file)
		(void)fclose(file);
	if (r < 0)
		webhook_keys_free(keys);
	else
		*ret_keys = keys;
	return r;
}

void webhook_keys_free(struct webhook_keys *keys)
{
	if (keys)
		explicit_bzero(keys, sizeof(*keys));
	free(keys);
}

static int add_key(struct webhook_keys *keys, const char *text, size_t len)
{
	size_t prefix_len = strlen(PREFIX);
	int r = 0;

	if (keys->count == WEBHOOK_KEYS_MAX)
		return -E2BIG;
	if (len > prefix_len && strncmp(text, PREFIX, prefix_len) == 0) {
		r = decode(keys->keys[keys->count].bytes,
		           &keys->keys[keys->count].len, text + prefix_len,
		           len - prefix_len);
	} else if (len > KEY_MAX) {
		r = -E2BIG;
	} else {
		memcpy(keys->keys[keys->count].bytes, text, len);
		keys->keys[keys->count].len = len;
	}
	if (r == 0 && keys->keys[keys->count].len < KEY_MIN)
		r = -ERANGE;
	if (r == 0)
		keys->count++;
	return r;
}

static int decode(unsigned char *into, size_t *ret_len, const char *text,
                  size_t len)
{
	int n;

	if (len % 4 != 0 || len / 4 * 3 > KEY_MAX)
		return -EINVAL;
	n = EVP_DecodeBlock(into, (const unsigned char *)text, (int)len);
	if (n < 0)
		return -EINVAL;
	/* It counts what the padding stands for. */
	*ret_len = (size_t)n - (text[len - 1] == '=') - (text[len - 2] == '=');
	return 0;
}

int webhook_sign(const struct webhook_keys *keys, const char *id,
                 int64_t time_s, const char *body, size_t body_len,
                 char ret_signature[WEBHOOK_SIGNATURE_SIZE])
{
	unsigned char mac[MAC_SIZE], text[MAC_SIZE * 2];
	struct buffer signed_text;
	size_t used = 0;
	int r;

	buffer_init(&signed_text, 0);
	r = buffer_appendf(&signed_text, "%s.%" PRId64 ".", id, time_s);
	if (r == 0)
		r = buffer_append(&signed_text, body, body_len);
	for (size_t i = 0; r == 0 && i < keys->count; i++) {
		if (!HMAC(EVP_sha256(), keys->keys[i].bytes,
		          (int)keys->keys[i].len,
		          (const unsigned char *)signed_text.data,
		          signed_text.len, mac, NULL)) {
			r = -EIO;
			break;
		}
		(void)EVP_EncodeBlock(text, mac, sizeof(mac));
		used += (size_t)snprintf(
		    ret_signature + used, WEBHOOK_SIGNATURE_SIZE - used,
		    "%sv1,%s", i > 0 ? " " : "", (const char *)text);
	}
	buffer_done(&signed_text);
	return r;
}
