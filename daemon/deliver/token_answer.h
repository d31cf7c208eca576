/*
 * token_answer - what a token service says, taken apart
 *
 * RFC 6749 5.1 and 5.2, RFC 8628 3.2. Members that are not known are passed
 * over, of whatever kind. The only includer of <jansson.h> below control/.
 *
 * Promise: a token that is given out fits into a login as it is: visible ASCII
 *          characters, no space (RFC 6750 2.1).
 * Thread:  any; keeps no state.
 */
#ifndef RELAIS_DELIVER_TOKEN_ANSWER_H
#define RELAIS_DELIVER_TOKEN_ANSWER_H

#include <stddef.h>
#include <stdint.h>

/* Texts are NULL where they were not said; the rest 0. */
struct token_answer {
	char *access_token;
	char *refresh_token;
	char *token_type;
	uint32_t expires_in_s; /* of the token, or of the device's code */
	char *error;
	char *error_description;
	/* a device's */
	char *device_code;
	char *user_code;
	char *verification_uri;
	char *verification_uri_complete;
	uint32_t interval_s;
};

/* 0, or -EINVAL: no JSON object. Done with it in both cases. */
int token_answer_read(struct token_answer *ret_answer, const char *text,
                      size_t len);
/* Wipes it. */
void token_answer_done(struct token_answer *answer);

#endif
