/*
 * smtp/capabilities - what a server offers in its reply to EHLO
 *
 * Keywords are case-insensitive; unknown ones and malformed lines are ignored
 * (`250-8 BITMIME` has been seen). `AUTH=PLAIN` counts as `AUTH PLAIN`.
 * Nothing outlives the reply it came in: after STARTTLS start from scratch.
 *
 * Thread: any; plain values.
 */
#ifndef RELAIS_SMTP_CAPABILITIES_H
#define RELAIS_SMTP_CAPABILITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtp/extensions.h"

struct smtp_reply;

/* Beside enum smtp_extension: what servers offer and we never do. */
enum smtp_client_extension {
	SMTP_EXT_STARTTLS = 1 << 20,
	SMTP_EXT_AUTH = 1 << 21,
	SMTP_EXT_REQUIRETLS = 1 << 22,
};

enum smtp_mechanism {
	SMTP_MECHANISM_PLAIN = 1 << 0,
	SMTP_MECHANISM_LOGIN = 1 << 1,
	SMTP_MECHANISM_CRAM_MD5 = 1 << 2,
	SMTP_MECHANISM_SCRAM_SHA_1 = 1 << 3,
	SMTP_MECHANISM_SCRAM_SHA_256 = 1 << 4,
	SMTP_MECHANISM_XOAUTH2 = 1 << 5,
	SMTP_MECHANISM_OAUTHBEARER = 1 << 6,
};

/* Limits: 0 where none is stated. */
struct smtp_capabilities {
	/* enum smtp_extension and enum smtp_client_extension, or-ed */
	unsigned extensions;
	/* enum smtp_mechanism, or-ed; those we do not know are left out */
	unsigned mechanisms;
	uint64_t size_max_bytes;
	/* RFC 9422: recipients in a transaction, transactions in a session */
	uint32_t rcpt_max;
	uint32_t mail_max;
	/* RFC 2852: the shortest delivery time taken, seconds */
	uint32_t by_min_s;
};

void smtp_capabilities_parse(struct smtp_capabilities *ret_capabilities,
                             const struct smtp_reply *reply);

bool smtp_capabilities_have(const struct smtp_capabilities *capabilities,
                            unsigned extension);

/* "SCRAM-SHA-256" and so on; NULL for a value that is not one mechanism. */
const char *smtp_mechanism_name(unsigned mechanism);
/* 0 for a name we do not know; case is ignored. */
unsigned smtp_mechanism_parse(const char *name, size_t len);

#endif
