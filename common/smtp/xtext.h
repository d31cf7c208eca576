/*
 * xtext - the encoding of values in SMTP parameters (RFC 3461 4)
 */
#ifndef RELAIS_SMTP_XTEXT_H
#define RELAIS_SMTP_XTEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Room that the encoded form of len bytes takes, with its NUL */
#define XTEXT_ENCODED_SIZE(len) (3 * (size_t)(len) + 1)

bool xtext_is_valid(const char *text, size_t len);

/*
 * Decodes into out, of at least len + 1 bytes, and adds a NUL. -EINVAL if it
 * is no xtext or holds a NUL.
 */
int xtext_decode(const char *text, size_t len, char *out);

/* out has at least XTEXT_ENCODED_SIZE(len) bytes. */
void xtext_encode(const char *data, size_t len, char *out);

#endif
