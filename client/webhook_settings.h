/*
 * webhook_settings - where relais-webhook posts to, and how
 *
 * A file of lines `KEY: VALUE`, and options --KEY VALUE that go before it. The
 * secret is never one of them: it is in a file of its own.
 */
#ifndef RELAIS_WEBHOOK_SETTINGS_H
#define RELAIS_WEBHOOK_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#define WEBHOOK_FILE SYSCONFDIR "/relais/webhook.conf"

enum webhook_key {
	WEBHOOK_URL,
	WEBHOOK_SECRET_FILE,
	WEBHOOK_EVENTS,
	WEBHOOK_TAG,
	WEBHOOK_FROM,
	WEBHOOK_BATCH,
	WEBHOOK_LINGER,
	WEBHOOK_TIMEOUT,
	WEBHOOK_RETRY_FIRST,
	WEBHOOK_RETRY_MAXIMUM,
	WEBHOOK_CA_FILE,
	WEBHOOK_POSITION_FILE,
	WEBHOOK_SOCKET,
	WEBHOOK_KEYS,
};

/* What was given is malloc'ed; NULL where nothing was. */
struct webhook_settings {
	char *text[WEBHOOK_KEYS];
	bool is_option[WEBHOOK_KEYS];
	/* Worked out of the above by webhook_settings_complete(). */
	bool is_from_oldest;
	unsigned batch;  /* events of one request */
	bool is_batched; /* then a list, also of one */
	unsigned linger_ms;
	unsigned timeout_ms;
	unsigned retry_first_ms, retry_maximum_ms;
};

#define WEBHOOK_ERROR_SIZE 400

/* All return 0, or -EINVAL and why. */
int webhook_settings_set(struct webhook_settings *settings, const char *key,
                         size_t key_len, const char *value, bool is_option,
                         char error[WEBHOOK_ERROR_SIZE]);
/*
 * argv[*at], --KEY=VALUE or --KEY and the next word, which *at is moved to.
 * --config is given back in *ret_file.
 */
int webhook_settings_read_option(struct webhook_settings *settings, int argc,
                                 char *argv[], int *at, const char **ret_file,
                                 char error[WEBHOOK_ERROR_SIZE]);
/* One that is not there is an error, unless it may be missing. */
int webhook_settings_read(struct webhook_settings *settings, const char *path,
                          bool may_be_missing, char error[WEBHOOK_ERROR_SIZE]);
/* Checks, and fills in the defaults. */
int webhook_settings_complete(struct webhook_settings *settings,
                              char error[WEBHOOK_ERROR_SIZE]);
void webhook_settings_done(struct webhook_settings *settings);

/* The n-th key's option, and what it is for; NULL behind the last. */
const char *webhook_settings_option(size_t n, const char **ret_what);

/* Is this kind of event, of mail with this tag (or NULL), wanted? */
bool webhook_settings_want(const struct webhook_settings *settings,
                           const char *kind, const char *tag);

#endif
