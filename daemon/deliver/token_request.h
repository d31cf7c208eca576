/*
 * token_request - what a token service is asked, in the words of each grant
 *
 * Forms are application/x-www-form-urlencoded; they hold secrets, so that who
 * has one wipes it.
 *
 * Thread: any; keeps no state. Aborts without memory.
 */
#ifndef RELAIS_DELIVER_TOKEN_REQUEST_H
#define RELAIS_DELIVER_TOKEN_REQUEST_H

#include <stdbool.h>

struct relay_oauth;

/* What proves to the service that who asks for the tokens is who sent the
 * person there: RFC 7636 and RFC 6749 10.12. Texts of base64url. */
struct token_proof {
	char verifier[44];
	char challenge[44];
	char state[24];
};
void token_proof_make(struct token_proof *proof);

/* A new access token for a refresh token (RFC 6749 6). */
char *token_request_refresh(const struct relay_oauth *oauth,
                            const char *refresh_token);

/*
 * One for client_credentials (RFC 6749 4.4) or jwt_bearer (RFC 7523 2.1);
 * now_s: wall clock. NULL: the key cannot sign.
 */
char *token_request_own(const struct relay_oauth *oauth, long long now_s);

/* RFC 8628 3.1 and 3.4. */
char *token_request_device(const struct relay_oauth *oauth);
char *token_request_poll(const struct relay_oauth *oauth,
                         const char *device_code);

/* RFC 6749 4.1.3 with RFC 7636 4.5. */
char *token_request_code(const struct relay_oauth *oauth, const char *code,
                         const char *redirect_uri,
                         const struct token_proof *proof);

/* Where a person logs in (RFC 6749 4.1.1, RFC 7636 4.3). username: a hint to
 * the service, or NULL. */
char *token_request_authorization(const struct relay_oauth *oauth,
                                  const char *redirect_uri,
                                  const char *username,
                                  const struct token_proof *proof);

/* The decoded value of a parameter in an URL's query; NULL: it has none. */
char *token_request_parameter(const char *url, const char *name);

#endif
