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
#include "runtime/xalloc.h"
#include "secret.h"
#include "settings.h"

#define PASSWORD_KEEP_S 3600
#define TOKEN_KEEP_S    300
#define TOKEN_LIFE_MAX  86400

/* Output of one command; the words tell it apart from others. */
struct entry {
	LIST_ENTRY(entry) link;
	struct credentials *credentials;
	bool is_token;
	struct command *fetched; /* holds the secret; NULL: none yet */
	char *secret;            /* within `fetched` */
	bool is_running;
	bool has_failed; /* the waiters are to hear of it once */
	int64_t expires_ms;
	struct credentials_waiter *waiters;
	char **words;
};

struct credentials {
	struct command_helper *helper;
	struct mailbox *inbox;
	LIST_HEAD(, entry) entries;
	char problem[200];
};

struct credentials *credentials_new(struct command_helper *helper,
                                    struct mailbox *inbox)
{
	struct credentials *credentials = xcalloc(1, sizeof(*credentials));

	credentials->helper = helper;
	credentials->inbox = inbox;
	LIST_INIT(&credentials->entries);
	return credentials;
}

static void free_words(char **words)
{
	for (char **word = words; *word; word++)
		free(*word);
	free(words);
}

static void entry_free(struct entry *entry)
{
	LIST_REMOVE(entry, link);
	command_free(entry->fetched);
	free_words(entry->words);
	free(entry);
}

void credentials_free(struct credentials *credentials)
{
	struct entry *entry;

	if (!credentials)
		return;
	while ((entry = LIST_FIRST(&credentials->entries)))
		entry_free(entry);
	free(credentials);
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

static bool is_same(char *const *words, char *const *others)
{
	for (; *words && *others; words++, others++)
		if (strcmp(*words, *others) != 0)
			return false;
	return *words == *others;
}

static struct entry *find(struct credentials *credentials,
                          const struct secret *secret, bool is_token)
{
	char *const *words = secret_command_borrow(secret);
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

static void forget(struct entry *entry)
{
	command_free(entry->fetched);
	entry->fetched = NULL;
	entry->secret = NULL;
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

static void on_output(struct letter *letter)
{
	struct command *command = LETTER_OF(letter, struct command, letter);
	struct entry *entry = command->context;
	struct credentials_waiter *waiters = entry->waiters, *waiter;

	entry->is_running = false;
	entry->waiters = NULL;
	forget(entry);
	entry->fetched = command;
	entry->has_failed = !command->output || !*command->output;
	if (!entry->has_failed) {
		entry->secret = command->output;
		entry->expires_ms = clock_boottime_ms() + life_s(entry) * 1000;
	}
	while ((waiter = waiters)) {
		waiters = waiter->next;
		waiter->on_ready(waiter);
	}
	entry->has_failed = false;
}

static void run(struct entry *entry)
{
	struct credentials *credentials = entry->credentials;
	struct command *command = command_new(entry->words);

	command->home = credentials->inbox;
	command->on_done = on_output;
	command->context = entry;
	entry->is_running = true;
	command_helper_run_take(credentials->helper, command);
}

static int get_command(struct credentials *credentials,
                       const struct secret *secret, bool is_token,
                       const char **ret_text, struct credentials_waiter *waiter)
{
	struct entry *entry = find(credentials, secret, is_token);
	const char *problem;

	if (entry->has_failed) {
		problem = entry->fetched->problem;
		(void)snprintf(credentials->problem,
		               sizeof(credentials->problem), "%s: %s",
		               entry->words[0],
		               *problem ? problem : "it printed nothing");
		return -EIO;
	}
	if (entry->secret && entry->expires_ms > clock_boottime_ms()) {
		*ret_text = entry->secret;
		return 0;
	}
	waiter->next = entry->waiters;
	entry->waiters = waiter;
	if (!entry->is_running)
		run(entry);
	return -EINPROGRESS;
}

static int get(struct credentials *credentials, const struct secret *secret,
               bool is_token, const char **ret_text,
               struct credentials_waiter *waiter)
{
	if (!secret)
		return 0;
	*ret_text = secret_text_borrow(secret);
	if (*ret_text)
		return 0;
	return get_command(credentials, secret, is_token, ret_text, waiter);
}

int credentials_get(struct credentials *credentials,
                    const struct relay_settings *relay,
                    struct credentials_secrets *ret_secrets,
                    struct credentials_waiter *waiter)
{
	int r;

	ret_secrets->password = ret_secrets->token = NULL;
	if (relay->authentication == RELAY_AUTHENTICATION_OFF)
		return 0;
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

bool credentials_renew(struct credentials *credentials,
                       const struct relay_settings *relay)
{
	const struct secret *secret =
	    relay->token ? relay->token : relay->password;
	struct entry *entry;

	if (!secret || !secret_command_borrow(secret))
		return false;
	entry = find(credentials, secret, relay->token != NULL);
	/* What was refused may have been replaced by now. */
	if (entry->is_running)
		return true;
	if (!entry->secret)
		return false;
	forget(entry);
	return true;
}
