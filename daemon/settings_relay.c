/*
 * settings_relay - how a relay is read, and what is worked out from it
 *
 * What is written goes before its url, the url before the provider's values,
 * those before the defaults.
 */
#include "config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "providers.h"
#include "relay_url.h"
#include "runtime/xalloc.h"
#include "secret.h"
#include "settings_relay.h"
#include "settings_value.h"

#define NAME_MAX_LEN 64

static void read_relay(struct settings_reader *reader,
                       const struct settings_node *node);
static void refuse_root_key(struct settings_reader *reader,
                            const struct settings_node *node);
static void apply_provider(struct settings_reader *reader,
                           struct relay_draft *draft,
                           const struct settings_node *node);
static void apply_provider_limits(struct relay_limits *limits,
                                  const struct provider *provider);
static void apply_url(struct settings_reader *reader, struct relay_draft *draft,
                      const struct settings_node *node);
static void refuse_twice(struct settings_reader *reader,
                         const struct settings_node *node, const char *key,
                         bool is_in_url);
static void add_relay_take(struct settings_reader *reader,
                           const struct settings_node *node,
                           struct relay_settings *relay);
static void draft_done(struct relay_draft *draft);

/* The field is that of the main settings; the reader knows them. */
static void read_relays(struct settings_reader *reader,
                        const struct settings_key *key,
                        const struct settings_node *node, void *field)
{
	const struct settings_node *child;
	size_t len;

	(void)field;
	if (node->kind != SETTINGS_NODE_MAPPING) {
		settings_reader_error(reader, key, node,
		                      "expected a map from names to relays");
		return;
	}
	for (child = node->first; child; child = child->next) {
		if (child->kind == SETTINGS_NODE_BROKEN)
			continue;
		len = settings_reader_enter(reader, "relays.");
		(void)settings_reader_enter(reader, child->key);
		(void)settings_reader_enter(reader, ".");
		read_relay(reader, child);
		settings_reader_leave(reader, len);
	}
}

const struct settings_type settings_type_relays = { "map of maps",
	                                            read_relays };

static void read_relay(struct settings_reader *reader,
                       const struct settings_node *node)
{
	struct relay_draft draft = { 0 };
	size_t errors = reader->errors->error_count;

	if (!settings_relay_is_name(node->key)) {
		settings_reader_error(
		    reader, NULL, node,
		    "is no name for a relay; expected letters, digits, dots, "
		    "dashes and underscores, and not `%s`",
		    SETTINGS_BUILT_IN_NAME);
		return;
	}
	draft.relay.name = xstrdup(node->key);
	draft.relay.id = settings_relay_id(node->key);
	draft.relay.managed = reader->managed;
	draft.relay.file = xstrdup(node->place.file);
	draft.oauth.grant = OAUTH_GRANT_UNSET;
	settings_reader_set_defaults(reader, settings_keys_relay, &draft);
	if (node->kind == SETTINGS_NODE_MAPPING) {
		refuse_root_key(reader, node);
		apply_provider(reader, &draft, node);
		apply_url(reader, &draft, node);
	}
	settings_reader_read(reader, settings_keys_relay, node, &draft);
	if (reader->errors->error_count == errors)
		settings_relay_complete(reader, &draft, node);
	/* One with errors is kept, too: others may refer to it. */
	add_relay_take(reader, node, &draft.relay);
	draft_done(&draft);
}

bool settings_relay_is_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strlen(name);

	return len > 0 && len <= NAME_MAX_LEN && strspn(name, letters) == len &&
	       isalnum((unsigned char)name[0]) &&
	       strcmp(name, SETTINGS_BUILT_IN_NAME) != 0;
}

const char *settings_relay_root_key(const struct settings_node *node)
{
	static const char *const keys[] = { "password_file", "password_command",
		                            "token_command", NULL };
	static const char *const tls_keys[] = { "ca_file", "certificate", "key",
		                                NULL };
	static const char *const oauth_keys[] = { "client_secret_file",
		                                  "key_file", "ca_file", NULL };
	static const char *const paths[] = { "maildir:", "lmtp:///", NULL };
	const struct settings_node *url = settings_node_find(node, "url");
	const struct settings_node *tls = settings_node_find(node, "tls");
	const struct settings_node *oauth = settings_node_find(node, "oauth");
	size_t i;

	for (i = 0; keys[i]; i++)
		if (settings_node_find(node, keys[i]))
			return keys[i];
	for (i = 0; tls && tls_keys[i]; i++)
		if (settings_node_find(tls, tls_keys[i]))
			return tls_keys[i];
	for (i = 0; oauth && oauth_keys[i]; i++)
		if (settings_node_find(oauth, oauth_keys[i]))
			return oauth_keys[i];
	for (i = 0; url && url->text && paths[i]; i++)
		if (strncmp(url->text, paths[i], strlen(paths[i])) == 0)
			return "url";
	return NULL;
}

static void refuse_root_key(struct settings_reader *reader,
                            const struct settings_node *node)
{
	const char *key = settings_relay_root_key(node);

	if (key && reader->managed == RELAY_MANAGED_API)
		settings_errors_add(
		    reader->errors, &node->place,
		    "%s%s: runs a program or names a file: it can only be set "
		    "in the administrator's files",
		    reader->prefix, key);
}

int settings_load_relay(const struct settings *base, const char *name,
                        const struct settings_node *node,
                        const struct settings **ret_settings,
                        struct settings_errors *errors)
{
	struct settings_main whole = { 0 };
	struct settings_reader reader = { .errors = errors,
		                          .main = &whole,
		                          .managed = RELAY_MANAGED_API };
	size_t errors_before = errors->error_count;
	struct settings *settings = &whole.settings;
	struct settings_node relay = *node;
	size_t i;

	relay.key = xstrdup(name);
	reader.directory = xstrdup("/");
	(void)settings_reader_enter(&reader, name);
	(void)settings_reader_enter(&reader, ".");
	read_relay(&reader, &relay);
	/* Others that it names are not looked at. */
	for (i = 0; i < reader.reference_count; i++) {
		free(reader.references[i].path);
		free(reader.references[i].relay);
	}
	free(reader.references);
	free(reader.directory);
	free(relay.key);
	if (errors->error_count == errors_before) {
		settings->hostname = xstrdup(base->hostname);
		settings->has_full_hostname = base->has_full_hostname;
		settings->domain = xstrdup(base->domain);
		settings->has_full_domain = base->has_full_domain;
		settings->default_relay = &settings->relays[0];
		*ret_settings = settings_new_take(settings);
	}
	settings_done(settings);
	return errors->error_count == errors_before ? 0 : -EINVAL;
}

static void apply_provider(struct settings_reader *reader,
                           struct relay_draft *draft,
                           const struct settings_node *node)
{
	const struct settings_node *id = settings_node_find(node, "provider");
	const struct settings_node *limits;
	const struct provider *provider;
	struct relay_settings *relay = &draft->relay;

	if (!id || id->kind != SETTINGS_NODE_SCALAR)
		return;
	provider = provider_find(id->text);
	if (!provider) {
		const char **ids =
		    xcalloc(providers_table_size + 1, sizeof(*ids));
		const char *nearest;
		size_t i;

		for (i = 0; i < providers_table_size; i++)
			ids[i] = providers_table[i].id;
		nearest = settings_nearest_word(id->text, ids);
		settings_errors_add(
		    reader->errors, &id->place,
		    "%sprovider: `%.80s` is unknown%s%s%s; `relaisctl "
		    "providers` lists them",
		    reader->prefix, id->text, nearest ? "; did you mean `" : "",
		    nearest ? nearest : "", nearest ? "`?" : "");
		free(ids);
		return;
	}
	relay->provider = provider;
	if (!strchr(provider->host, '{'))
		relay->host = xstrdup(provider->host);
	relay->port = provider->port;
	apply_provider_limits(&relay->limits, provider);
	limits = settings_node_find(node, "limits");
	if (limits && settings_node_find(limits, "size"))
		relay->limits.usual_size_bytes = 0;
	if (provider->username && provider->username[0] == '=')
		relay->username = xstrdup(provider->username + 1);
	if (provider->tls_minimum && strcmp(provider->tls_minimum, "1.3") == 0)
		relay->tls.minimum = TLS_MINIMUM_1_3;
}

/* `rates` is a list of words, at most SETTINGS_RATES_MAX by a test. */
static void apply_provider_limits(struct relay_limits *limits,
                                  const struct provider *provider)
{
	char word[32];
	const char *rest = provider->rates;
	size_t n;

	if (provider->connections)
		limits->connections = provider->connections;
	if (provider->messages_per_connection)
		limits->messages_per_connection =
		    provider->messages_per_connection;
	if (provider->recipients)
		limits->recipients = provider->recipients;
	limits->usual_size_bytes = (uint64_t)provider->size_mib << 20;
	if (provider->idle_s)
		limits->idle_s = provider->idle_s;
	if (provider->lifetime_s)
		limits->lifetime_s = provider->lifetime_s;
	for (; rest && *rest; rest += n + strspn(rest + n, " ")) {
		n = strcspn(rest, " ");
		(void)snprintf(word, sizeof(word), "%.*s", (int)n, rest);
		if (limits->rate_count < SETTINGS_RATES_MAX &&
		    settings_value_rate(
			word, &limits->rates[limits->rate_count]) == 0)
			limits->rate_count++;
	}
}

static void apply_url(struct settings_reader *reader, struct relay_draft *draft,
                      const struct settings_node *node)
{
	const struct settings_node *text = settings_node_find(node, "url");
	const char *problem;
	struct relay_url url;

	if (!text || text->kind != SETTINGS_NODE_SCALAR)
		return;
	if (relay_url_parse(&url, text->text, &problem) < 0) {
		settings_errors_add(reader->errors, &text->place, "%surl: %s",
		                    reader->prefix, problem);
		return;
	}
	refuse_twice(reader, node, "host", url.host || url.path);
	refuse_twice(reader, node, "port", url.port != 0);
	refuse_twice(reader, node, "security", url.has_security);
	refuse_twice(reader, node, "username", url.username);
	refuse_twice(reader, node, "password", url.password);
	if (url.password)
		reader->has_secret = true;
	settings_relay_apply_url_take(draft, &url);
}

static void refuse_twice(struct settings_reader *reader,
                         const struct settings_node *node, const char *key,
                         bool is_in_url)
{
	const struct settings_node *child = settings_node_find(node, key);

	if (child && is_in_url)
		settings_errors_add(
		    reader->errors, &child->place,
		    "%s%s: is in the url, too; expected it only once",
		    reader->prefix, key);
}

static void add_relay_take(struct settings_reader *reader,
                           const struct settings_node *node,
                           struct relay_settings *relay)
{
	struct settings *settings = &reader->main->settings;
	const struct relay_settings *other;

	other = settings_find_relay(settings, relay->id);
	if (other && strcmp(other->name, relay->name) == 0) {
		settings_errors_add(reader->errors, &node->key_place,
		                    "relays.%s: is defined in %s, too",
		                    relay->name, other->file);
	} else if (other) {
		settings_errors_add(
		    reader->errors, &node->key_place,
		    "relays.%s: by a rare chance the name cannot be told from "
		    "`%s` in the queue; expected another name",
		    relay->name, other->name);
	}
	if (other) {
		relay_settings_done(relay);
		return;
	}
	settings->relays =
	    xrealloc(settings->relays,
	             (settings->relay_count + 1) * sizeof(*settings->relays));
	settings->relays[settings->relay_count++] = *relay;
}

void settings_relay_add_built_in(struct settings_reader *reader,
                                 const char *url)
{
	struct settings_node node = { .kind = SETTINGS_NODE_MAPPING,
		                      .place = { "the built-in default relay",
		                                 0, 0 } };
	struct relay_draft draft = { 0 };
	struct relay_url parts;
	const char *problem;

	if (relay_url_parse(&parts, url, &problem) < 0) {
		settings_errors_add(reader->errors, &node.place, "`%s` %s", url,
		                    problem);
		return;
	}
	draft.relay.name = xstrdup(SETTINGS_BUILT_IN_NAME);
	draft.relay.id = settings_relay_id(SETTINGS_BUILT_IN_NAME);
	draft.relay.managed = RELAY_MANAGED_BUILT_IN;
	settings_reader_set_defaults(reader, settings_keys_relay, &draft);
	settings_relay_apply_url_take(&draft, &parts);
	if (draft.relay.username)
		settings_relay_find_built_in_password(reader, &draft);
	(void)settings_reader_enter(reader, "relays.built-in.");
	settings_relay_complete(reader, &draft, &node);
	settings_reader_leave(reader, 0);
	add_relay_take(reader, &node, &draft.relay);
	draft_done(&draft);
}

static void draft_done(struct relay_draft *draft)
{
	if (draft->password)
		explicit_bzero(draft->password, strlen(draft->password));
	if (draft->url) /* may hold a password, too */
		explicit_bzero(draft->url, strlen(draft->url));
	free(draft->password);
	free(draft->url);
	free(draft->provider);
	free(draft->authentication);
	free(draft->fingerprint);
	free(draft->password_file);
	free(draft->credential);
	settings_words_done(&draft->password_command);
	settings_words_done(&draft->token_command);
	settings_relay_oauth_done(&draft->oauth);
}
