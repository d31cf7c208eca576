/*
 * extensions - the service extensions that an EHLO reply announces
 */
#ifndef RELAIS_SMTP_EXTENSIONS_H
#define RELAIS_SMTP_EXTENSIONS_H

#include <stdint.h>

#include "buffer.h"

enum smtp_extension {
	SMTP_EXT_PIPELINING = 1 << 0,
	SMTP_EXT_CHUNKING = 1 << 1,
	SMTP_EXT_8BITMIME = 1 << 2,
	SMTP_EXT_SMTPUTF8 = 1 << 3,
	SMTP_EXT_SIZE = 1 << 4,
	SMTP_EXT_DSN = 1 << 5,
	SMTP_EXT_ENHANCEDSTATUSCODES = 1 << 6,
	SMTP_EXT_LIMITS = 1 << 7,
	SMTP_EXT_FUTURERELEASE = 1 << 8,
	SMTP_EXT_DELIVERBY = 1 << 9,
	SMTP_EXT_MT_PRIORITY = 1 << 10,
	SMTP_EXT_XRELAIS = 1 << 11,
};

/* What every submission listener offers. */
#define SMTP_EXT_BASIC                                                         \
	(SMTP_EXT_PIPELINING | SMTP_EXT_CHUNKING | SMTP_EXT_8BITMIME |         \
	 SMTP_EXT_SMTPUTF8 | SMTP_EXT_SIZE | SMTP_EXT_DSN |                    \
	 SMTP_EXT_ENHANCEDSTATUSCODES | SMTP_EXT_LIMITS)

/* The values that go with the keywords; 0: none is named. */
struct smtp_extension_limits {
	uint64_t size_bytes;
	unsigned rcpt_max;
	unsigned mail_max;
	/* FUTURERELEASE: how far ahead; the time is counted from now_wall_ms */
	uint64_t hold_max_s;
	int64_t now_wall_ms;
	/* DELIVERBY: the shortest time */
	uint64_t by_min_s;
};

/* Appends a whole 250 reply: "250-name\r\n250-PIPELINING\r\n…250 …\r\n". */
int smtp_extensions_announce(struct buffer *out, const char *name,
                             unsigned extensions,
                             const struct smtp_extension_limits *limits);

#endif
