/*
 * import_msmtp - accounts of msmtprc
 */
#include "config.h"

#include "import.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

#define ACCOUNTS_MAX 32
#define DEFAULTS     0 /* the first one: what `defaults` says */

struct account {
	char name[64];
	char host[128], port[8], user[128], password[256], from[128];
	char domain[128];
	bool has_tls, is_starttls, has_login, is_trusting;
};

struct msmtp {
	struct import *import;
	struct account accounts[ACCOUNTS_MAX];
	size_t count, current;
	char usual[64]; /* `account default : NAME` */
};

static void begin_account(struct msmtp *msmtp, char *line);
static bool set_flag(struct account *account, const char *key,
                     const char *value);
static bool set_text(struct account *account, const char *key,
                     const char *value);
static void add_relay(struct msmtp *msmtp, const struct account *account);

static void on_line(void *context, char *line)
{
	struct msmtp *msmtp = context;
	struct account *account;
	const char *key = import_word(&line);
	const char *value;

	if (strcmp(key, "defaults") == 0) {
		msmtp->current = DEFAULTS;
		return;
	}
	if (strcmp(key, "account") == 0) {
		begin_account(msmtp, line);
		return;
	}
	account = &msmtp->accounts[msmtp->current];
	if (strcmp(key, "passwordeval") == 0)
		import_note(
		    msmtp->import,
		    "account %s: passwordeval is a "
		    "command: give its password by relaisctl relay set %s "
		    "--password-command, or password_command in relais.yaml",
		    account->name, account->name);
	value = import_word(&line);
	if (!set_flag(account, key, value) && !set_text(account, key, value) &&
	    strncmp(key, "log", 3) != 0 && strcmp(key, "passwordeval") != 0)
		import_note(msmtp->import, "account %s: %s is not taken over",
		            account->name, key);
}

/* account NAME [: OTHER], or the usual one */
static void begin_account(struct msmtp *msmtp, char *line)
{
	const struct account *base = &msmtp->accounts[DEFAULTS];
	struct account *account;
	char *other = strchr(line, ':');
	const char *name;
	size_t i;

	if (other)
		*other++ = '\0';
	name = import_word(&line);
	if (other)
		name = strcmp(name, "default") == 0 ? "" : name;
	if (*name == '\0' && other) {
		snprintf(msmtp->usual, sizeof(msmtp->usual), "%s",
		         import_word(&other));
		return;
	}
	if (msmtp->count == ACCOUNTS_MAX)
		return;
	if (other) {
		const char *wanted = import_word(&other);

		for (i = 1; i < msmtp->count; i++)
			if (strcmp(msmtp->accounts[i].name, wanted) == 0)
				base = &msmtp->accounts[i];
	}
	account = &msmtp->accounts[msmtp->count];
	*account = *base;
	snprintf(account->name, sizeof(account->name), "%s", name);
	msmtp->current = msmtp->count++;
}

static bool set_flag(struct account *account, const char *key,
                     const char *value)
{
	if (strcmp(key, "tls") == 0)
		account->has_tls = import_is_on(value) || *value == '\0';
	else if (strcmp(key, "tls_starttls") == 0)
		account->is_starttls = import_is_on(value) || *value == '\0';
	else if (strcmp(key, "auth") == 0)
		account->has_login = strcmp(value, "off") != 0;
	else if (strcmp(key, "tls_certcheck") == 0)
		account->is_trusting = strcmp(value, "off") == 0;
	else
		return false;
	return true;
}

static bool set_text(struct account *account, const char *key,
                     const char *value)
{
	const struct {
		const char *key;
		char *field;
		size_t size;
	} texts[] = {
		{ "host", account->host, sizeof(account->host) },
		{ "port", account->port, sizeof(account->port) },
		{ "user", account->user, sizeof(account->user) },
		{ "password", account->password, sizeof(account->password) },
		{ "from", account->from, sizeof(account->from) },
		{ "domain", account->domain, sizeof(account->domain) },
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(key, texts[i].key) == 0) {
			snprintf(texts[i].field, texts[i].size, "%s", value);
			return true;
		}
	return false;
}

int import_msmtp(struct import *import, const char *path)
{
	struct msmtp msmtp = { .import = import, .count = 1 };
	size_t i;
	int r;

	snprintf(msmtp.accounts[DEFAULTS].name,
	         sizeof(msmtp.accounts[DEFAULTS].name), "defaults");
	msmtp.accounts[DEFAULTS].is_starttls = true;
	r = import_lines(import, path ? path : "/etc/msmtprc", on_line, &msmtp);
	for (i = 1; i < msmtp.count; i++)
		if (msmtp.accounts[i].host[0] != '\0')
			add_relay(&msmtp, &msmtp.accounts[i]);
	explicit_bzero(&msmtp, sizeof(msmtp));
	return r;
}

static void add_relay(struct msmtp *msmtp, const struct account *account)
{
	struct import_relay *relay = import_relay(msmtp->import, account->name);

	if (!relay)
		return;
	relay->is_default = strcmp(account->name, msmtp->usual) == 0 ||
	                    strcmp(account->name, "default") == 0;
	import_put(relay, "host", account->host);
	import_put(relay, "port", account->port);
	import_put(relay, "security",
	           !account->has_tls      ? "none"
	           : account->is_starttls ? "starttls"
	                                  : "tls");
	if (account->has_login) {
		import_put(relay, "username", account->user);
		import_put(relay, "password", account->password);
	}
	import_put(relay, "from.address", account->from);
	import_put(relay, "hostname", account->domain);
	if (account->is_trusting)
		import_put(relay, "tls.verify", "off");
}
