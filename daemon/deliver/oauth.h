/*
 * oauth - access tokens of relays, fetched and renewed before they are needed
 *
 * One account for each relay with oauth. Its token is renewed when four fifths
 * of its life are over, by one request at a time however many ask. A refresh
 * token that comes with it replaces the old one on disk before the new access
 * token is given to anybody. A service that fails is asked less and less often,
 * 5 minutes apart at most; one that wants a person is not asked again until
 * somebody has logged in, or the settings have changed.
 *
 * Promise: a token goes only where the login was made for: a relay with another
 *          host, port, security, user or client has to log in anew. Tokens are
 *          never logged, and wiped when they go.
 * Thread:  one loop, the resolver's; letters come from any.
 */
#ifndef RELAIS_DELIVER_OAUTH_H
#define RELAIS_DELIVER_OAUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/mailbox.h"
#include "smtp/verdict.h"

struct loop;
struct oauth;
struct oauth_account;
struct relay_settings;
struct resolver;
struct settings;

/* What a token is good for, in one line: equal for relays that may share it.
 * Yours to free. */
char *oauth_purpose_dup(const struct relay_settings *relay);

/* By its grant: nobody can get a token before a person has logged in. */
bool oauth_needs_login(const struct relay_settings *relay);

/* Why there is no token. */
struct oauth_problem {
	enum verdict_fault fault; /* FAULT_NONE: there is no problem */
	char text[VERDICT_TEXT_SIZE];
};

/* Who needs a token; travels to the engine and back. */
struct oauth_ask {
	struct letter letter;
	struct mailbox *home;
	void (*on_done)(struct letter *letter);
	void *context;
	const struct settings *settings;    /* one reference */
	const struct relay_settings *relay; /* of these settings */
	uint64_t refused; /* the number of a token that the relay refused; 0 */
	bool is_urgent;   /* a person waits: ask the service in any case */
	/* out */
	char *token; /* NULL: `problem` says why */
	uint64_t number;
	int64_t fresh_until_ms; /* boot clock: ask again then */
	int64_t expires_wall_ms;
	struct oauth_problem problem;
};
struct oauth_ask *oauth_ask_new(const struct settings *settings,
                                const struct relay_settings *relay);
/* Wipes it. */
void oauth_ask_free(struct oauth_ask *ask);

/* How an account does; told at every change. */
struct oauth_news {
	struct letter letter;
	void *context;
	char *relay; /* its name */
	bool has_token;
	int64_t expires_wall_ms;
	struct oauth_problem problem;
};
void oauth_news_free(struct oauth_news *news);

int oauth_new(struct oauth **ret_oauth, struct loop *loop,
              struct resolver *resolver, const struct settings *settings);
/* With its loop stopped; asks without an answer get none. */
void oauth_free(struct oauth *oauth);

/* Once, before the loop runs: where news goes. */
void oauth_listen(struct oauth *oauth, struct mailbox *home,
                  void (*on_news)(struct letter *letter), void *context);

/* Any thread. */
void oauth_apply_settings_take(struct oauth *oauth,
                               const struct settings *settings_ref);
void oauth_ask_take(struct oauth *oauth, struct oauth_ask *ask);

#endif
