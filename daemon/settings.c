/*
 * settings - what the administrator wants, checked whole and never changed
 *
 * Their life and their look-ups; settings_load.c makes them.
 */
#include "config.h"

#include "settings.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aliases.h"
#include "runtime/xalloc.h"
#include "secret.h"
#include "settings_hints.h"
#include "settings_table.h"

/* Apart from the settings, so that const ones can be counted. */
struct settings_lifetime {
	atomic_uint references;
	struct settings *settings;
};

static const struct submitter_rule root_rule = {
	.administrator = true,
	.share_percent = 100,
	.priority_limit = PRIORITY_URGENT,
	.any_relay = true,
	.header_parameters = true,
};

static bool is_member(const gid_t *gids, size_t gid_count, gid_t gid);
static const char *word_of(const struct settings_choice *choices,
                           unsigned value);
static void staging_done(struct settings_staging *staging);

const struct settings *settings_new_take(struct settings *settings)
{
	struct settings *whole = xmalloc(sizeof(*whole));
	struct settings_lifetime *lifetime = xmalloc(sizeof(*lifetime));

	*whole = *settings;
	memset(settings, 0, sizeof(*settings));
	whole->lifetime = lifetime;
	lifetime->settings = whole;
	atomic_init(&lifetime->references, 1);
	return whole;
}

const struct settings *settings_ref(const struct settings *settings)
{
	if (settings)
		atomic_fetch_add(&settings->lifetime->references, 1);
	return settings;
}

void settings_unref(const struct settings *settings)
{
	struct settings_lifetime *lifetime;

	if (!settings)
		return;
	lifetime = settings->lifetime;
	if (atomic_fetch_sub(&lifetime->references, 1) > 1)
		return;
	settings_done(lifetime->settings);
	free(lifetime->settings);
	free(lifetime);
}

void settings_done(struct settings *settings)
{
	size_t i;

	for (i = 0; i < settings->relay_count; i++)
		relay_settings_done(&settings->relays[i]);
	free(settings->relays);
	free(settings->default_relay_file);
	free(settings->heirs);
	for (i = 0; i < settings->hint_count; i++)
		hint_rule_done(&settings->hints[i]);
	free(settings->hints);
	for (i = 0; i < settings->route_count; i++)
		route_rule_done(&settings->routes[i]);
	free(settings->routes);
	for (i = 0; i < settings->submitter_count; i++)
		submitter_rule_done(&settings->submitters[i]);
	free(settings->submitters);
	for (i = 0; i < settings->alias_count; i++) {
		free(settings->aliases[i].name);
		settings_words_done(&settings->aliases[i].targets);
	}
	free(settings->aliases);
	free(settings->aliases_file);
	for (i = 0; i < settings->receive.listen_count; i++)
		free(settings->receive.listen[i].address);
	free(settings->receive.listen);
	free(settings->receive.socket);
	free(settings->control.socket);
	free(settings->control.users);
	free(settings->control.groups);
	free(settings->metrics.textfile);
	settings_words_done(&settings->resolver.servers);
	free(settings->queue.directory);
	free(settings->bounces.to);
	free(settings->bounces.from);
	settings_words_done(&settings->alarms.command);
	free(settings->alarms.mail);
	settings_words_done(&settings->events_command);
	staging_done(&settings->staging);
	free(settings->hostname);
	free(settings->domain);
	free(settings->file);
}

static void relay_oauth_done(struct relay_oauth *oauth)
{
	secret_free(oauth->client_secret);
	secret_free(oauth->key);
	free(oauth->client_id);
	free(oauth->scopes);
	free(oauth->authorization_url);
	free(oauth->device_url);
	free(oauth->token_url);
	free(oauth->ca_file);
	free(oauth->key_id);
	free(oauth->issuer);
	free(oauth->subject);
	free(oauth->audience);
}

static void staging_done(struct settings_staging *staging)
{
	free(staging->redirect);
	settings_words_done(&staging->allow);
	settings_words_done(&staging->refuse);
}

void relay_settings_done(struct relay_settings *relay)
{
	size_t i;

	/* C does not convert what it points to. */
	free((void *)(uintptr_t)relay->rules.rules);
	free(relay->name);
	free(relay->description);
	free(relay->file);
	free(relay->host);
	free(relay->path);
	free(relay->hostname);
	free(relay->tls.ca_file);
	free(relay->tls.fingerprint);
	free(relay->tls.certificate);
	free(relay->tls.key);
	free(relay->mechanism);
	free(relay->username);
	secret_free(relay->password);
	secret_free(relay->token);
	relay_oauth_done(&relay->oauth);
	free(relay->from.address);
	free(relay->from.name);
	free(relay->reply_to.address);
	free(relay->reply_to.name);
	settings_words_done(&relay->allowed_from);
	for (i = 0; i < relay->header_count; i++) {
		free(relay->headers[i].name);
		free(relay->headers[i].value);
	}
	free(relay->headers);
	staging_done(&relay->staging);
	free(relay->fallback);
}

void route_rule_done(struct route_rule *rule)
{
	free(rule->from);
	free(rule->to);
	free(rule->tag);
}

void submitter_rule_done(struct submitter_rule *rule)
{
	settings_words_done(&rule->senders);
	free(rule->relays);
}

void settings_words_done(struct settings_words *words)
{
	size_t i;

	for (i = 0; i < words->count; i++)
		free(words->word[i]);
	free(words->word);
	words->word = NULL;
	words->count = 0;
}

const struct relay_settings *
settings_find_relay(const struct settings *settings, uint32_t id)
{
	size_t i;

	for (i = 0; i < settings->relay_count; i++)
		if (settings->relays[i].id == id)
			return &settings->relays[i];
	return NULL;
}

const struct relay_settings *
settings_find_relay_by_name(const struct settings *settings, const char *name)
{
	size_t i;

	for (i = 0; i < settings->relay_count; i++)
		if (strcmp(settings->relays[i].name, name) == 0)
			return &settings->relays[i];
	return NULL;
}

const struct relay_settings *settings_find_heir(const struct settings *settings,
                                                uint32_t id)
{
	size_t i;

	for (i = 0; i < settings->heir_count; i++)
		if (settings->heirs[i].relay == id)
			return settings_find_relay(settings,
			                           settings->heirs[i].heir);
	return NULL;
}

/* FNV-1a; 0 means "no relay" in the queue, so it is avoided. */
uint32_t settings_relay_id(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++) {
		hash ^= (unsigned char)*name;
		hash *= 16777619u;
	}
	return hash ? hash : 1;
}

const struct submitter_rule *
settings_find_submitter(const struct settings *settings, uid_t uid,
                        const gid_t *gids, size_t gid_count)
{
	const struct submitter_rule *rule = settings->submitters;

	if (uid == 0)
		return &root_rule;
	for (;; rule++) {
		if (rule->has_user && rule->user != uid)
			continue;
		if (rule->has_group && !is_member(gids, gid_count, rule->group))
			continue;
		return rule; /* the last one has no condition */
	}
}

bool settings_is_administrator(const struct settings *settings, uid_t uid,
                               const gid_t *gids, size_t gid_count)
{
	const struct settings_control *control = &settings->control;
	size_t i;

	if (uid == 0 || uid == geteuid())
		return true;
	for (i = 0; i < control->user_count; i++)
		if (control->users[i] == uid)
			return true;
	for (i = 0; i < control->group_count; i++)
		if (is_member(gids, gid_count, control->groups[i]))
			return true;
	return settings_find_submitter(settings, uid, gids, gid_count)
	    ->administrator;
}

static bool is_member(const gid_t *gids, size_t gid_count, gid_t gid)
{
	size_t i;

	for (i = 0; i < gid_count; i++)
		if (gids[i] == gid)
			return true;
	return false;
}

const char *relay_kind_name(enum relay_kind kind)
{
	switch (kind) {
	case RELAY_SMTP:
		return "smtp";
	case RELAY_LMTP:
		return "lmtp";
	case RELAY_DIRECT:
		return "direct";
	case RELAY_MAILDIR:
		return "maildir";
	}
	return NULL;
}

const char *relay_security_name(enum relay_security security)
{
	return word_of(settings_choices_security, security);
}

const char *relay_from_apply_name(enum relay_from_apply apply)
{
	return word_of(settings_choices_apply, apply);
}

const char *relay_keep_author_name(enum relay_keep_author keep)
{
	return word_of(settings_choices_keep_author, keep);
}

const char *tls_minimum_name(enum tls_minimum minimum)
{
	return word_of(settings_choices_tls_minimum, minimum);
}

const char *relay_managed_name(enum relay_managed managed)
{
	switch (managed) {
	case RELAY_MANAGED_FILE:
		return "file";
	case RELAY_MANAGED_API:
		return "api";
	case RELAY_MANAGED_BUILT_IN:
		return "built-in";
	}
	return NULL;
}

const char *priority_name(enum priority priority)
{
	return word_of(settings_choices_priority, priority);
}

static const char *word_of(const struct settings_choice *choices,
                           unsigned value)
{
	for (; choices->word; choices++)
		if (choices->value == value)
			return choices->word;
	return NULL;
}

char *relay_settings_url_dup(const struct relay_settings *relay)
{
	static const char *const schemes[] = {
		[RELAY_TLS] = "smtps",
		[RELAY_STARTTLS] = "smtp+starttls",
		[RELAY_OPPORTUNISTIC] = "smtp",
		[RELAY_CLEAR] = "smtp",
	};
	const char *scheme = schemes[relay->security];
	bool is_ipv6 = relay->host && strchr(relay->host, ':');

	if (relay->kind == RELAY_DIRECT)
		return xstrdup("direct:");
	if (relay->kind == RELAY_MAILDIR)
		return xasprintf("maildir:%s", relay->path);
	if (relay->kind == RELAY_LMTP)
		scheme = "lmtp";
	if (relay->path)
		return xasprintf("%s://%s", scheme, relay->path);
	return xasprintf("%s://%s%s%s%s%s:%u", scheme,
	                 relay->username ? relay->username : "",
	                 relay->username ? "@" : "", is_ipv6 ? "[" : "",
	                 relay->host, is_ipv6 ? "]" : "",
	                 (unsigned)relay->port);
}
