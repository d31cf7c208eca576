/*
 * webhook_signature - who has sent this, and when
 *
 * HMAC-SHA-256 over "ID.TIME.BODY", as in the Standard Webhooks specification,
 * so that what verifies those verifies ours. The only includer of OpenSSL among
 * the clients.
 */
#ifndef RELAIS_WEBHOOK_SIGNATURE_H
#define RELAIS_WEBHOOK_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

struct webhook_keys;

#define WEBHOOK_KEYS_MAX       4
#define WEBHOOK_SIGNATURE_SIZE (WEBHOOK_KEYS_MAX * 48 + 1)

/*
 * The lines of the file, each a secret: as it stands, or `whsec_` and what it
 * is in base64. Several are for the time of a change. 0; -errno of reading it;
 * -ENODATA: it has none; -ERANGE: one is shorter than 16 octets; -EINVAL: not
 * base64; -E2BIG: too many.
 */
int webhook_keys_read(struct webhook_keys **ret_keys, const char *path);
/* Wiped. */
void webhook_keys_free(struct webhook_keys *keys);

/* "v1,BASE64", for each key, with spaces between. 0; -ENOMEM, -EIO. */
int webhook_sign(const struct webhook_keys *keys, const char *id,
                 int64_t time_s, const char *body, size_t body_len,
                 char ret_signature[WEBHOOK_SIGNATURE_SIZE]);

#endif
