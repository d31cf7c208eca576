/*
 * oauth_login - how a person gives a relay its login, once
 */
#include "config.h"

#include "deliver/oauth_login.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "clock.h"
#include "deliver/https.h"
#include "deliver/oauth_private.h"
#include "deliver/token_answer.h"
#include "deliver/token_request.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define PATIENCE_S      600 /* with a person in front of a browser */
#define PATIENCE_MOST_S 1800
#define INTERVAL_S      5 /* RFC 8628 3.2 */
#define INTERVAL_MOST_S 60

struct oauth_login {
	LIST_ENTRY(oauth_login) link;
	struct oauth *oauth;
	struct oauth_login_order order; /* with a reference to the settings */
	struct https_call *call;        /* under way; or NULL */
	struct event *timer; /* the next poll, or the end of our patience */
	int64_t deadline_ms; /* boot clock */
	uint32_t interval_s;
	char *device_code;
	char *redirect_uri;
	struct token_proof proof;
};

/* On its way to the engine: one of the three. */
struct errand {
	struct letter letter;
	struct oauth *oauth;
	struct oauth_login_order order;
	char *url;
};

static void on_begin(struct letter *letter);
static void on_hand_over(struct letter *letter);
static void on_cancel(struct letter *letter);
static void login_free(struct oauth_login *login);
static void start_device(struct oauth_login *login);
static void start_browser(struct oauth_login *login);
static void start_call(struct oauth_login *login, const char *url,
                       char *form_take,
                       void (*on_done)(struct https_call *call));
static void on_device(struct https_call *call);
static void on_token(struct https_call *call);
static void on_timer(evutil_socket_t fd, short what, void *context);
static void fail(struct oauth_login *login, const char *step,
                 const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ----------------------------------------------------------------- letters */

void oauth_step_free(struct oauth_step *step)
{
	free(step->detail);
	free(step->url);
	free(step->complete_url);
	free(step->code);
	free(step);
}

static void post(struct oauth *oauth, const struct oauth_login_order *order,
                 const char *url, void (*open)(struct letter *letter))
{
	struct errand *errand = xcalloc(1, sizeof(*errand));

	errand->letter.open = open;
	errand->oauth = oauth;
	errand->order = *order;
	errand->url = url ? xstrdup(url) : NULL;
	mailbox_post_take(oauth->inbox, &errand->letter);
}

void oauth_login_begin(struct oauth *oauth,
                       const struct oauth_login_order *order)
{
	settings_ref(order->settings);
	post(oauth, order, NULL, on_begin);
}

void oauth_login_hand_over(struct oauth *oauth, uint64_t id, const char *url)
{
	const struct oauth_login_order order = { .id = id };

	post(oauth, &order, url, on_hand_over);
}

void oauth_login_cancel(struct oauth *oauth, uint64_t id)
{
	const struct oauth_login_order order = { .id = id };

	post(oauth, &order, NULL, on_cancel);
}

/* Taken from the errand, which ends; NULL: it is over already. */
static struct oauth_login *find(struct errand *errand)
{
	struct oauth_login *login;

	LIST_FOREACH (login, &errand->oauth->logins, link)
		if (login->order.id == errand->order.id)
			return login;
	return NULL;
}

static void on_cancel(struct letter *letter)
{
	struct errand *errand = LETTER_OF(letter, struct errand, letter);
	struct oauth_login *login = find(errand);

	if (login)
		login_free(login);
	free(errand);
}

static struct oauth_step *step_new(const struct oauth_login *login,
                                   const char *name)
{
	struct oauth_step *step = xcalloc(1, sizeof(*step));

	step->context = login->order.context;
	step->id = login->order.id;
	step->step = name;
	step->is_ok = true;
	return step;
}

static void tell_take(const struct oauth_login *login, struct oauth_step *step)
{
	step->letter.open = login->order.on_step;
	mailbox_post_take(login->order.home, &step->letter);
}

/* --------------------------------------------------------------- beginning */

static void end_others(struct oauth *oauth, const char *relay)
{
	struct oauth_login *login, *next;

	for (login = LIST_FIRST(&oauth->logins); login; login = next) {
		next = LIST_NEXT(login, link);
		if (strcmp(login->order.relay->name, relay) == 0)
			fail(login, "token",
			     "another login of relay %s has begun", relay);
	}
}

static void on_begin(struct letter *letter)
{
	struct errand *errand = LETTER_OF(letter, struct errand, letter);
	struct oauth *oauth = errand->oauth;
	struct oauth_login *login = xcalloc(1, sizeof(*login));
	const struct relay_oauth *settings = &errand->order.relay->oauth;
	char *form;

	end_others(oauth, errand->order.relay->name);
	login->oauth = oauth;
	login->order = errand->order;
	login->deadline_ms = clock_boottime_ms() + 1000 * (int64_t)PATIENCE_S;
	login->timer = evtimer_new(oauth->base, on_timer, login);
	if (!login->timer)
		abort();
	LIST_INSERT_HEAD(&oauth->logins, login, link);
	free(errand);
	switch (settings->grant) {
	case OAUTH_DEVICE:
		start_device(login);
		break;
	case OAUTH_AUTHORIZATION_CODE:
		start_browser(login);
		break;
	case OAUTH_CLIENT_CREDENTIALS:
	case OAUTH_JWT_BEARER:
		form = token_request_own(settings, clock_wall_ms() / 1000);
		if (form)
			start_call(login, settings->token_url, form, on_token);
		else
			fail(login, "token", "oauth.key_file cannot sign");
		break;
	}
}

static void login_free(struct oauth_login *login)
{
	LIST_REMOVE(login, link);
	https_call_free(login->call);
	event_free(login->timer);
	oauth_wipe(&login->device_code);
	explicit_bzero(&login->proof, sizeof(login->proof));
	free(login->redirect_uri);
	settings_unref(login->order.settings);
	free(login);
}

void oauth_login_free_all(struct oauth *oauth)
{
	struct oauth_login *login, *next;

	for (login = LIST_FIRST(&oauth->logins); login; login = next) {
		next = LIST_NEXT(login, link);
		login_free(login);
	}
}

static void start_call(struct oauth_login *login, const char *url,
                       char *form_take,
                       void (*on_done)(struct https_call *call))
{
	assert(!login->call);
	login->call = https_call_new(url, login->order.relay->oauth.ca_file);
	login->call->form = form_take;
	login->call->on_done = on_done;
	login->call->context = login;
	https_start(login->oauth->https, login->call);
}

/* The call is the caller's to free. */
static struct oauth_login *come_home(struct https_call *call,
                                     struct token_answer *ret_said)
{
	struct oauth_login *login = call->context;

	assert(login->call == call);
	login->call = NULL;
	*ret_said = (struct token_answer){ .access_token = NULL };
	if (call->status != 0)
		(void)token_answer_read(ret_said, call->answer.data,
		                        call->answer.len);
	return login;
}

static void set_timer(struct oauth_login *login, int64_t wait_ms)
{
	int64_t left_ms = login->deadline_ms - clock_boottime_ms();
	struct timeval wait;

	if (wait_ms > left_ms)
		wait_ms = left_ms;
	if (wait_ms < 0)
		wait_ms = 0;
	wait.tv_sec = wait_ms / 1000;
	wait.tv_usec = wait_ms % 1000 * 1000;
	(void)evtimer_add(login->timer, &wait);
}

static void set_patience(struct oauth_login *login, uint32_t seconds)
{
	if (seconds > PATIENCE_MOST_S)
		seconds = PATIENCE_MOST_S;
	login->deadline_ms = clock_boottime_ms() + 1000 * (int64_t)seconds;
}

static void fail(struct oauth_login *login, const char *name,
                 const char *format, ...)
{
	struct oauth_step *step = step_new(login, name);
	struct oauth_problem clean;
	char text[VERDICT_TEXT_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	oauth_problem_set(&clean, FAULT_AUTH, "%s", text);
	step->is_ok = false;
	step->end = LOGIN_FAILED;
	step->detail = xstrdup(clean.text);
	tell_take(login, step);
	login_free(login);
}

static void fail_by_answer(struct oauth_login *login, const char *step,
                           const struct https_call *call,
                           const struct token_answer *said)
{
	char words[400];

	oauth_problem_words(call, said, words, sizeof(words));
	fail(login, step, "%s", words);
}

/* ---------------------------------------------------------------- a device */

static void start_device(struct oauth_login *login)
{
	const struct relay_oauth *settings = &login->order.relay->oauth;

	start_call(login, settings->device_url, token_request_device(settings),
	           on_device);
}

static void on_device(struct https_call *call)
{
	struct token_answer said;
	struct oauth_login *login = come_home(call, &said);
	struct oauth_step *step;

	if (call->status != 200 || !said.device_code || !said.user_code ||
	    !said.verification_uri) {
		fail_by_answer(login, "device", call, &said);
		goto out;
	}
	login->device_code = said.device_code;
	said.device_code = NULL;
	login->interval_s = said.interval_s ? said.interval_s : INTERVAL_S;
	set_patience(login, said.expires_in_s ? said.expires_in_s : PATIENCE_S);
	step = step_new(login, "device");
	step->detail = xasprintf("open %.200s and enter %.40s",
	                         said.verification_uri, said.user_code);
	step->url = xstrdup(said.verification_uri);
	if (said.verification_uri_complete)
		step->complete_url = xstrdup(said.verification_uri_complete);
	step->code = xstrdup(said.user_code);
	step->expires_in_s =
	    (uint32_t)((login->deadline_ms - clock_boottime_ms()) / 1000);
	tell_take(login, step);
	set_timer(login, 1000 * (int64_t)login->interval_s);
out:
	token_answer_done(&said);
	https_call_free(call);
}

/* RFC 8628 3.5. False: it is over. */
static bool goes_on(struct oauth_login *login, const struct https_call *call,
                    const struct token_answer *said)
{
	const char *error = said->error ? said->error : "";
	uint32_t *interval_s = &login->interval_s;

	if (!login->device_code)
		return false;
	if (call->status == 0 || call->status >= 500 || call->status == 429)
		*interval_s *= 2;
	else if (strcmp(error, "slow_down") == 0)
		*interval_s += 5;
	else if (strcmp(error, "authorization_pending") != 0)
		return false;
	if (*interval_s > INTERVAL_MOST_S)
		*interval_s = INTERVAL_MOST_S;
	set_timer(login, 1000 * (int64_t)*interval_s);
	return true;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct oauth_login *login = context;
	const struct relay_oauth *settings = &login->order.relay->oauth;

	(void)fd;
	(void)what;
	if (clock_boottime_ms() >= login->deadline_ms)
		fail(login, "token",
		     "nobody has logged in in time (expired_token)");
	else if (login->device_code)
		start_call(login, settings->token_url,
		           token_request_poll(settings, login->device_code),
		           on_token);
}

/* --------------------------------------------------------------- a browser */

/*
 * RFC 8252 7.3 and 8.3 want the address. Microsoft knows loopback by its name
 * alone.
 */
static void start_browser(struct oauth_login *login)
{
	const struct relay_settings *relay = login->order.relay;
	const char *host = strstr(relay->oauth.authorization_url,
	                          "//login.microsoftonline.com/")
	                       ? "localhost"
	                       : "127.0.0.1";
	struct oauth_step *step = step_new(login, "authorize");

	token_proof_make(&login->proof);
	login->redirect_uri =
	    xasprintf("http://%s:%u", host, login->order.redirect_port);
	step->url = token_request_authorization(
	    &relay->oauth, login->redirect_uri, relay->username, &login->proof);
	step->detail = xasprintf("open the page in a browser, and log in as %s",
	                         relay->username);
	step->expires_in_s = PATIENCE_S;
	tell_take(login, step);
	set_timer(login, 1000 * (int64_t)PATIENCE_S);
}

static void refuse_url(struct oauth_login *login)
{
	struct oauth_step *step = step_new(login, "answer");

	step->is_ok = false;
	step->detail = xstrdup("this is not where the browser was sent to by "
	                       "this login: expected an URL with its state and "
	                       "a code");
	tell_take(login, step);
}

static void on_url(struct oauth_login *login, const char *url)
{
	const struct relay_oauth *settings = &login->order.relay->oauth;
	char *state = token_request_parameter(url, "state");
	char *code = token_request_parameter(url, "code");
	char *error = token_request_parameter(url, "error");

	if (!state || strcmp(state, login->proof.state) != 0 ||
	    (!code && !error) || login->call) {
		refuse_url(login);
	} else if (error) {
		fail(login, "answer", "the service says: %.100s", error);
	} else {
		(void)evtimer_del(login->timer);
		start_call(login, settings->token_url,
		           token_request_code(settings, code,
		                              login->redirect_uri,
		                              &login->proof),
		           on_token);
	}
	oauth_wipe(&code);
	free(state);
	free(error);
}

static void on_hand_over(struct letter *letter)
{
	struct errand *errand = LETTER_OF(letter, struct errand, letter);
	struct oauth_login *login = find(errand);

	if (login && login->redirect_uri)
		on_url(login, errand->url);
	oauth_wipe(&errand->url);
	free(errand);
}

/* --------------------------------------------------------------- the token */

/* What the account was doing with its old login ends. */
static void store(struct oauth_login *login, const struct token_answer *said)
{
	const struct relay_settings *relay = login->order.relay;
	struct oauth_account *account =
	    oauth_find_account(login->oauth, login->order.settings, relay);
	struct oauth_step *step;
	struct oauth_problem problem;

	https_call_free(account->call);
	account->call = NULL;
	account->is_gone = false;
	if (oauth_needs_login(relay))
		oauth_wipe(&account->refresh_token);
	oauth_account_forget_token(account);
	oauth_account_accept(account, said);
	problem = account->problem;
	oauth_account_settle(account);
	if (problem.fault != FAULT_NONE) {
		fail(login, "token", "%s", problem.text);
		return;
	}
	step = step_new(login, "token");
	step->end = LOGIN_DONE;
	step->detail = xasprintf(
	    "an access token for %u min has come%s",
	    (unsigned)((said->expires_in_s ? said->expires_in_s : 300) / 60),
	    oauth_needs_login(relay) ? "; it will be renewed without you" : "");
	tell_take(login, step);
	login_free(login);
}

static void on_token(struct https_call *call)
{
	struct token_answer said;
	struct oauth_login *login = come_home(call, &said);

	if (call->status == 200 && said.access_token && !said.error) {
		if (oauth_needs_login(login->order.relay) &&
		    !said.refresh_token)
			fail(login, "token",
			     "no refresh token came with the access token; "
			     "look at oauth.scopes (offline_access?)");
		else
			store(login, &said);
	} else if (!goes_on(login, call, &said)) {
		fail_by_answer(login, "token", call, &said);
	}
	token_answer_done(&said);
	https_call_free(call);
}
