/*
 * oauth_private - what the files of oauth share; for no one else
 *
 * oauth.c          accounts, who asks, and when a token is renewed
 * oauth_answer.c   what a service's answer means for an account
 * oauth_letters.c  what travels to the accounts and from them
 * oauth_login.c    a person's login
 */
#ifndef RELAIS_DELIVER_OAUTH_PRIVATE_H
#define RELAIS_DELIVER_OAUTH_PRIVATE_H

#include <sys/queue.h>

#include "deliver/oauth.h"
#include "runtime/log.h"

struct event;
struct event_base;
struct https;
struct https_call;
struct oauth_login;
struct token_answer;

struct oauth_account {
	LIST_ENTRY(oauth_account) link;
	struct oauth *oauth;
	const struct settings *settings;
	const struct relay_settings *relay; /* of these settings */
	char *purpose;
	bool is_draft; /* of a relay that isn't saved: nothing is kept */
	bool is_gone;  /* the settings have it no more */

	char *refresh_token; /* NULL: none is needed, or nobody logged in */
	bool is_refused;     /* the service will not have it again */
	bool is_unsaved;     /* it is newer than what is on disk */
	char *token;         /* NULL: none */
	uint64_t number;     /* of the token; never used twice */
	bool is_short_lived; /* not renewed before somebody needs one */
	int64_t fresh_until_ms, usable_until_ms; /* boot clock */
	int64_t expires_wall_ms;

	struct https_call *call; /* under way; or NULL */
	struct event *timer;     /* when to renew it, or to try again */
	unsigned failures;       /* in a row */
	int64_t retry_ms;        /* not before; boot clock */
	struct oauth_problem problem;
	struct letter *waiters; /* asks, by their letters */
};

LIST_HEAD(oauth_accounts, oauth_account);
LIST_HEAD(oauth_logins, oauth_login);

struct oauth {
	struct event_base *base;
	struct mailbox *inbox;
	struct https *https;
	const struct settings *settings;
	struct oauth_accounts accounts;
	struct oauth_logins logins;
	uint64_t last_number;
	struct mailbox *news_home;
	void (*on_news)(struct letter *letter);
	void *news_context;
};

/* oauth.c */

/* The account of a saved relay; made if there is none. */
struct oauth_account *oauth_find_account(struct oauth *oauth,
                                         const struct settings *settings,
                                         const struct relay_settings *relay);
/* A fetch or login has ended: arms the timer, answers who waits, tells. */
void oauth_account_settle(struct oauth_account *account);

/* oauth_answer.c */

/* Sets the problem by what the call met with. */
void oauth_account_refuse(struct oauth_account *account,
                          const struct https_call *call,
                          const struct token_answer *answer);
/*
 * A token that has come, and perhaps a refresh token, which goes to disk
 * first: without that there is a problem and no token.
 */
void oauth_account_accept(struct oauth_account *account,
                          const struct token_answer *answer);
/* Once more what could not be stored. 0 or -errno, with the problem set. */
int oauth_account_save(struct oauth_account *account);
void oauth_account_forget_token(struct oauth_account *account);
/* "no access token: …; run: relaisctl relay login NAME" */
void oauth_problem_set(struct oauth_problem *problem, enum verdict_fault fault,
                       const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* How an answer reads for people: "invalid_grant (…)" or "HTTP 503". */
void oauth_problem_words(const struct https_call *call,
                         const struct token_answer *answer, char *text,
                         size_t size);
void oauth_wipe(char **secret);
void oauth_log(enum log_level level, const char *event,
               const struct relay_settings *relay, const char *reason);

/* oauth_login.c */

void oauth_login_free_all(struct oauth *oauth);

#endif
