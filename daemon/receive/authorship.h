/*
 * authorship - may this submitter send as this sender, in this name
 *
 * A rule with `senders` binds the envelope sender and every mailbox of From,
 * Sender and their Resent- forms; also an address that a display name shows,
 * encoded or not, since that is what readers take for the author.
 *
 * Thread: any; plain functions.
 */
#ifndef RELAIS_RECEIVE_AUTHORSHIP_H
#define RELAIS_RECEIVE_AUTHORSHIP_H

#include <stdbool.h>
#include <stddef.h>

#include "smtp/answer.h"

struct settings;
struct submitter_rule;

/* An envelope sender. The null sender carries no identity: reports get out. */
bool authorship_is_allowed(const struct submitter_rule *rule,
                           const struct settings *settings, const char *sender);

/* False: with an answer that names the field. The header block is borrowed. */
bool authorship_check_header(const struct submitter_rule *rule,
                             const struct settings *settings,
                             const char *header, size_t len,
                             struct smtp_answer *ret_answer);

#endif
