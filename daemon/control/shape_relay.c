/*
 * shape_relay - a relay in JSON: how it does, and how it is set
 */
#include "config.h"

#include "control/shape.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/accounts.h"
#include "deliver/oauth.h"
#include "deliver/scheduler.h"
#include "providers.h"
#include "settings.h"

static void shape_fault(struct emitter *emit, const struct settings *settings,
                        const struct relay_settings *relay,
                        const struct relay_status *status);
static void shape_settings(struct emitter *emit,
                           const struct relay_settings *relay,
                           const struct shape_view *view);
static void shape_secret(struct emitter *emit, const char *key, bool is_set);
static void shape_authentication(struct emitter *emit,
                                 const struct relay_settings *relay);
static void shape_oauth(struct emitter *emit, const struct relay_oauth *oauth,
                        const struct oauth_news *news);
static void shape_identity(struct emitter *emit, const char *key,
                           const struct relay_identity *identity,
                           const char *apply);
static void shape_tls(struct emitter *emit, const struct relay_tls *tls);
static void shape_limits(struct emitter *emit,
                         const struct relay_limits *limits);
static void shape_words(struct emitter *emit, const char *key,
                        const struct settings_words *words);
static void shape_staging(struct emitter *emit,
                          const struct settings_staging *staging);
static void shape_by_priority(struct emitter *emit, const char *key,
                              const uint64_t numbers[3]);
static uint64_t sum(const uint64_t numbers[3]);

void shape_relay(struct emitter *emit, const char *key,
                 const struct relay_settings *relay,
                 const struct shape_view *view)
{
	emit_object(emit, key);
	shape_relay_members(emit, relay, view);
	emit_end(emit);
}

void shape_relay_members(struct emitter *emit,
                         const struct relay_settings *relay,
                         const struct shape_view *view)
{
	char *url = relay_settings_url_dup(relay);

	emit_text(emit, "name", relay->name);
	emit_text(emit, "description", relay->description);
	emit_text(emit, "provider",
	          relay->provider ? relay->provider->id : NULL);
	emit_text(emit, "url", url);
	emit_text(emit, "managed", relay_managed_name(relay->managed));
	emit_text(emit, "file", relay->file);
	emit_bool(emit, "enabled", relay->enabled);
	emit_bool(emit, "default", relay == view->settings->default_relay);
	shape_relay_state(emit, view->settings, relay,
	                  shape_relay_status(view->scheduler, relay->id));
	shape_settings(emit, relay, view);
	free(url);
}

/* A relay that the scheduler has not met yet has nothing to tell. */
void shape_relay_state(struct emitter *emit, const struct settings *settings,
                       const struct relay_settings *relay,
                       const struct relay_status *status)
{
	static const struct relay_status idle = { .state = BREAKER_CLOSED };
	bool has_fault;

	if (!status)
		status = &idle;
	has_fault = status->fault.class != VERDICT_NONE;
	emit_text(emit, "state", breaker_state_name(status->state));
	emit_text(emit, "carried_by", status->carrier);
	emit_text(emit, "reason",
	          *status->fault.text ? status->fault.text : NULL);
	if (has_fault)
		shape_fault(emit, settings, relay, status);
	else
		emit_null(emit, "fault");
	emit_time(emit, "since", status->since_ms);
	emit_time(emit, "until", status->until_ms);
	emit_time(emit, "rate_until", status->rate_until_ms);
	if (status->learned_pace)
		emit_number(emit, "learned_pace", status->learned_pace);
	else
		emit_null(emit, "learned_pace");
	emit_number(emit, "connections", status->connections);
	emit_number(emit, "connection_limit",
	            status->connection_limit || !relay
	                ? status->connection_limit
	                : relay->limits.connections);
	emit_number(emit, "queued", (int64_t)sum(status->waiting));
	emit_number(emit, "queued_bytes", (int64_t)sum(status->waiting_bytes));
	shape_by_priority(emit, "queued_by_priority", status->waiting);
	shape_by_priority(emit, "bytes_by_priority", status->waiting_bytes);
	emit_number(emit, "oldest_due_s", (int64_t)status->oldest_due_age_s);
	emit_number(emit, "delivered", (int64_t)status->delivered);
	emit_number(emit, "refused", (int64_t)status->refused);
	emit_number(emit, "faults", (int64_t)status->faults);
	emit_number(emit, "delivered_24h", (int64_t)status->delivered_24h);
}

static void shape_fault(struct emitter *emit, const struct settings *settings,
                        const struct relay_settings *relay,
                        const struct relay_status *status)
{
	emit_object(emit, "fault");
	emit_text(emit, "kind", verdict_fault_name(status->fault.fault));
	emit_text(emit, "phase", smtp_phase_name(status->fault.phase));
	emit_text(emit, "host", status->fault_host);
	if (status->fault.code)
		emit_number(emit, "code", status->fault.code);
	else
		emit_null(emit, "code");
	shape_enhanced(emit, "enhanced", status->fault.enhanced);
	shape_explanation(emit, settings, relay, status->fault.code,
	                  status->fault.enhanced, status->fault.text);
	emit_end(emit);
}

static uint64_t sum(const uint64_t numbers[3])
{
	return numbers[0] + numbers[1] + numbers[2];
}

static void shape_by_priority(struct emitter *emit, const char *key,
                              const uint64_t numbers[3])
{
	int i;

	emit_object(emit, key);
	for (i = PRIORITY_URGENT; i <= PRIORITY_BULK; i++)
		emit_number(emit, priority_name((enum priority)i),
		            (int64_t)numbers[i]);
	emit_end(emit);
}

static void shape_settings(struct emitter *emit,
                           const struct relay_settings *relay,
                           const struct shape_view *view)
{
	size_t i;

	emit_text(emit, "kind", relay_kind_name(relay->kind));
	emit_text(emit, "host", relay->host);
	emit_number(emit, "port", relay->port);
	emit_text(emit, "path", relay->path);
	emit_text(emit, "security", relay_security_name(relay->security));
	shape_tls(emit, &relay->tls);
	emit_text(emit, "hostname", relay->hostname);
	shape_authentication(emit, relay);
	emit_text(emit, "username", relay->username);
	shape_secret(emit, "password", relay->password);
	shape_secret(emit, "token", relay->token);
	shape_oauth(emit, &relay->oauth,
	            accounts_find(view->accounts, relay->name));
	shape_identity(emit, "from", &relay->from,
	               relay_from_apply_name(relay->from_apply));
	shape_identity(emit, "reply_to", &relay->reply_to, NULL);
	emit_text(emit, "keep_author",
	          relay_keep_author_name(relay->keep_author));
	shape_words(emit, "allowed_from", &relay->allowed_from);
	emit_object(emit, "headers");
	for (i = 0; i < relay->header_count; i++)
		emit_text(emit, relay->headers[i].name,
		          relay->headers[i].value);
	emit_end(emit);
	shape_limits(emit, &relay->limits);
	shape_staging(emit, &relay->staging);
	emit_array(emit, "fallback");
	for (i = 0; i < relay->fallback_count; i++) {
		const struct relay_settings *other =
		    settings_find_relay(view->settings, relay->fallback[i]);

		if (other)
			emit_text(emit, NULL, other->name);
	}
	emit_end(emit);
	emit_bool(emit, "fallback_after_unknown",
	          relay->fallback_after_unknown);
}

/* That it is set, never what it is (promise P8). */
static void shape_secret(struct emitter *emit, const char *key, bool is_set)
{
	emit_object(emit, key);
	emit_bool(emit, "set", is_set);
	emit_end(emit);
}

static void shape_tls(struct emitter *emit, const struct relay_tls *tls)
{
	char fingerprint[80];

	(void)snprintf(fingerprint, sizeof(fingerprint), "sha256:%s",
	               tls->fingerprint ? tls->fingerprint : "");
	emit_object(emit, "tls");
	emit_bool(emit, "verify", tls->verify);
	emit_text(emit, "minimum", tls_minimum_name(tls->minimum));
	emit_text(emit, "fingerprint", tls->fingerprint ? fingerprint : NULL);
	emit_text(emit, "ca_file", tls->ca_file);
	emit_text(emit, "certificate", tls->certificate);
	emit_text(emit, "key", tls->key);
	emit_end(emit);
}

static void shape_authentication(struct emitter *emit,
                                 const struct relay_settings *relay)
{
	const char *word = "off";

	switch (relay->authentication) {
	case RELAY_AUTHENTICATION_OFF:
		break;
	case RELAY_AUTHENTICATION_ON:
		word = "on";
		break;
	case RELAY_AUTHENTICATION_MECHANISM:
		word = relay->mechanism;
		break;
	}
	emit_text(emit, "authentication", word);
}

static void shape_oauth(struct emitter *emit, const struct relay_oauth *oauth,
                        const struct oauth_news *news)
{
	bool has_problem = news && news->problem.fault != FAULT_NONE;
	char *next = accounts_remedy_dup(news);

	if (!oauth->is_set) {
		emit_null(emit, "oauth");
		free(next);
		return;
	}
	emit_object(emit, "oauth");
	emit_text(emit, "grant", oauth_grant_name(oauth->grant));
	emit_text(emit, "client_id", oauth->client_id);
	shape_secret(emit, "client_secret", oauth->client_secret);
	emit_text(emit, "scopes", oauth->scopes);
	emit_text(emit, "authorization_url", oauth->authorization_url);
	emit_text(emit, "device_url", oauth->device_url);
	emit_text(emit, "token_url", oauth->token_url);
	emit_text(emit, "state", accounts_state(news));
	emit_time(emit, "expires",
	          news && news->has_token ? (uint64_t)news->expires_wall_ms
	                                  : 0);
	emit_text(emit, "problem", has_problem ? news->problem.text : NULL);
	emit_text(emit, "next", next);
	emit_end(emit);
	free(next);
}

static void shape_identity(struct emitter *emit, const char *key,
                           const struct relay_identity *identity,
                           const char *apply)
{
	if (!identity->address && !identity->name) {
		emit_null(emit, key);
		return;
	}
	emit_object(emit, key);
	emit_text(emit, "address", identity->address);
	emit_text(emit, "name", identity->name);
	if (apply)
		emit_text(emit, "apply", apply);
	emit_end(emit);
}

static void shape_limits(struct emitter *emit,
                         const struct relay_limits *limits)
{
	size_t i;

	emit_object(emit, "limits");
	emit_number(emit, "connections", limits->connections);
	emit_number(emit, "messages_per_connection",
	            limits->messages_per_connection);
	emit_number(emit, "recipients", limits->recipients);
	emit_number(emit, "size", (int64_t)limits->size_bytes);
	emit_number(emit, "usual_size", (int64_t)limits->usual_size_bytes);
	emit_array(emit, "rates");
	for (i = 0; i < limits->rate_count; i++) {
		emit_object(emit, NULL);
		emit_number(emit, "count", limits->rates[i].count);
		emit_number(emit, "period_s", limits->rates[i].period_s);
		emit_end(emit);
	}
	emit_end(emit);
	emit_number(emit, "idle_s", limits->idle_s);
	emit_number(emit, "lifetime_s", limits->lifetime_s);
	emit_end(emit);
}

static void shape_words(struct emitter *emit, const char *key,
                        const struct settings_words *words)
{
	size_t i;

	emit_array(emit, key);
	for (i = 0; i < words->count; i++)
		emit_text(emit, NULL, words->word[i]);
	emit_end(emit);
}

static void shape_staging(struct emitter *emit,
                          const struct settings_staging *staging)
{
	const struct settings_chaos *chaos = &staging->chaos;

	emit_text(emit, "redirect", staging->redirect);
	emit_object(emit, "recipients");
	shape_words(emit, "allow", &staging->allow);
	shape_words(emit, "refuse", &staging->refuse);
	emit_end(emit);
	emit_object(emit, "chaos");
	emit_number(emit, "refuse_percent", chaos->refuse_percent);
	emit_number(emit, "defer_percent", chaos->defer_percent);
	emit_number(emit, "cut_percent", chaos->cut_percent);
	emit_number(emit, "delay_s", chaos->delay_s);
	emit_number(emit, "seed", chaos->seed);
	emit_end(emit);
}
