/*
 * parameters - the ESMTP parameters of MAIL and RCPT
 *
 * One table for both commands: keyword, the extension that brings it, and how
 * its value is read. Texts are copied into the arena.
 */
#ifndef RELAIS_SMTP_PARAMETERS_H
#define RELAIS_SMTP_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "smtp/answer.h"
#include "smtp/envelope.h"

/*
 * Reads " KEYWORD=value KEYWORD ..." (may be empty). extensions: those offered,
 * enum smtp_extension. Returns false and says why in ret_answer.
 */
bool smtp_parameters_parse_mail(const char *text, size_t len,
                                unsigned extensions, struct arena *arena,
                                struct smtp_mail_params *ret_params,
                                struct smtp_answer *ret_answer);
bool smtp_parameters_parse_rcpt(const char *text, size_t len,
                                unsigned extensions, struct arena *arena,
                                struct smtp_rcpt_params *ret_params,
                                struct smtp_answer *ret_answer);

/* Decodes the xtext of a private value: 1 to max bytes, no controls. */
bool smtp_parameters_decode(const char *text, size_t len, size_t max,
                            struct arena *arena, const char **ret_value);

#endif
