/*
 * fixup - what is taken out of a submitted header, and what is found missing
 *
 * RFC 6409 section 8: Bcc, Resent-Bcc and Return-Path go, so do the private
 * X-Relais-… fields. What is missing (Date, Message-ID, From) is only noted
 * in the record: it is composed at delivery, the same at every attempt.
 */
#ifndef RELAIS_RECEIVE_FIXUP_H
#define RELAIS_RECEIVE_FIXUP_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/message.h"
#include "smtp/answer.h"

struct settings;

/*
 * Fills message->flags (MESSAGE_ADD_…, 8-bit) and message->message_id, and
 * gives the block that is kept: malloc'ed, the caller's. sender: of the
 * envelope, for the domain of a Message-ID. Returns false with an answer where
 * the header is not one that may be sent (two From fields).
 */
bool fixup_header(struct message *message, const struct settings *settings,
                  const char *sender, const char *header, size_t len,
                  char **ret_kept, size_t *ret_kept_len,
                  struct smtp_answer *ret_answer);

#endif
