/*
 * accounts - what is known of the relays' OAuth tokens, for those who ask
 *
 * The engine tells its news by letter; the last of each relay is kept.
 *
 * Thread: the control loop.
 */
#ifndef RELAIS_CONTROL_ACCOUNTS_H
#define RELAIS_CONTROL_ACCOUNTS_H

struct accounts;
struct oauth_news;

struct accounts *accounts_new(void);
/* NULL is allowed. */
void accounts_free(struct accounts *accounts);

void accounts_add_take(struct accounts *accounts, struct oauth_news *news);

/* Borrowed until the loop turns; NULL: nothing was heard of it. accounts may
 * be NULL. */
const struct oauth_news *accounts_find(const struct accounts *accounts,
                                       const char *relay);

/* "ready", "login-needed", "failing", or NULL for NULL. */
const char *accounts_state(const struct oauth_news *news);

/* The command that mends it, yours to free; NULL: no one command does. */
char *accounts_remedy_dup(const struct oauth_news *news);

#endif
