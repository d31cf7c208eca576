#include "config.h"

#include "deliver/credentials.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "clock.h"
#include "command_helper.h"
#include "deliver/oauth.h"
#include "runtime/xalloc.h"
#include "secret.h"
#include "settings.h"

#define PASSWORD_KEEP_S 3600
#define TOKEN_KEEP_S    300
#define TOKEN_LIFE_MAX  86400

/* What one command prints, or one account's token; told apart by the words. */
struct entry {
	LIST_ENTRY(entry) link;
	struct credentials *credentials;
	bool is_token;
	char *secret;     /* NULL: none yet */
	uint64_t number;  /* of an account's token */
	uint64_t refused; /* the one that the relay would not have */
	bool is_running;
	bool has_failed; /* the waiters are to hear of it once */
	enum verdict_fault fault;
	char problem[VERDICT_TEXT_SIZE];
	int64_t expires_ms;
	int64_t expires_wall_ms; /* of an account's token; else 0 */
	struct credentials_waiter *waiters;
	char **words;
};

struct credentials {
	struct command_helper *helper;
	struct oauth *oauth;
	struct mailbox *inbox;
	bool is_urgent;
	LIST_HEAD(, entry) entries;
	enum verdict_fault fault;
	char problem[VERDICT_TEXT_SIZE];
};

struct credentials *credentials_new(struct command_helper *helper,
                                    struct oauth *oauth, struct mailbox *inbox,
                                    bool is_urgent)
{
	struct credentials *credentials = xcalloc(1, sizeof(*credentials));

	credentials->helper = helper;
	credentials->oauth = oauth;
	credentials->inbox = inbox;
	credentials->is_urgent = is_urgent;
	LIST_INIT(&credentials->entries);
	return credentials;
}

static void free_words(char **words)
{
	for (char **word = words; *word; word++)
		free(*word);
	free(words);
}

static void forget(struct entry *entry)
{
	if (entry->secret)
		explicit_bzero(entry->secret, strlen(entry->secret));
	free(entry->secret);
	entry->secret = NULL;
}

static void entry_free(struct entry *entry)
{
	LIST_REMOVE(entry, link);
	forget(entry);
	free_words(entry->words);
	free(entry);
}

void credentials_free(struct credentials *credentials)
{
	struct entry *entry, *next;

	if (!credentials)
		return;
	for (entry = LIST_FIRST(&credentials->entries); entry; entry = next) {
		next = LIST_NEXT(entry, link);
		entry_free(entry);
	}
	free(credentials);
}

static bool is_same(char *const *words, char *const *others)
{
	for (; *words && *others; words++, others++)
		if (strcmp(*words, *others) != 0)
			return false;
	return *words == *others;
}

static bool is_printed_by(const struct secret *secret, char *const *words)
{
	return secret && secret_command_borrow(secret) &&
	       is_same(secret_command_borrow(secret), words);
}

static bool is_needed(const struct entry *entry,
                      const struct relay_settings *relay)
{
	char *words[] = { relay->name, NULL, NULL };
	bool is_its_own;

	if (!relay->oauth.is_set)
		return is_printed_by(relay->password, entry->words) ||
		       is_printed_by(relay->token, entry->words);
	words[1] = oauth_purpose_dup(relay);
	is_its_own = is_same(words, entry->words);
	free(words[1]);
	return is_its_own;
}

void credentials_keep(struct credentials *credentials,
                      const struct settings *settings)
{
	struct entry *entry, *next;

	for (entry = LIST_FIRST(&credentials->entries); entry; entry = next) {
		size_t i = 0;

		next = LIST_NEXT(entry, link);
		while (i < settings->relay_count &&
		       !is_needed(entry, &settings->relays[i]))
			i++;
		if (i == settings->relay_count && !entry->is_running &&
		    !entry->waiters)
			entry_free(entry);
	}
}

static char **copy_words(char *const *words)
{
	size_t count = 0;
	char **copy;

	while (words[count])
		count++;
	copy = xcalloc(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = xstrdup(words[i]);
	return copy;
}

static struct entry *find(struct credentials *credentials, char *const *words,
                          bool is_token)
{
	struct entry *entry, *next;

	for (entry = LIST_FIRST(&credentials->entries); entry; entry = next) {
		next = LIST_NEXT(entry, link);
		if (is_same(entry->words, words))
			return entry;
		/* Commands come and go with the settings. */
		if (!entry->is_running && !entry->waiters &&
		    entry->expires_ms <= clock_boottime_ms())
			entry_free(entry);
	}
	entry = xcalloc(1, sizeof(*entry));
	entry->credentials = credentials;
	entry->is_token = is_token;
	entry->words = copy_words(words);
	LIST_INSERT_HEAD(&credentials->entries, entry, link);
	return entry;
}

/* An account's words are no command's: that begins with a slash. */
static struct entry *find_account(struct credentials *credentials,
                                  const struct relay_settings *relay)
{
	char *purpose = oauth_purpose_dup(relay);
	char *words[] = { relay->name, purpose, NULL };
	struct entry *entry = find(credentials, words, true);

	free(purpose);
	return entry;
}

/* `TOKEN SECONDS`: cuts the seconds off and believes them within reason. */
static int64_t life_s(struct entry *entry)
{
	char *space = strchr(entry->secret, ' ');
	unsigned long seconds;
	char *end;

	if (!entry->is_token)
		return PASSWORD_KEEP_S;
	if (!space)
		return TOKEN_KEEP_S;
	seconds = strtoul(space + 1, &end, 10);
	if (end == space + 1 || *end)
		return TOKEN_KEEP_S;
	*space = '\0';
	if (seconds > TOKEN_LIFE_MAX)
		seconds = TOKEN_LIFE_MAX;
	return (int64_t)seconds * 4 / 5;
}

static void begin(struct entry *entry)
{
	entry->is_running = true;
	forget(entry);
}

/* With a secret, or with the problem set. */
static void finish(struct entry *entry)
{
	struct credentials_waiter *waiters = entry->waiters, *waiter;

	entry->is_running = false;
	entry->waiters = NULL;
	entry->has_failed = !entry->secret;
	while ((waiter = waiters)) {
		waiters = waiter->next;
		waiter->on_ready(waiter);
	}
	entry->has_failed = false;
}

/* -------------------------------------------------------------- commands */

static void on_output(struct letter *letter)
{
	struct command *command = LETTER_OF(letter, struct command, letter);
	struct entry *entry = command->context;
	const char *problem = command->problem;

	if (command->output && *command->output) {
		entry->secret = xstrdup(command->output);
		entry->expires_ms = clock_boottime_ms() + life_s(entry) * 1000;
	} else {
		entry->fault = FAULT_AUTH;
		(void)snprintf(entry->problem, sizeof(entry->problem), "%s: %s",
		               entry->words[0],
		               *problem ? problem : "it printed nothing");
	}
	command_free(command);
	finish(entry);
}

static void run(struct entry *entry)
{
	struct credentials *credentials = entry->credentials;
	struct command *command = command_new(entry->words);

	command->home = credentials->inbox;
	command->on_done = on_output;
	command->context = entry;
	begin(entry);
	command_helper_run_take(credentials->helper, command);
}

/* --------------------------------------------------------------- accounts */

static void on_token(struct letter *letter)
{
	struct oauth_ask *ask = LETTER_OF(letter, struct oauth_ask, letter);
	struct entry *entry = ask->context;

	if (ask->token) {
		entry->secret = ask->token;
		ask->token = NULL;
		entry->number = ask->number;
		entry->expires_ms = ask->fresh_until_ms;
		entry->expires_wall_ms = ask->expires_wall_ms;
	} else {
		entry->fault = ask->problem.fault;
		memcpy(entry->problem, ask->problem.text,
		       sizeof(entry->problem));
	}
	oauth_ask_free(ask);
	finish(entry);
}

static void ask_for_token(struct entry *entry, const struct settings *settings,
                          const struct relay_settings *relay)
{
	struct credentials *credentials = entry->credentials;
	struct oauth_ask *ask = oauth_ask_new(settings, relay);

	ask->home = credentials->inbox;
	ask->on_done = on_token;
	ask->context = entry;
	ask->refused = entry->refused;
	ask->is_urgent = credentials->is_urgent;
	begin(entry);
	oauth_ask_take(credentials->oauth, ask);
}

/* -------------------------------------------------------------------- get */

/* 0, -EIO, or -EINPROGRESS: somebody has to fetch it, or does already. */
static int look_at(struct entry *entry, const char **ret_text,
                   struct credentials_waiter *waiter)
{
	struct credentials *credentials = entry->credentials;

	if (entry->has_failed) {
		credentials->fault = entry->fault;
		memcpy(credentials->problem, entry->problem,
		       sizeof(credentials->problem));
		return -EIO;
	}
	if (entry->secret && entry->expires_ms > clock_boottime_ms()) {
		*ret_text = entry->secret;
		return 0;
	}
	waiter->next = entry->waiters;
	entry->waiters = waiter;
	return -EINPROGRESS;
}

static int get(struct credentials *credentials, const struct secret *secret,
               bool is_token, const char **ret_text,
               struct credentials_waiter *waiter)
{
	struct entry *entry;
	int r;

	if (!secret)
		return 0;
	*ret_text = secret_text_borrow(secret);
	if (*ret_text)
		return 0;
	entry = find(credentials, secret_command_borrow(secret), is_token);
	r = look_at(entry, ret_text, waiter);
	if (r == -EINPROGRESS && !entry->is_running)
		run(entry);
	return r;
}

int credentials_get(struct credentials *credentials,
                    const struct settings *settings,
                    const struct relay_settings *relay,
                    struct credentials_secrets *ret_secrets,
                    struct credentials_waiter *waiter)
{
	struct entry *entry;
	int r;

	ret_secrets->password = ret_secrets->token = NULL;
	if (relay->authentication == RELAY_AUTHENTICATION_OFF)
		return 0;
	if (relay->oauth.is_set) {
		entry = find_account(credentials, relay);
		r = look_at(entry, &ret_secrets->token, waiter);
		if (r == -EINPROGRESS && !entry->is_running)
			ask_for_token(entry, settings, relay);
		return r;
	}
	r = get(credentials, relay->password, false, &ret_secrets->password,
	        waiter);
	if (r < 0)
		return r;
	return get(credentials, relay->token, true, &ret_secrets->token,
	           waiter);
}

void credentials_cancel(struct credentials *credentials,
                        const struct credentials_waiter *waiter)
{
	struct entry *entry;

	LIST_FOREACH (entry, &credentials->entries, link) {
		struct credentials_waiter **link = &entry->waiters;

		while (*link && *link != waiter)
			link = &(*link)->next;
		if (*link)
			*link = waiter->next;
	}
}

const char *credentials_problem(const struct credentials *credentials)
{
	return credentials->problem;
}

enum verdict_fault credentials_fault(const struct credentials *credentials)
{
	return credentials->fault;
}

int64_t credentials_life_s(struct credentials *credentials,
                           const struct relay_settings *relay)
{
	const struct entry *entry = find_account(credentials, relay);

	if (!entry->secret)
		return 0;
	return (entry->expires_wall_ms - clock_wall_ms()) / 1000;
}

/* -------------------------------------------------------------- refusals */

static struct entry *find_renewable(struct credentials *credentials,
                                    const struct relay_settings *relay)
{
	const struct secret *secret =
	    relay->token ? relay->token : relay->password;

	if (relay->oauth.is_set)
		return find_account(credentials, relay);
	if (!secret || !secret_command_borrow(secret))
		return NULL;
	return find(credentials, secret_command_borrow(secret),
	            relay->token != NULL);
}

bool credentials_renew(struct credentials *credentials,
                       const struct relay_settings *relay)
{
	struct entry *entry = find_renewable(credentials, relay);

	if (!entry)
		return false;
	/* What was refused may have been replaced by now. */
	if (entry->is_running)
		return true;
	if (!entry->secret)
		return false;
	entry->refused = entry->number;
	forget(entry);
	return true;
}
