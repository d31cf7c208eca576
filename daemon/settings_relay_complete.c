/*
 * settings_relay_complete - what is worked out from a relay's keys
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "providers.h"
#include "relay_url.h"
#include "runtime/xalloc.h"
#include "secret.h"
#include "settings_relay.h"
#include "settings_value.h"

#define FINGERPRINT_DIGITS 64

static void complete_kind(struct settings_reader *reader,
                          struct relay_draft *draft,
                          const struct settings_node *node);
static void complete_authentication(struct settings_reader *reader,
                                    struct relay_draft *draft,
                                    const struct settings_node *node);
static void complete_login(struct settings_reader *reader,
                           struct relay_draft *draft,
                           const struct settings_node *node);
static void read_secret(struct settings_reader *reader,
                        struct relay_draft *draft,
                        const struct settings_node *node);
static void complete_security(struct settings_reader *reader,
                              struct relay_draft *draft,
                              const struct settings_node *node);
static void complete_tls(struct settings_reader *reader,
                         struct relay_draft *draft,
                         const struct settings_node *node);
static char *credential_path(const char *name);
static bool is_loopback(const char *host);

void settings_relay_complete(struct settings_reader *reader,
                             struct relay_draft *draft,
                             const struct settings_node *node)
{
	complete_kind(reader, draft, node);
	complete_authentication(reader, draft, node);
	settings_relay_complete_oauth(reader, draft, node);
	read_secret(reader, draft, node);
	complete_security(reader, draft, node);
	complete_login(reader, draft, node);
	complete_tls(reader, draft, node);
	if (draft->relay.from_apply != RELAY_FROM_MISSING &&
	    !draft->relay.from.address)
		settings_relay_complain(reader, node, "from",
		                        "needs an address");
	if (draft->relay.reply_to.name && !draft->relay.reply_to.address)
		settings_relay_complain(reader, node, "reply_to",
		                        "needs an address");
}

void settings_relay_complain(struct settings_reader *reader,
                             const struct settings_node *node, const char *key,
                             const char *format, ...)
{
	const struct settings_node *child = settings_node_find(node, key);
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	settings_errors_add(reader->errors,
	                    child ? &child->place : &node->place, "%s%s: %s",
	                    reader->prefix, key, text);
}

void settings_relay_apply_url_take(struct relay_draft *draft,
                                   struct relay_url *url)
{
	struct relay_settings *relay = &draft->relay;

	relay->kind = url->kind;
	if (url->host || url->kind != RELAY_SMTP) {
		free(relay->host);
		relay->host = url->host;
		relay->port = url->port;
		url->host = NULL;
	}
	if (url->has_security) {
		relay->security = url->security;
		draft->has_security = true;
	}
	if (url->username) {
		free(relay->username);
		relay->username = url->username;
		url->username = NULL;
	}
	relay->path = url->path;
	url->path = NULL;
	draft->password = url->password;
	url->password = NULL;
	relay_url_done(url);
}

/* Host, path, and keys that mean nothing to this kind. */
static void complete_kind(struct settings_reader *reader,
                          struct relay_draft *draft,
                          const struct settings_node *node)
{
	static const char *const smtp_only[] = {
		"username",         "authentication",
		"password",         "password_file",
		"password_command", "credential",
		"token_command",    "oauth",
		"security",         NULL
	};
	const struct relay_settings *relay = &draft->relay;
	size_t i;

	if ((relay->kind == RELAY_SMTP || relay->kind == RELAY_LMTP) &&
	    !relay->host && !relay->path) {
		settings_relay_complain(reader, node, "host", "is needed%s%s",
		                        relay->provider ? ": fill in " : "",
		                        relay->provider ? relay->provider->host
		                                        : "");
		return;
	}
	if (relay->kind != RELAY_DIRECT && relay->kind != RELAY_MAILDIR)
		return;
	if (settings_node_find(node, "host") || relay->provider)
		settings_relay_complain(
		    reader, node, "host",
		    "does not fit to %s:", relay_kind_name(relay->kind));
	for (i = 0; smtp_only[i]; i++)
		if (settings_node_find(node, smtp_only[i]))
			settings_relay_complain(reader, node, smtp_only[i],
			                        "does not fit to %s:",
			                        relay_kind_name(relay->kind));
}

static void complete_authentication(struct settings_reader *reader,
                                    struct relay_draft *draft,
                                    const struct settings_node *node)
{
	static const char *const mechanisms[] = {
		"PLAIN",       "LOGIN",         "CRAM-MD5",
		"SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2",
		"OAUTHBEARER", "EXTERNAL",      NULL
	};
	struct relay_settings *relay = &draft->relay;
	const char *text = draft->authentication;
	bool is_on;
	size_t i;

	if (!text) {
		relay->authentication = relay->username
		                            ? RELAY_AUTHENTICATION_ON
		                            : RELAY_AUTHENTICATION_OFF;
		return;
	}
	if (settings_value_boolean(text, &is_on) == 0) {
		relay->authentication =
		    is_on ? RELAY_AUTHENTICATION_ON : RELAY_AUTHENTICATION_OFF;
		return;
	}
	relay->authentication = RELAY_AUTHENTICATION_MECHANISM;
	for (i = 0; mechanisms[i]; i++)
		if (strcasecmp(mechanisms[i], text) == 0)
			break;
	if (mechanisms[i])
		relay->mechanism = xstrdup(mechanisms[i]);
	else
		settings_relay_complain(
		    reader, node, "authentication",
		    "`%.80s` is unknown; expected on, off, PLAIN, LOGIN, "
		    "CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, XOAUTH2, "
		    "OAUTHBEARER or EXTERNAL",
		    text);
}

static void read_secret(struct settings_reader *reader,
                        struct relay_draft *draft,
                        const struct settings_node *node)
{
	struct relay_settings *relay = &draft->relay;
	char *path;
	int given = 0;

	given += draft->password != NULL;
	given += draft->password_file != NULL;
	given += draft->credential != NULL;
	given += draft->password_command.count > 0;
	given += draft->token_command.count > 0;
	given += draft->relay.oauth.is_set;
	draft->has_secret = given > 0;
	if (given > 1) {
		settings_relay_complain(
		    reader, node, "password",
		    "is given in %d ways; expected one of password, "
		    "password_file, credential, password_command, "
		    "token_command and oauth",
		    given);
		return;
	}
	if (draft->password) {
		relay->password = secret_new_text(draft->password);
	} else if (draft->password_file) {
		settings_relay_read_secret_file(reader, node, "password_file",
		                                draft->password_file,
		                                &relay->password);
	} else if (draft->credential) {
		path = credential_path(draft->credential);
		if (path)
			settings_relay_read_secret_file(
			    reader, node, "credential", path, &relay->password);
		else
			settings_relay_complain(
			    reader, node, "credential",
			    "the service manager passed none: "
			    "$CREDENTIALS_DIRECTORY is not set");
		free(path);
	} else if (draft->password_command.count > 0) {
		relay->password =
		    secret_new_command(draft->password_command.word);
	} else if (draft->token_command.count > 0) {
		relay->token = secret_new_command(draft->token_command.word);
	}
}

void settings_relay_read_secret_file(struct settings_reader *reader,
                                     const struct settings_node *node,
                                     const char *key, const char *path,
                                     struct secret **ret_secret)
{
	int r;

	r = secret_new_file(ret_secret, path);
	if (r == -ENODATA)
		settings_relay_complain(reader, node, key,
		                        "%s has no password in its first line",
		                        path);
	else if (r < 0)
		settings_relay_complain(reader, node, key, "%s: %s", path,
		                        strerror(-r));
	else
		settings_relay_warn_of_readers(reader, node, key, path);
}

void settings_relay_warn_of_readers(struct settings_reader *reader,
                                    const struct settings_node *node,
                                    const char *key, const char *path)
{
	const struct settings_node *child = settings_node_find(node, key);
	struct stat status;

	if (stat(path, &status) == 0 && (status.st_mode & S_IROTH))
		settings_errors_warn(
		    reader->errors, child ? &child->place : &node->place,
		    "%s%s: %s can be read by everybody; `chmod 0640` it",
		    reader->prefix, key, path);
}

/* Needs to know whether there is a login. */
static void complete_security(struct settings_reader *reader,
                              struct relay_draft *draft,
                              const struct settings_node *node)
{
	struct relay_settings *relay = &draft->relay;
	bool has_login = relay->authentication != RELAY_AUTHENTICATION_OFF;
	const struct provider *provider = relay->provider;

	if (settings_node_find(node, "security"))
		draft->has_security = true;
	if (relay->kind == RELAY_MAILDIR || relay->path)
		relay->security = RELAY_CLEAR;
	else if (relay->kind == RELAY_DIRECT)
		relay->security = RELAY_OPPORTUNISTIC;
	else if (draft->has_security)
		;
	else if (provider && relay->port == provider->port)
		relay->security =
		    strcmp(provider->security, "tls") == 0    ? RELAY_TLS
		    : strcmp(provider->security, "none") == 0 ? RELAY_CLEAR
							      : RELAY_STARTTLS;
	else if (relay->port == 465)
		relay->security = RELAY_TLS;
	else if (has_login)
		relay->security =
		    is_loopback(relay->host) ? RELAY_CLEAR : RELAY_STARTTLS;
	else
		relay->security = RELAY_OPPORTUNISTIC;

	if (has_login && relay->security == RELAY_OPPORTUNISTIC)
		settings_relay_complain(
		    reader, node, "security",
		    "opportunistic is only for relays without a login; "
		    "expected tls or starttls");
	if (relay->port != 0 || relay->path || relay->kind == RELAY_MAILDIR)
		return;
	if (relay->kind == RELAY_LMTP)
		relay->port = 24;
	else if (relay->security == RELAY_TLS)
		relay->port = 465;
	else if (relay->security == RELAY_STARTTLS)
		relay->port = 587;
	else
		relay->port = 25;
}

static void complete_login(struct settings_reader *reader,
                           struct relay_draft *draft,
                           const struct settings_node *node)
{
	const struct relay_settings *relay = &draft->relay;
	const char *mechanism = relay->mechanism ? relay->mechanism : "";
	bool needs_token = strcmp(mechanism, "XOAUTH2") == 0 ||
	                   strcmp(mechanism, "OAUTHBEARER") == 0;

	if (relay->authentication == RELAY_AUTHENTICATION_OFF) {
		if (draft->has_secret)
			settings_relay_complain(reader, node, "authentication",
			                        "there is a password, but %s",
			                        draft->authentication
			                            ? "this is off"
			                            : "no username");
		return;
	}
	if (strcmp(mechanism, "EXTERNAL") == 0) {
		if (!relay->tls.certificate)
			settings_relay_complain(
			    reader, node, "authentication",
			    "EXTERNAL needs tls.certificate");
		return;
	}
	if (!relay->username)
		settings_relay_complain(reader, node, "username",
		                        "is needed to log in");
	/* Without one the built-in relay holds its mail, and says why. */
	if (!draft->has_secret && relay->managed != RELAY_MANAGED_BUILT_IN)
		settings_relay_complain(
		    reader, node, "password",
		    "is needed to log in: one of password, password_file, "
		    "credential, password_command, token_command and oauth");
	if (needs_token && relay->password &&
	    secret_command_borrow(relay->password))
		settings_relay_complain(
		    reader, node, "password_command",
		    "%s takes a token; expected token_command", mechanism);
	if (relay->oauth.is_set && !needs_token && *mechanism)
		settings_relay_complain(
		    reader, node, "authentication",
		    "%s takes no token; with oauth expected on, XOAUTH2 or "
		    "OAUTHBEARER",
		    mechanism);
	if (relay->security == RELAY_CLEAR && !is_loopback(relay->host))
		settings_errors_warn(
		    reader->errors, &node->place,
		    "%ssecurity: the password crosses the network in clear",
		    reader->prefix);
}

static void complete_tls(struct settings_reader *reader,
                         struct relay_draft *draft,
                         const struct settings_node *node)
{
	struct relay_tls *tls = &draft->relay.tls;
	const char *text = draft->fingerprint;
	size_t i;

	if (tls->key && !tls->certificate)
		settings_relay_complain(
		    reader, node, "tls",
		    "key is for a certificate, which is not given");
	if (tls->ca_file && access(tls->ca_file, R_OK) < 0)
		settings_relay_complain(reader, node, "tls", "ca_file %s: %s",
		                        tls->ca_file, strerror(errno));
	if (tls->certificate && access(tls->certificate, R_OK) < 0)
		settings_relay_complain(reader, node, "tls",
		                        "certificate %s: %s", tls->certificate,
		                        strerror(errno));
	if (tls->key && access(tls->key, R_OK) < 0)
		settings_relay_complain(reader, node, "tls", "key %s: %s",
		                        tls->key, strerror(errno));
	if (!text)
		return;
	if (strncmp(text, "sha256:", 7) != 0 ||
	    strspn(text + 7, "0123456789abcdefABCDEF") != FINGERPRINT_DIGITS ||
	    text[7 + FINGERPRINT_DIGITS] != '\0') {
		settings_relay_complain(
		    reader, node, "tls",
		    "fingerprint is expected as sha256: and 64 hex digits");
		return;
	}
	tls->fingerprint = xstrdup(text + 7);
	for (i = 0; i < FINGERPRINT_DIGITS; i++)
		tls->fingerprint[i] =
		    (char)tolower((unsigned char)tls->fingerprint[i]);
}

void settings_relay_find_built_in_password(struct settings_reader *reader,
                                           struct relay_draft *draft)
{
	char *path = credential_path("relais.built-in");

	if (!path || access(path, R_OK) < 0) {
		free(path);
		path = xasprintf("%s/built-in.secret", reader->directory);
	}
	if (access(path, R_OK) == 0)
		draft->password_file = path;
	else
		free(path);
}

/* NULL if the service manager passed no credentials. */
static char *credential_path(const char *name)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");

	return directory ? xasprintf("%s/%s", directory, name) : NULL;
}

static bool is_loopback(const char *host)
{
	return host &&
	       (strcmp(host, "localhost") == 0 ||
	        strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0);
}
