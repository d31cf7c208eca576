/*
 * oauth - access tokens of relays, fetched and renewed before they are needed
 */
#include "config.h"

#include "deliver/oauth.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "clock.h"
#include "deliver/https.h"
#include "deliver/oauth_private.h"
#include "deliver/token_answer.h"
#include "deliver/token_request.h"
#include "deliver/token_store.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define RETRY_FIRST_MS 5000
#define RETRY_MOST_MS  300000

struct new_settings {
	struct letter letter;
	struct oauth *oauth;
	const struct settings *settings;
};

/* The engine that an ask is on its way to. */
struct errand {
	struct letter letter;
	struct oauth *oauth;
	struct oauth_ask *ask;
};

static void apply_settings(struct oauth *oauth);
static void account_free(struct oauth_account *account);
static void fetch(struct oauth_account *account);
static void on_answer(struct https_call *call);
static void on_timer(evutil_socket_t fd, short what, void *context);
static void answer(struct oauth_account *account, struct oauth_ask *ask);
static void tell(struct oauth_account *account);

/* ------------------------------------------------------------ life cycle */

int oauth_new(struct oauth **ret_oauth, struct loop *loop,
              struct resolver *resolver, const struct settings *settings)
{
	struct oauth *oauth = xcalloc(1, sizeof(*oauth));
	int r;

	oauth->base = loop_base(loop);
	oauth->settings = settings_ref(settings);
	LIST_INIT(&oauth->accounts);
	LIST_INIT(&oauth->logins);
	r = mailbox_new(&oauth->inbox, loop);
	if (r < 0)
		goto out;
	r = https_new(&oauth->https, loop, resolver);
	if (r < 0)
		goto out;
	/* Once the loop runs: news is listened to by then. */
	oauth_apply_settings_take(oauth, settings_ref(settings));

	*ret_oauth = oauth;
	oauth = NULL;
out:
	oauth_free(oauth);
	return r;
}

void oauth_free(struct oauth *oauth)
{
	struct oauth_account *account;

	if (!oauth)
		return;
	oauth_login_free_all(oauth);
	while ((account = LIST_FIRST(&oauth->accounts)))
		account_free(account);
	https_free(oauth->https);
	if (oauth->inbox)
		mailbox_free(oauth->inbox);
	settings_unref(oauth->settings);
	free(oauth);
}

void oauth_listen(struct oauth *oauth, struct mailbox *home,
                  void (*on_news)(struct letter *letter), void *context)
{
	oauth->news_home = home;
	oauth->on_news = on_news;
	oauth->news_context = context;
}

/* ---------------------------------------------------------------- accounts */

static void read_login(struct oauth_account *account)
{
	int r = token_store_read(account->settings->queue.directory,
	                         account->relay->name, account->purpose,
	                         &account->refresh_token);

	if (r < 0 && r != -ENOENT)
		oauth_log(LOG_LEVEL_WARNING, "login_unusable", account->relay,
		          r == -ESTALE ? "it was made for other settings"
		                       : strerror(-r));
}

static struct oauth_account *account_new(struct oauth *oauth,
                                         const struct settings *settings,
                                         const struct relay_settings *relay)
{
	struct oauth_account *account = xcalloc(1, sizeof(*account));

	account->oauth = oauth;
	account->settings = settings_ref(settings);
	account->relay = relay;
	account->purpose = oauth_purpose_dup(relay);
	/* Settings of a relay that isn't saved have no queue. */
	account->is_draft = settings->queue.directory == NULL;
	account->is_gone = !relay->enabled;
	account->timer = evtimer_new(oauth->base, on_timer, account);
	if (!account->timer)
		abort();
	LIST_INSERT_HEAD(&oauth->accounts, account, link);
	if (!account->is_draft && oauth_needs_login(relay))
		read_login(account);
	return account;
}

static void account_free(struct oauth_account *account)
{
	struct letter *letter;

	LIST_REMOVE(account, link);
	while ((letter = account->waiters)) {
		account->waiters = letter->next;
		oauth_ask_free(LETTER_OF(letter, struct oauth_ask, letter));
	}
	https_call_free(account->call);
	event_free(account->timer);
	oauth_wipe(&account->refresh_token);
	oauth_wipe(&account->token);
	free(account->purpose);
	settings_unref(account->settings);
	free(account);
}

struct oauth_account *oauth_find_account(struct oauth *oauth,
                                         const struct settings *settings,
                                         const struct relay_settings *relay)
{
	struct oauth_account *account;
	char *purpose;

	if (settings->queue.directory == NULL)
		return account_new(oauth, settings, relay);
	purpose = oauth_purpose_dup(relay);
	LIST_FOREACH (account, &oauth->accounts, link)
		if (!account->is_draft &&
		    strcmp(account->relay->name, relay->name) == 0 &&
		    strcmp(account->purpose, purpose) == 0)
			break;
	free(purpose);
	return account ? account : account_new(oauth, settings, relay);
}

/* ---------------------------------------------------------------- settings */

static void on_settings(struct letter *letter)
{
	struct new_settings *news =
	    LETTER_OF(letter, struct new_settings, letter);
	struct oauth *oauth = news->oauth;
	const struct settings *old = oauth->settings;

	oauth->settings = news->settings;
	free(news);
	/* A login goes with its relay; one in a file may come back. */
	for (size_t i = 0; i < old->relay_count; i++) {
		const struct relay_settings *relay = &old->relays[i];

		if (relay->managed == RELAY_MANAGED_API &&
		    !settings_find_relay(oauth->settings, relay->id))
			(void)token_store_remove(old->queue.directory,
			                         relay->name);
	}
	settings_unref(old);
	apply_settings(oauth);
}

void oauth_apply_settings_take(struct oauth *oauth,
                               const struct settings *settings_ref)
{
	struct new_settings *news = xcalloc(1, sizeof(*news));

	news->letter.open = on_settings;
	news->oauth = oauth;
	news->settings = settings_ref;
	mailbox_post_take(oauth->inbox, &news->letter);
}

/* What was wrong may be right now: all that have no token try at once. */
static void refresh_account(struct oauth *oauth,
                            const struct relay_settings *relay)
{
	struct oauth_account *account =
	    oauth_find_account(oauth, oauth->settings, relay);

	settings_unref(account->settings);
	account->settings = settings_ref(oauth->settings);
	account->relay = relay;
	account->is_gone = false;
	account->failures = 0;
	account->retry_ms = 0;
	if (!account->token || account->problem.fault != FAULT_NONE)
		fetch(account);
}

static void apply_settings(struct oauth *oauth)
{
	const struct settings *settings = oauth->settings;
	struct oauth_account *account, *next;

	LIST_FOREACH (account, &oauth->accounts, link)
		account->is_gone = true;
	for (size_t i = 0; i < settings->relay_count; i++)
		if (settings->relays[i].oauth.is_set &&
		    settings->relays[i].enabled)
			refresh_account(oauth, &settings->relays[i]);
	for (account = LIST_FIRST(&oauth->accounts); account; account = next) {
		next = LIST_NEXT(account, link);
		if (account->is_gone && !account->call && !account->waiters)
			account_free(account);
	}
}

/* -------------------------------------------------------------------- asks */

static bool is_usable(const struct oauth_account *account, int64_t now_ms)
{
	return account->token && now_ms < account->usable_until_ms;
}

static void on_errand(struct letter *letter)
{
	struct errand *errand = LETTER_OF(letter, struct errand, letter);
	struct oauth_ask *ask = errand->ask;
	struct oauth_account *account =
	    oauth_find_account(errand->oauth, ask->settings, ask->relay);
	int64_t now_ms = clock_boottime_ms();
	bool must_wait = account->retry_ms > now_ms || account->is_refused;

	free(errand);
	if (ask->refused != 0 && ask->refused == account->number)
		oauth_account_forget_token(account);
	if (account->token && now_ms < account->fresh_until_ms) {
		answer(account, ask);
	} else if (!ask->is_urgent &&
	           (must_wait || is_usable(account, now_ms))) {
		/* Nobody waits for the new one while the old one is good. */
		answer(account, ask);
		if (!must_wait)
			fetch(account);
	} else {
		ask->letter.next = account->waiters;
		account->waiters = &ask->letter;
		fetch(account);
	}
}

void oauth_ask_take(struct oauth *oauth, struct oauth_ask *ask)
{
	struct errand *errand = xcalloc(1, sizeof(*errand));

	assert(ask->home && ask->on_done);
	errand->letter.open = on_errand;
	errand->oauth = oauth;
	errand->ask = ask;
	mailbox_post_take(oauth->inbox, &errand->letter);
}

/* What there is: a token that is still good helps, whatever is wrong. */
static void answer(struct oauth_account *account, struct oauth_ask *ask)
{
	int64_t now_ms = clock_boottime_ms();

	if (is_usable(account, now_ms)) {
		ask->token = xstrdup(account->token);
		ask->number = account->number;
		ask->fresh_until_ms = now_ms < account->fresh_until_ms
		                          ? account->fresh_until_ms
		                          : account->usable_until_ms;
		ask->expires_wall_ms = account->expires_wall_ms;
	} else {
		ask->problem = account->problem;
	}
	ask->letter.open = ask->on_done;
	mailbox_post_take(ask->home, &ask->letter);
}

/* ------------------------------------------------------------------- fetch */

/* NULL, with the problem set: there is nothing to ask with. */
static char *make_form(struct oauth_account *account)
{
	const struct relay_settings *relay = account->relay;
	char *form;

	if (oauth_needs_login(relay)) {
		if (account->refresh_token)
			return token_request_refresh(&relay->oauth,
			                             account->refresh_token);
		oauth_problem_set(
		    &account->problem, FAULT_AUTH,
		    account->is_draft
			? "a person has to log in: save the relay, then run: "
			  "relaisctl relay login %s"
			: "nobody has logged in yet; run: relaisctl relay "
			  "login %s",
		    relay->name);
		return NULL;
	}
	form = token_request_own(&relay->oauth, clock_wall_ms() / 1000);
	if (!form)
		oauth_problem_set(&account->problem, FAULT_CONFIG,
		                  "oauth.key_file cannot sign");
	return form;
}

static void fetch(struct oauth_account *account)
{
	const struct relay_oauth *oauth = &account->relay->oauth;
	char *form;

	if (account->call)
		return;
	(void)evtimer_del(account->timer);
	if (account->is_unsaved && oauth_account_save(account) < 0) {
		oauth_account_settle(account);
		return;
	}
	form = make_form(account);
	if (!form) {
		oauth_account_settle(account);
		return;
	}
	account->call = https_call_new(oauth->token_url, oauth->ca_file);
	account->call->form = form;
	account->call->on_done = on_answer;
	account->call->context = account;
	https_start(account->oauth->https, account->call);
}

static void on_answer(struct https_call *call)
{
	struct oauth_account *account = call->context;
	struct token_answer said = { .access_token = NULL };

	assert(account->call == call);
	account->call = NULL;
	if (call->status != 0)
		(void)token_answer_read(&said, call->answer.data,
		                        call->answer.len);
	if (call->status == 200 && said.access_token && !said.error)
		oauth_account_accept(account, &said);
	else
		oauth_account_refuse(account, call, &said);
	token_answer_done(&said);
	https_call_free(call);
	oauth_account_settle(account);
}

static void set_timer(struct oauth_account *account)
{
	int64_t at_ms = account->fresh_until_ms;
	int64_t wait_ms;
	struct timeval wait;

	(void)evtimer_del(account->timer);
	if (account->is_draft || account->is_gone)
		return;
	if (account->problem.fault == FAULT_AUTH ||
	    account->problem.fault == FAULT_CONFIG)
		return; /* until somebody asks, or acts */
	if (account->problem.fault != FAULT_NONE)
		at_ms = account->retry_ms;
	else if (account->is_short_lived)
		return;
	wait_ms = at_ms - clock_boottime_ms();
	if (wait_ms < 0)
		wait_ms = 0;
	wait.tv_sec = wait_ms / 1000;
	wait.tv_usec = wait_ms % 1000 * 1000;
	(void)evtimer_add(account->timer, &wait);
}

static void back_off(struct oauth_account *account)
{
	int64_t now_ms = clock_boottime_ms(), wait_ms = RETRY_FIRST_MS;

	if (account->problem.fault == FAULT_NONE) {
		account->failures = 0;
		account->retry_ms = 0;
		return;
	}
	for (unsigned i = 0; i < account->failures; i++)
		wait_ms =
		    wait_ms * 2 < RETRY_MOST_MS ? wait_ms * 2 : RETRY_MOST_MS;
	if (account->failures < 10)
		account->failures++;
	/* What a person has to mend is asked for at the breaker's pace. */
	if (account->problem.fault == FAULT_AUTH ||
	    account->problem.fault == FAULT_CONFIG)
		wait_ms = 0;
	/* A service that named a time has its way, within reason. */
	if (account->retry_ms < now_ms + wait_ms)
		account->retry_ms = now_ms + wait_ms;
}

void oauth_account_settle(struct oauth_account *account)
{
	struct letter *waiters = account->waiters, *letter;

	account->waiters = NULL;
	back_off(account);
	tell(account);
	while ((letter = waiters)) {
		waiters = letter->next;
		answer(account, LETTER_OF(letter, struct oauth_ask, letter));
	}
	if (account->is_draft || account->is_gone)
		account_free(account);
	else
		set_timer(account);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	fetch(context);
}

/* -------------------------------------------------------------------- news */

static void tell(struct oauth_account *account)
{
	struct oauth *oauth = account->oauth;
	struct oauth_news *news;

	if (account->problem.fault != FAULT_NONE)
		oauth_log(LOG_LEVEL_WARNING, "token_failed", account->relay,
		          account->problem.text);
	if (!oauth->news_home || account->is_draft || account->is_gone)
		return;
	news = xcalloc(1, sizeof(*news));
	news->context = oauth->news_context;
	news->relay = xstrdup(account->relay->name);
	news->has_token = is_usable(account, clock_boottime_ms());
	news->expires_wall_ms = account->expires_wall_ms;
	news->problem = account->problem;
	news->letter.open = oauth->on_news;
	mailbox_post_take(oauth->news_home, &news->letter);
}
