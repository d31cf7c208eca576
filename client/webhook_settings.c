#include "config.h"

#include "webhook_settings.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pattern.h"

#define BATCH_MAX 1000u
#define HOUR_MS   (60 * 60 * 1000u)

static const struct {
	const char *name; /* as an option, _ is - */
	const char *what;
} keys[] = {
	[WEBHOOK_URL] = { "url", "where to: http:// or https://" },
	[WEBHOOK_SECRET_FILE] = { "secret_file",
	                          "a file with the secret, a line each" },
	[WEBHOOK_EVENTS] = { "events",
	                     "kinds, as in `delivered, failed`; default: all" },
	[WEBHOOK_TAG] = { "tag", "only mail with this tag; a pattern" },
	[WEBHOOK_FROM] = { "from",
	                   "where to begin the first time: now or oldest" },
	[WEBHOOK_BATCH] = { "batch", "up to so many events in one request" },
	[WEBHOOK_LINGER] = { "linger", "how long a batch waits for more" },
	[WEBHOOK_TIMEOUT] = { "timeout", "of one request; default 10s" },
	[WEBHOOK_RETRY_FIRST] = { "retry_first", "the first wait after a "
	                                         "failure; default 1s" },
	[WEBHOOK_RETRY_MAXIMUM] = { "retry_maximum",
	                            "the longest; default 5m" },
	[WEBHOOK_CA_FILE] = { "ca_file", "authorities to trust, in PEM" },
	[WEBHOOK_POSITION_FILE] = { "position_file",
	                            "remembers what was posted" },
	[WEBHOOK_SOCKET] = { "socket", "the control socket of relaisd" },
};

static bool is_name(const char *given, size_t len, const char *name);
static char *value_dup(const char *text, size_t len);
static int read_line(struct webhook_settings *settings, const char *path,
                     unsigned number, char *line,
                     char error[WEBHOOK_ERROR_SIZE]);
static int read_time(const struct webhook_settings *settings,
                     enum webhook_key key, const char *otherwise,
                     unsigned maximum_ms, unsigned *ret_ms,
                     char error[WEBHOOK_ERROR_SIZE]);
static int read_batch(struct webhook_settings *settings,
                      char error[WEBHOOK_ERROR_SIZE]);
static int complete_paths(struct webhook_settings *settings,
                          char error[WEBHOOK_ERROR_SIZE]);

int webhook_settings_set(struct webhook_settings *settings, const char *key,
                         size_t key_len, const char *value, bool is_option,
                         char error[WEBHOOK_ERROR_SIZE])
{
	for (size_t i = 0; i < WEBHOOK_KEYS; i++) {
		if (!is_name(key, key_len, keys[i].name))
			continue;
		if (settings->is_option[i] && !is_option)
			return 0;
		free(settings->text[i]);
		settings->text[i] = value_dup(value, strlen(value));
		settings->is_option[i] = is_option;
		if (settings->text[i])
			return 0;
		(void)snprintf(error, WEBHOOK_ERROR_SIZE,
		               "%s: is empty; expected %s", keys[i].name,
		               keys[i].what);
		return -EINVAL;
	}
	(void)snprintf(
	    error, WEBHOOK_ERROR_SIZE,
	    "%.*s: there is no such setting; relais-webhook --help lists them",
	    key_len < 64 ? (int)key_len : 64, key);
	return -EINVAL;
}

/* secret_file and secret-file alike. */
static bool is_name(const char *given, size_t len, const char *name)
{
	if (strlen(name) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (given[i] != name[i] && !(given[i] == '-' && name[i] == '_'))
			return false;
	return true;
}

/* Without spaces and quotes around it; NULL if nothing is left. */
static char *value_dup(const char *text, size_t len)
{
	static const char space[] = " \t\r\n";

	while (len > 0 && strchr(space, text[0])) {
		text++;
		len--;
	}
	while (len > 0 && strchr(space, text[len - 1]))
		len--;
	if (len >= 2 && text[0] == text[len - 1] &&
	    (text[0] == '"' || text[0] == '\'')) {
		text++;
		len -= 2;
	}
	return len > 0 ? strndup(text, len) : NULL;
}

int webhook_settings_read_option(struct webhook_settings *settings, int argc,
                                 char *argv[], int *at, const char **ret_file,
                                 char error[WEBHOOK_ERROR_SIZE])
{
	const char *word = argv[*at], *key = word + 2, *value;
	size_t len;

	if (strncmp(word, "--", 2) != 0) {
		(void)snprintf(error, WEBHOOK_ERROR_SIZE,
		               "`%.80s`: expected an option; see --help", word);
		return -EINVAL;
	}
	len = strcspn(key, "=");
	value = key[len] ? key + len + 1 : NULL;
	if (!value && *at + 1 < argc)
		value = argv[++*at];
	if (!value) {
		(void)snprintf(error, WEBHOOK_ERROR_SIZE,
		               "--%.80s: expected a value behind it", key);
		return -EINVAL;
	}
	if (len == 6 && strncmp(key, "config", len) == 0) {
		*ret_file = value;
		return 0;
	}
	return webhook_settings_set(settings, key, len, value, true, error);
}

/* ------------------------------------------------------------------- file */

int webhook_settings_read(struct webhook_settings *settings, const char *path,
                          bool may_be_missing, char error[WEBHOOK_ERROR_SIZE])
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	unsigned number = 0;
	int r = 0;

	if (!file && errno == ENOENT && may_be_missing)
		return 0;
	if (!file) {
		(void)snprintf(error, WEBHOOK_ERROR_SIZE, "%.200s: %s", path,
		               strerror(errno));
		return -EINVAL;
	}
	while (r == 0 && getline(&line, &size, file) >= 0)
		r = read_line(settings, path, ++number, line, error);
	free(line);
	(void)fclose(file);
	return r;
}

static int read_line(struct webhook_settings *settings, const char *path,
                     unsigned number, char *line,
                     char error[WEBHOOK_ERROR_SIZE])
{
	char *start = line + strspn(line, " \t\r\n"), *colon;
	char why[WEBHOOK_ERROR_SIZE];
	int r;

	if (*start == '\0' || *start == '#')
		return 0;
	colon = strchr(start, ':');
	if (!colon) {
		(void)snprintf(error, WEBHOOK_ERROR_SIZE,
		               "%.200s:%u: expected KEY: VALUE", path, number);
		return -EINVAL;
	}
	r = webhook_settings_set(settings, start, (size_t)(colon - start),
	                         colon + 1, false, why);
	if (r < 0)
		(void)snprintf(error, WEBHOOK_ERROR_SIZE, "%.200s:%u: %.160s",
		               path, number, why);
	return r;
}

/* --------------------------------------------------------------- complete */

int webhook_settings_complete(struct webhook_settings *settings,
                              char error[WEBHOOK_ERROR_SIZE])
{
	const char *url = settings->text[WEBHOOK_URL];
	const char *from = settings->text[WEBHOOK_FROM];
	int r;

	if (!url || (strncasecmp(url, "http://", 7) != 0 &&
	             strncasecmp(url, "https://", 8) != 0)) {
		(void)snprintf(error, WEBHOOK_ERROR_SIZE,
		               "url: expected https://… or http://…%s%.100s",
		               url ? ", not " : "", url ? url : "");
		return -EINVAL;
	}
	if (from && strcmp(from, "now") != 0 && strcmp(from, "oldest") != 0) {
		(void)snprintf(error, WEBHOOK_ERROR_SIZE,
		               "from: expected now or oldest, not %.100s",
		               from);
		return -EINVAL;
	}
	settings->is_from_oldest = from && strcmp(from, "oldest") == 0;
	r = read_batch(settings, error);
	if (r == 0)
		r = read_time(settings, WEBHOOK_LINGER, "0", HOUR_MS,
		              &settings->linger_ms, error);
	if (r == 0)
		r = read_time(settings, WEBHOOK_TIMEOUT, "10s", HOUR_MS,
		              &settings->timeout_ms, error);
	if (r == 0)
		r = read_time(settings, WEBHOOK_RETRY_FIRST, "1s", HOUR_MS,
		              &settings->retry_first_ms, error);
	if (r == 0)
		r = read_time(settings, WEBHOOK_RETRY_MAXIMUM, "5m",
		              24 * HOUR_MS, &settings->retry_maximum_ms, error);
	if (r == 0)
		r = complete_paths(settings, error);
	if (settings->retry_maximum_ms < settings->retry_first_ms)
		settings->retry_maximum_ms = settings->retry_first_ms;
	return r;
}

static int read_batch(struct webhook_settings *settings,
                      char error[WEBHOOK_ERROR_SIZE])
{
	const char *text = settings->text[WEBHOOK_BATCH];
	char *end;
	unsigned long value;

	settings->batch = 1;
	settings->is_batched = text != NULL;
	if (!text)
		return 0;
	value = strtoul(text, &end, 10);
	if (*text < '1' || *text > '9' || *end || value > BATCH_MAX) {
		(void)snprintf(error, WEBHOOK_ERROR_SIZE,
		               "batch: expected 1 to %u, not %.100s", BATCH_MAX,
		               text);
		return -EINVAL;
	}
	settings->batch = (unsigned)value;
	return 0;
}

/* A number and ms, s, m or h; 0 needs none. */
static int read_time(const struct webhook_settings *settings,
                     enum webhook_key key, const char *otherwise,
                     unsigned maximum_ms, unsigned *ret_ms,
                     char error[WEBHOOK_ERROR_SIZE])
{
	static const struct {
		const char *unit;
		unsigned ms;
	} units[] = {
		{ "ms", 1 },
		{ "s", 1000 },
		{ "m", 60000 },
		{ "h", HOUR_MS },
	};
	const char *text =
	    settings->text[key] ? settings->text[key] : otherwise;
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text >= '0' && *text <= '9' && value <= maximum_ms) {
		if (value == 0 && *end == '\0' && key == WEBHOOK_LINGER) {
			*ret_ms = 0;
			return 0;
		}
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (strcmp(end, units[i].unit) == 0 && value > 0 &&
			    value <= maximum_ms / units[i].ms) {
				*ret_ms = (unsigned)value * units[i].ms;
				return 0;
			}
	}
	(void)snprintf(
	    error, WEBHOOK_ERROR_SIZE,
	    "%s: expected a time such as 500ms, 10s, 5m or 1h, not %.100s",
	    keys[key].name, text);
	return -EINVAL;
}

/* What systemd has made for us, else where a host has such things. */
static int default_path(char **field, const char *variable, const char *name,
                        const char *otherwise)
{
	const char *folder = getenv(variable);

	if (*field)
		return 0;
	if (folder) {
		if (asprintf(field, "%s/%s", folder, name) < 0)
			*field = NULL;
	} else if (otherwise) {
		*field = strdup(otherwise);
	}
	return *field || !otherwise ? 0 : -ENOMEM;
}

static int complete_paths(struct webhook_settings *settings,
                          char error[WEBHOOK_ERROR_SIZE])
{
	const char *socket = getenv("RELAIS_CONTROL_SOCKET");

	if (default_path(&settings->text[WEBHOOK_POSITION_FILE],
	                 "STATE_DIRECTORY", "position",
	                 "/var/lib/relais-webhook/position") < 0 ||
	    default_path(&settings->text[WEBHOOK_SECRET_FILE],
	                 "CREDENTIALS_DIRECTORY", "webhook-secret", NULL) < 0 ||
	    default_path(&settings->text[WEBHOOK_SOCKET], "", "",
	                 socket ? socket : "/run/relais/control.sock") < 0) {
		(void)snprintf(error, WEBHOOK_ERROR_SIZE, "out of memory");
		return -EINVAL;
	}
	if (settings->text[WEBHOOK_SECRET_FILE])
		return 0;
	(void)snprintf(
	    error, WEBHOOK_ERROR_SIZE,
	    "secret_file: is needed, so that whoever is told can tell who "
	    "told him; make one: (umask 077; openssl rand -base64 32 "
	    "> /etc/relais/webhook.secret)");
	return -EINVAL;
}

void webhook_settings_done(struct webhook_settings *settings)
{
	for (size_t i = 0; i < WEBHOOK_KEYS; i++)
		free(settings->text[i]);
}

const char *webhook_settings_option(size_t n, const char **ret_what)
{
	if (n >= WEBHOOK_KEYS)
		return NULL;
	*ret_what = keys[n].what;
	return keys[n].name;
}

/* ----------------------------------------------------------------- filter */

/* Words with commas or spaces between them, in brackets or not. */
static bool has_word(const char *list, const char *word)
{
	static const char between[] = ", []";
	size_t len = strlen(word);

	while (*(list += strspn(list, between)) != '\0') {
		size_t n = strcspn(list, between);

		if (n == len && memcmp(list, word, n) == 0)
			return true;
		list += n;
	}
	return false;
}

bool webhook_settings_want(const struct webhook_settings *settings,
                           const char *kind, const char *tag)
{
	const char *kinds = settings->text[WEBHOOK_EVENTS];
	const char *pattern = settings->text[WEBHOOK_TAG];

	if (kinds && !has_word(kinds, kind))
		return false;
	return !pattern || (tag && pattern_matches(pattern, tag));
}
