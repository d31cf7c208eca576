/*
 * notice - a message of relais's own, ready for the queue
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_NOTICE_H
#define RELAIS_DELIVER_NOTICE_H

#include <stdint.h>

#include "buffer.h"

struct settings;
struct submission;

/* All of it is borrowed for the call. */
struct notice {
	const struct settings *settings;
	const char *to; /* an address */
	const char *subject;
	/* The fields Content-Type and Content-Transfer-Encoding, with CRLFs */
	const char *mime;
	const char *in_reply_to; /* with angle brackets; or NULL */
	uint32_t uid, gid; /* who may see it, and whose share it counts to */
	uint32_t flags;    /* MESSAGE_8BIT, MESSAGE_SMTPUTF8 */
	int64_t now_ms;    /* wall */
};

/*
 * From the mail system, to one address, by the null sender or bounces.from,
 * marked so that nobody answers it or reports about it (RFC 3834), and routed.
 */
struct submission *notice_make(const struct notice *notice,
                               const struct buffer *body);

/* One in plain text, in whatever encoding it needs. */
struct submission *notice_make_text(const struct notice *notice,
                                    const struct buffer *text);

#endif
