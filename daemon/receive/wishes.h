/*
 * wishes - what a submitter asks for beyond the envelope, and may have
 *
 * Priority (RFC 6710), a time before or after which nothing is relayed
 * (RFC 4865, RFC 2852), a key, tag, metadata, a relay, the wish to wait for
 * the outcome: as parameters of MAIL, or as X-Relais-… fields where the
 * submitter's rule lets them count. The rule decides (promise P7).
 */
#ifndef RELAIS_RECEIVE_WISHES_H
#define RELAIS_RECEIVE_WISHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/message.h"
#include "settings.h"
#include "smtp/answer.h"
#include "smtp/envelope.h"

struct wishes {
	struct smtp_mail_params said; /* texts as long as the transaction */
	enum priority priority;
	uint32_t relay;       /* id; 0: as the routes say */
	uint64_t release_ms;  /* wall; 0: at once */
	uint64_t deadline_ms; /* wall; 0: none */
	bool tells_delay;     /* the deadline is for a report, no end */
};

/*
 * Reads the parameters of MAIL. The answer is 250 (2.3.6 where the priority
 * was lowered) or a refusal; its text is valid until the next call.
 */
struct smtp_answer wishes_read(struct wishes *ret_wishes,
                               const struct settings *settings,
                               const struct submitter_rule *rule,
                               const struct smtp_mail_params *params);

/* BY and MT-PRIORITY of RCPT, as some clients say them: for the message. */
struct smtp_answer wishes_read_rcpt(struct wishes *wishes,
                                    const struct settings *settings,
                                    const struct submitter_rule *rule,
                                    const struct smtp_rcpt_params *params);

/*
 * The X-Relais-… fields of a header block; what MAIL said goes before them.
 * False with an answer where they can't be honoured.
 */
bool wishes_read_header(struct wishes *wishes, struct message *message,
                        const struct settings *settings,
                        const struct submitter_rule *rule, const char *header,
                        size_t len, struct smtp_answer *ret_answer);

/* Into the record, at the end of the message. */
void wishes_apply(const struct wishes *wishes, struct message *message);

#endif
