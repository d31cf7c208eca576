/*
 * accounts - what is known of the relays' OAuth tokens, for those who ask
 */
#include "config.h"

#include "control/accounts.h"

#include <stdlib.h>
#include <string.h>

#include "deliver/oauth.h"
#include "runtime/xalloc.h"

/* A list by the letters that they came in. */
struct accounts {
	struct letter *first;
};

static struct letter **find(struct letter **link, const char *relay);

struct accounts *accounts_new(void)
{
	return xcalloc(1, sizeof(struct accounts));
}

void accounts_free(struct accounts *accounts)
{
	struct letter *letter;

	if (!accounts)
		return;
	while ((letter = accounts->first)) {
		accounts->first = letter->next;
		oauth_news_free(LETTER_OF(letter, struct oauth_news, letter));
	}
	free(accounts);
}

void accounts_add_take(struct accounts *accounts, struct oauth_news *news)
{
	struct letter **link = find(&accounts->first, news->relay);
	struct letter *old = *link;

	news->letter.next = old ? old->next : NULL;
	*link = &news->letter;
	if (old)
		oauth_news_free(LETTER_OF(old, struct oauth_news, letter));
}

static struct letter **find(struct letter **link, const char *relay)
{
	while (*link &&
	       strcmp(LETTER_OF(*link, struct oauth_news, letter)->relay,
	              relay) != 0)
		link = &(*link)->next;
	return link;
}

const struct oauth_news *accounts_find(const struct accounts *accounts,
                                       const char *relay)
{
	struct letter *first = accounts ? accounts->first : NULL, **link;

	link = find(&first, relay);
	return *link ? LETTER_OF(*link, struct oauth_news, letter) : NULL;
}

const char *accounts_state(const struct oauth_news *news)
{
	if (!news)
		return NULL;
	if (news->problem.fault == FAULT_NONE)
		return "ready";
	return news->problem.fault == FAULT_AUTH ? "login-needed" : "failing";
}

char *accounts_remedy_dup(const struct oauth_news *news)
{
	if (!news || news->problem.fault != FAULT_AUTH)
		return NULL;
	return xasprintf("relaisctl relay login %s", news->relay);
}
