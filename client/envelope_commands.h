/*
 * envelope_commands - a struct relais_envelope as MAIL and RCPT commands
 *
 * Promise: what passes envelope_check() can't break out of its command,
 *          whatever bytes the caller was given.
 */
#ifndef RELAIS_ENVELOPE_COMMANDS_H
#define RELAIS_ENVELOPE_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "relais.h"
#include "smtp/capabilities.h"

/* The words behind "XRELAIS 1" */
enum private_word {
	PRIVATE_KEY = 1 << 0,
	PRIVATE_TAG = 1 << 1,
	PRIVATE_META = 1 << 2,
	PRIVATE_RELAY = 1 << 3,
	PRIVATE_WAIT = 1 << 4,
};

/* What relaisd announces. */
struct offers {
	struct smtp_capabilities smtp;
	/* enum private_word, or-ed */
	unsigned private_words;
};

void offers_read(struct offers *offers, const struct smtp_reply *reply);

/* RELAIS_OK; else RELAIS_INVALID and why. */
enum relais_result envelope_check(const struct relais_envelope *envelope,
                                  struct relais_answer *answer);

/* RELAIS_OK; else RELAIS_UNSUPPORTED or RELAIS_REJECTED, and why. size_bytes
   0: not known. */
enum relais_result envelope_check_offers(const struct relais_envelope *envelope,
                                         const struct offers *offers,
                                         uint64_t size_bytes,
                                         struct relais_answer *answer);

/*
 * Appends all commands. The key is left out where none are taken. 0 or
 * -ENOMEM.
 */
int envelope_append(struct buffer *out, const struct relais_envelope *envelope,
                    const struct offers *offers, uint64_t size_bytes,
                    const char *key);

/* "XKEY <key>" */
int envelope_append_question(struct buffer *out, const char *key);

#endif
