/*
 * envelope_record - the envelope of a transaction becomes a message's record
 *
 * Bare names get the configured domain, aliases are expanded, and what the
 * client asked for is kept in the record's own memory.
 */
#ifndef RELAIS_RECEIVE_ENVELOPE_RECORD_H
#define RELAIS_RECEIVE_ENVELOPE_RECORD_H

#include <stdbool.h>

#include "queue/message.h"
#include "smtp/answer.h"
#include "smtp/envelope.h"

struct settings;

/*
 * The client's n-th recipient became recipients [ends[n - 1], ends[n]) of the
 * message; ends is malloc'ed, the caller's, of envelope->recipient_count.
 *
 * Fills sender, recipients, parameters and the time of submission. False with
 * an answer where it can't be: an alias with too many targets, no memory.
 */
bool envelope_record(struct message *message, const struct settings *settings,
                     const struct smtp_envelope *envelope, unsigned **ret_ends,
                     struct smtp_answer *ret_answer);

#endif
