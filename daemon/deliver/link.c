#include "config.h"

#include "deliver/link.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "clock.h"
#include "deliver/addresses.h"
#include "deliver/credentials.h"
#include "deliver/resolver.h"
#include "deliver/slot.h"
#include "queue/queue.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "staging.h"

enum link_state {
	LINK_CLOSED,
	AWAIT_ADDRESSES,
	AWAIT_SECRETS,
	LINK_OPEN, /* there is a transport, nothing is being sent */
	AWAIT_RESULT,
	LINK_SENT, /* the result has come, the loop is to turn */
};

struct link {
	struct workshop *workshop;
	struct link_events events;
	enum link_state state;
	struct event *turn;
	struct event *idle;
	struct credentials_waiter waiter;

	struct transport *transport;
	bool is_dead; /* the far side has closed it, or will take no more */
	const struct settings *settings;
	const struct relay_settings *relay; /* of these settings */
	char domain[LANE_DOMAIN_MAX];
	struct resolver_query *asked; /* under way */
	struct resolver_query *hosts; /* as found; NULL: no name to look up */
	size_t host;                  /* the one in use */
	int64_t opened_ms;            /* boot clock */
	unsigned messages;
	uint64_t size_limit; /* learnt; 0: not said */
	uint32_t recipient_limit;
};

static void on_turn(evutil_socket_t fd, short what, void *context);
static void on_idle(evutil_socket_t fd, short what, void *context);
static void on_addresses(struct letter *letter);
static void on_no_address(struct link *link);
static void on_secrets(struct credentials_waiter *waiter);
static void open_host(struct link *link);
static int new_transport(struct link *link,
                         const struct credentials_secrets *secrets);
static void fail(struct link *link, enum smtp_phase phase,
                 enum verdict_fault kind, unsigned detail, const char *text);

struct link *link_new(struct workshop *workshop,
                      const struct link_events *events)
{
	struct event_base *base = loop_base(workshop->loop);
	struct link *link = xcalloc(1, sizeof(*link));

	link->workshop = workshop;
	link->events = *events;
	link->waiter.on_ready = on_secrets;
	link->turn = event_new(base, -1, 0, on_turn, link);
	link->idle = evtimer_new(base, on_idle, link);
	if (!link->turn || !link->idle)
		abort();
	return link;
}

void link_free(struct link *link)
{
	if (!link)
		return;
	link_disconnect(link);
	event_free(link->turn);
	event_free(link->idle);
	free(link);
}

static void drop_transport(struct link *link)
{
	(void)evtimer_del(link->idle);
	(void)event_del(link->turn);
	transport_free(link->transport);
	link->transport = NULL;
	link->is_dead = false;
	link->state = LINK_CLOSED;
}

void link_disconnect(struct link *link)
{
	if (link->state == AWAIT_SECRETS)
		credentials_cancel(link->workshop->credentials, &link->waiter);
	if (link->asked)
		link->asked->context = NULL; /* comes home for nobody */
	link->asked = NULL;
	drop_transport(link);
	resolver_query_free(link->hosts);
	link->hosts = NULL;
	link->relay = NULL;
	settings_unref(link->settings);
	link->settings = NULL;
}

bool link_is_open(const struct link *link)
{
	return link->transport && !link->is_dead;
}

bool link_is_usable(const struct link *link, const struct settings *settings,
                    const struct relay_settings *relay, const char *domain)
{
	const struct relay_limits *limits = &relay->limits;
	int64_t age_ms = clock_boottime_ms() - link->opened_ms;

	if (!link_is_open(link) || link->settings != settings ||
	    link->relay != relay || strcmp(link->domain, domain) != 0)
		return false;
	if (limits->messages_per_connection > 0 &&
	    link->messages >= limits->messages_per_connection)
		return false;
	return limits->lifetime_s == 0 ||
	       age_ms < (int64_t)limits->lifetime_s * 1000;
}

uint64_t link_size_limit(const struct link *link)
{
	return link->size_limit;
}

unsigned link_recipients_max(const struct link *link)
{
	uint32_t max = link->relay->limits.recipients;

	/* Whoever they are, one goes into the envelope. */
	if (link->relay->is_staged &&
	    staging_redirect(link->settings, link->relay))
		return UINT_MAX;
	if (max == 0 ||
	    (link->recipient_limit != 0 && link->recipient_limit < max))
		max = link->recipient_limit;
	return max != 0 ? max : UINT_MAX;
}

/* --------------------------------------------------------------- connect */

void link_connect(struct link *link, const struct settings *settings,
                  const struct relay_settings *relay, const char *domain)
{
	struct resolver_query *query;

	assert(strlen(domain) < sizeof(link->domain));
	settings_ref(settings);
	link_disconnect(link);
	link->settings = settings;
	link->relay = relay;
	memcpy(link->domain, domain, strlen(domain) + 1);
	link->size_limit = 0;
	link->recipient_limit = 0;
	if (relay->kind == RELAY_DIRECT) {
		query = resolver_query_new(RESOLVE_MX, domain, relay->port);
	} else if (relay->host) {
		query =
		    resolver_query_new(RESOLVE_HOST, relay->host, relay->port);
	} else {
		open_host(link);
		return;
	}
	query->home = link->workshop->inbox;
	query->on_done = on_addresses;
	query->context = link;
	link->state = AWAIT_ADDRESSES;
	link->asked = query;
	resolver_ask_take(link->workshop->resolver, query);
}

/* The first host from `host` on that has an address; the count without one. */
static size_t find_host(const struct link *link, size_t host)
{
	const struct resolver_query *found = link->hosts;

	while (host < found->host_count &&
	       found->hosts[host].address_count == 0)
		host++;
	return host;
}

static void on_addresses(struct letter *letter)
{
	struct resolver_query *query =
	    LETTER_OF(letter, struct resolver_query, letter);
	struct link *link = query->context;

	if (!link) {
		resolver_query_free(query);
		return;
	}
	assert(link->state == AWAIT_ADDRESSES && link->asked == query);
	link->asked = NULL;
	link->hosts = query;
	link->host = find_host(link, 0);
	if (query->status == RESOLVED) {
		assert(link->host < query->host_count);
		open_host(link);
	} else {
		on_no_address(link);
	}
}

bool link_has_next_host(const struct link *link)
{
	return link->relay && link->relay->kind == RELAY_DIRECT &&
	       link->hosts &&
	       find_host(link, link->host + 1) < link->hosts->host_count;
}

void link_connect_next_host(struct link *link)
{
	assert(link_has_next_host(link));
	link->host = find_host(link, link->host + 1);
	drop_transport(link);
	link->size_limit = 0;
	link->recipient_limit = 0;
	open_host(link);
}

/* A name that the DNS does not know may still be a mistake in a setting. */
static void on_no_address(struct link *link)
{
	const struct resolver_query *query = link->hosts;
	bool is_direct = link->relay->kind == RELAY_DIRECT;
	struct verdict verdict;

	verdict_local(&verdict, VERDICT_PERMANENT, SCOPE_RECIPIENT, PHASE_NAME,
	              FAULT_NONE, query->text ? query->text : "");
	verdict.enhanced[0] = 5;
	switch (query->status) {
	case RESOLVED:
	case RESOLVE_TEMPORARY:
		fail(link, PHASE_NAME, FAULT_NETWORK, 43, query->text);
		return;
	case RESOLVE_NO_DOMAIN:
		verdict.enhanced[1] = 1;
		verdict.enhanced[2] = 2;
		break;
	case RESOLVE_NULL_MX: /* RFC 7505 4.2 */
		verdict.code = 556;
		verdict.enhanced[1] = 1;
		verdict.enhanced[2] = 10;
		break;
	case RESOLVE_NO_HOST:
		verdict.enhanced[1] = 4;
		verdict.enhanced[2] = 4;
		break;
	case RESOLVE_LOOP:
		verdict.enhanced[1] = 4;
		verdict.enhanced[2] = 6;
		break;
	}
	link->state = LINK_CLOSED;
	if (is_direct)
		link->events.on_failed(link->events.context, &verdict, NULL);
	else
		fail(link, PHASE_NAME, FAULT_CONFIG, 44, query->text);
}

/* detail: subject and detail of the enhanced code, as in 4.4.3: 43. */
static void fail(struct link *link, enum smtp_phase phase,
                 enum verdict_fault kind, unsigned detail, const char *text)
{
	struct verdict verdict;

	verdict_local(&verdict, VERDICT_TEMPORARY, SCOPE_RELAY, phase, kind,
	              text);
	verdict.enhanced[0] = 4;
	verdict.enhanced[1] = (uint16_t)(detail / 10);
	verdict.enhanced[2] = (uint16_t)(detail % 10);
	link->state = LINK_CLOSED;
	link->events.on_failed(link->events.context, &verdict,
	                       link->relay->host ? link->relay->host
	                                         : link->relay->path);
}

static void on_secrets(struct credentials_waiter *waiter)
{
	struct link *link = LETTER_OF(waiter, struct link, waiter);

	assert(link->state == AWAIT_SECRETS);
	open_host(link);
}

/* Once the addresses are there, and again when the secrets have come. */
static void open_host(struct link *link)
{
	struct credentials *credentials = link->workshop->credentials;
	struct credentials_secrets secrets = { NULL, NULL };
	int r;

	r = credentials_get(credentials, link->settings, link->relay, &secrets,
	                    &link->waiter);
	if (r == -EINPROGRESS) {
		link->state = AWAIT_SECRETS;
		return;
	}
	if (r < 0) {
		fail(link, PHASE_AUTH, credentials_fault(credentials), 70,
		     credentials_problem(credentials));
		return;
	}
	r = new_transport(link, &secrets);
	if (r < 0) {
		fail(link, PHASE_CONNECT, FAULT_OTHER, 30, strerror(-r));
		return;
	}
	link->opened_ms = clock_boottime_ms();
	link->messages = 0;
	link->state = LINK_OPEN;
	link->events.on_ready(link->events.context);
}

static void on_done(void *context, const struct transport_result *result)
{
	struct link *link = context;

	assert(link->state == AWAIT_RESULT);
	if (result->size_limit != 0)
		link->size_limit = result->size_limit;
	if (result->recipient_limit != 0)
		link->recipient_limit = result->recipient_limit;
	if (result->is_closed || result->is_stale)
		link->is_dead = true;
	link->state = LINK_SENT;
	link->events.on_result(link->events.context, result);
	/* A transport is not freed inside its own callback. */
	event_active(link->turn, 0, 0);
}

static void on_idle_closed(void *context)
{
	struct link *link = context;

	link->is_dead = true;
	event_active(link->turn, 0, 0);
}

static int new_transport(struct link *link,
                         const struct credentials_secrets *secrets)
{
	const struct relay_settings *relay = link->relay;
	const struct transport_events events = {
		.on_done = on_done,
		.on_idle_closed = on_idle_closed,
		.context = link,
	};
	struct transport_target target = {
		.relay = relay,
		.settings = link->settings,
		.host = relay->host,
		.port = relay->port,
		.ehlo_name = relay->hostname ? relay->hostname
		                             : link->settings->hostname,
		.timeouts_percent = link->settings->delivery.timeouts_percent,
		.password = secrets->password,
		.token = secrets->token,
	};
	struct transport_address local;
	int r;

	if (link->hosts) {
		const struct resolver_host *host =
		    &link->hosts->hosts[link->host];

		if (relay->kind == RELAY_DIRECT)
			target.host = host->name;
		target.addresses = host->addresses;
		target.address_count = host->address_count;
	} else if (relay->kind == RELAY_LMTP) {
		r = address_of_path(&local, relay->path);
		if (r < 0)
			return r;
		target.host = relay->path;
		target.addresses = &local;
		target.address_count = 1;
	}
	return transport_new(&link->transport, link->workshop->loop, &target,
	                     &events);
}

/* ------------------------------------------------------------------ send */

void link_send(struct link *link, const struct transport_message *message)
{
	assert(link->state == LINK_OPEN);
	(void)evtimer_del(link->idle);
	link->messages++;
	link->state = AWAIT_RESULT;
	transport_send(link->transport, message);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct link *link = context;
	bool is_sent = link->state == LINK_SENT;

	(void)fd;
	(void)what;
	if (link->is_dead)
		drop_transport(link);
	else if (is_sent)
		link->state = LINK_OPEN;
	if (is_sent)
		link->events.on_sent(link->events.context);
}

/* Of settings that are not in force any more: it will not be used again. */
static bool is_outdated(const struct link *link)
{
	const struct settings *in_force = link->workshop->settings;

	return in_force && link->settings != in_force;
}

void link_rest(struct link *link)
{
	struct timeval wait = { .tv_sec = 0 };

	if (!link_is_open(link) || is_outdated(link)) {
		link_disconnect(link);
		return;
	}
	wait.tv_sec = link->relay->limits.idle_s;
	if (wait.tv_sec > 0)
		(void)evtimer_add(link->idle, &wait);
}

void link_on_settings(struct link *link)
{
	if (is_outdated(link))
		link_disconnect(link);
}

static void on_idle(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	link_disconnect(context);
}
