/*
 * oauth_login - how a person gives a relay its login, once
 *
 * By a device's code (RFC 8628): the person enters it at the service, we ask
 * again and again whether that has happened. Or by a browser (RFC 6749 4.1 with
 * RFC 7636 and RFC 8252): what it is sent to in the end, on the loopback of
 * whoever has it, comes back to us as an URL. Relays that need no person get a
 * token at once, which shows whether they could.
 *
 * Promise: the tokens never leave the engine; the login is on disk before
 *          LOGIN_DONE is told.
 * Thread:  the engine's; letters come from any.
 */
#ifndef RELAIS_DELIVER_OAUTH_LOGIN_H
#define RELAIS_DELIVER_OAUTH_LOGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/mailbox.h"

struct oauth;
struct relay_settings;
struct settings;

enum oauth_login_end {
	LOGIN_GOES_ON,
	LOGIN_DONE,
	LOGIN_FAILED,
};

/* What has happened; texts are malloc'ed or NULL. */
struct oauth_step {
	struct letter letter;
	void *context;
	uint64_t id;      /* of the login */
	const char *step; /* device, authorize, answer or token; a constant */
	enum oauth_login_end end;
	bool is_ok;
	char *detail;
	char *url;          /* for the person to open */
	char *complete_url; /* the same with the code in it */
	char *code;         /* to be entered there */
	uint32_t expires_in_s;
};
void oauth_step_free(struct oauth_step *step);

struct oauth_login_order {
	uint64_t id;                        /* the asker's, never used twice */
	const struct settings *settings;    /* borrowed */
	const struct relay_settings *relay; /* of these settings */
	/* authorization_code: where a browser can reach who waits for it */
	uint16_t redirect_port;
	struct mailbox *home;
	void (*on_step)(struct letter *letter);
	void *context;
};

/* Any thread. Another login of the same relay ends. */
void oauth_login_begin(struct oauth *oauth,
                       const struct oauth_login_order *order);
/* The URL that the browser was sent to. */
void oauth_login_hand_over(struct oauth *oauth, uint64_t id, const char *url);
/* Nothing more is told of it, but for what is under way. */
void oauth_login_cancel(struct oauth *oauth, uint64_t id);

#endif
