/*
 * oauth_answer - what a token service's answer means for an account
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "deliver/https.h"
#include "deliver/oauth_private.h"
#include "deliver/token_answer.h"
#include "deliver/token_store.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* Of a token whose service doesn't say, and the longest we believe in. */
#define LIFE_UNKNOWN_S 300
#define LIFE_MOST_S    86400
/* One that lives shorter is fetched when it is needed: else a service that says
 * "expires_in": 1 would be asked each second, for nobody. */
#define RENEWED_LIFE_LEAST_S 30
#define RETRY_MOST_S         3600

static enum verdict_fault fault_of(const char *error);

void oauth_wipe(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void oauth_log(enum log_level level, const char *event,
               const struct relay_settings *relay, const char *reason)
{
	struct log_line line;

	log_begin(&line, level, event);
	log_text(&line, "relay", relay->name);
	if (reason)
		log_text(&line, "reason", reason);
	log_end(&line);
}

void oauth_problem_set(struct oauth_problem *problem, enum verdict_fault fault,
                       const char *format, ...)
{
	struct verdict clean;
	char text[2 * VERDICT_TEXT_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* Some of it are words of the service's. */
	verdict_local(&clean, VERDICT_TEMPORARY, SCOPE_RELAY, PHASE_AUTH, fault,
	              text);
	problem->fault = fault;
	memcpy(problem->text, clean.text, sizeof(problem->text));
}

void oauth_problem_words(const struct https_call *call,
                         const struct token_answer *answer, char *text,
                         size_t size)
{
	char *host = https_host_dup(call->url);

	if (call->status == 0)
		(void)snprintf(text, size, "%s", call->problem);
	else if (answer->error)
		(void)snprintf(
		    text, size, "%.60s%s%.200s%s", answer->error,
		    answer->error_description ? " (" : "",
		    answer->error_description ? answer->error_description : "",
		    answer->error_description ? ")" : "");
	else if (call->status == 200)
		(void)snprintf(
		    text, size,
		    "%s: the answer holds no token: is this a token service?",
		    host);
	else
		(void)snprintf(text, size, "%s: HTTP %d", host, call->status);
	free(host);
}

/* RFC 6749 5.2, and what the large services have beside it. */
static enum verdict_fault fault_of(const char *error)
{
	static const struct {
		const char *error;
		enum verdict_fault fault;
	} errors[] = {
		{ "invalid_grant", FAULT_AUTH },
		{ "interaction_required", FAULT_AUTH },
		{ "login_required", FAULT_AUTH },
		{ "consent_required", FAULT_AUTH },
		{ "access_denied", FAULT_AUTH },
		{ "expired_token", FAULT_AUTH },
		{ "server_error", FAULT_NETWORK },
		{ "temporarily_unavailable", FAULT_NETWORK },
		{ "slow_down", FAULT_NETWORK },
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].error, error) == 0)
			return errors[i].fault;
	return FAULT_CONFIG;
}

void oauth_account_refuse(struct oauth_account *account,
                          const struct https_call *call,
                          const struct token_answer *answer)
{
	const char *name = account->relay->name;
	enum verdict_fault fault = FAULT_NETWORK;
	char words[400];

	if (answer->error && call->status < 500 && call->status != 429)
		fault = fault_of(answer->error);
	oauth_problem_words(call, answer, words, sizeof(words));
	if (call->retry_after_s > 0)
		account->retry_ms =
		    clock_boottime_ms() +
		    1000 * (int64_t)(call->retry_after_s < RETRY_MOST_S
		                         ? call->retry_after_s
		                         : RETRY_MOST_S);
	if (fault != FAULT_AUTH) {
		oauth_problem_set(&account->problem, fault,
		                  "no access token: %s", words);
		return;
	}
	if (account->refresh_token)
		account->is_refused = true;
	if (account->refresh_token)
		oauth_problem_set(
		    &account->problem, fault,
		    "no access token: the login is not valid any more; run: "
		    "relaisctl relay login %s: %s",
		    name, words);
	else
		oauth_problem_set(&account->problem, fault,
		                  "no access token: %s", words);
}

/* ---------------------------------------------------------------- success */

void oauth_account_forget_token(struct oauth_account *account)
{
	oauth_wipe(&account->token);
}

/*
 * Of a relay that has gone only the newest token of its own login is kept: a
 * login that was made since, or taken away, is none of its business.
 */
int oauth_account_save(struct oauth_account *account)
{
	const char *directory = account->settings->queue.directory;
	const char *name = account->relay->name;
	char *old = NULL;
	int r = 0;

	if (account->is_draft)
		return 0;
	if (account->is_gone)
		r = token_store_read(directory, name, account->purpose, &old);
	oauth_wipe(&old);
	if (r < 0)
		return 0;
	r = token_store_write(directory, name, account->purpose,
	                      account->refresh_token);
	account->is_unsaved = r < 0;
	if (r < 0)
		oauth_problem_set(&account->problem, FAULT_OTHER,
		                  "the login cannot be stored in %s/logins: %s",
		                  directory, strerror(-r));
	return r;
}

static void set_token(struct oauth_account *account,
                      const struct token_answer *answer)
{
	int64_t now_ms = clock_boottime_ms(), life_ms;
	uint32_t life_s = answer->expires_in_s;

	if (life_s == 0)
		life_s = LIFE_UNKNOWN_S;
	if (life_s > LIFE_MOST_S)
		life_s = LIFE_MOST_S;
	life_ms = (int64_t)life_s * 1000;
	oauth_wipe(&account->token);
	account->token = xstrdup(answer->access_token);
	account->number = ++account->oauth->last_number;
	account->is_short_lived = life_s < RENEWED_LIFE_LEAST_S;
	account->fresh_until_ms = now_ms + life_ms * 4 / 5;
	account->usable_until_ms = now_ms + life_ms * 19 / 20;
	account->expires_wall_ms = clock_wall_ms() + life_ms;
}

void oauth_account_accept(struct oauth_account *account,
                          const struct token_answer *answer)
{
	if (answer->token_type &&
	    strcasecmp(answer->token_type, "bearer") != 0) {
		oauth_problem_set(
		    &account->problem, FAULT_CONFIG,
		    "no access token: one of type %.40s came, expected Bearer",
		    answer->token_type);
		return;
	}
	if (answer->refresh_token && oauth_needs_login(account->relay) &&
	    (!account->refresh_token ||
	     strcmp(answer->refresh_token, account->refresh_token) != 0)) {
		oauth_wipe(&account->refresh_token);
		account->refresh_token = xstrdup(answer->refresh_token);
		account->is_unsaved = true;
	}
	account->is_refused = false;
	if (account->is_unsaved && oauth_account_save(account) < 0)
		return;
	set_token(account, answer);
	account->problem.fault = FAULT_NONE;
	oauth_log(LOG_LEVEL_DEBUG, "token", account->relay, NULL);
}
