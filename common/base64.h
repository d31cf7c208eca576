/*
 * base64 - octets out of base64 (RFC 4648 4)
 */
#ifndef RELAIS_BASE64_H
#define RELAIS_BASE64_H

#include <stddef.h>

/* Room that len characters can stand for. */
#define BASE64_DECODED_MAX(len) ((size_t)(len) / 4 * 3 + 3)

/*
 * White space between characters is skipped, and the padding may be missing.
 * 0, or -EINVAL: it is no base64.
 */
int base64_decode(const char *text, size_t len, char *out, size_t *ret_len);

#endif
