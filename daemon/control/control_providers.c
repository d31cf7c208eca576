/*
 * control_providers - the mail providers that relais knows, and what a domain
 * says of its own servers
 */
#include "config.h"

#include "control/handlers.h"

#include <string.h>
#include <strings.h>

#include "address.h"
#include "control/control_internal.h"
#include "control/request.h"
#include "deliver/idna.h"
#include "deliver/resolver.h"
#include "providers.h"

static void shape_provider(struct emitter *emit, const char *key,
                           const struct provider *provider);
static void shape_number(struct emitter *emit, const char *key,
                         uint32_t number);
static void on_servers(struct letter *letter);
static void reply_found(struct request *request, const char *source,
                        const struct provider *provider,
                        const struct resolver_host *server);

/* All, or with ?address= the one that its domain tells. */
void providers_list(struct request *request)
{
	const char *address = request_query(request, "address");
	const char *domain = address ? address_domain(address) : NULL;
	const struct provider *only =
	    provider_find_by_domain(domain ? domain : "");
	struct emitter *emit = &request->emit;
	size_t i;

	emit_object(emit, NULL);
	emit_array(emit, "providers");
	for (i = 0; i < providers_table_size; i++)
		if (!address || &providers_table[i] == only)
			shape_provider(emit, NULL, &providers_table[i]);
	emit_end(emit);
	emit_end(emit);
	request_reply(request, 200);
}

static void shape_provider(struct emitter *emit, const char *key,
                           const struct provider *provider)
{
	emit_object(emit, key);
	emit_text(emit, "id", provider->id);
	emit_text(emit, "name", provider->name);
	emit_text(emit, "kind", provider->kind);
	emit_text(emit, "domains", provider->domains);
	emit_text(emit, "host", provider->host);
	emit_number(emit, "port", provider->port);
	emit_text(emit, "security", provider->security);
	emit_text(emit, "alternatives", provider->alternatives);
	emit_text(emit, "authentication", provider->authentication);
	emit_text(emit, "username", provider->username);
	emit_text(emit, "from_rule", provider->from_rule);
	emit_object(emit, "limits");
	shape_number(emit, "connections", provider->connections);
	shape_number(emit, "messages_per_connection",
	             provider->messages_per_connection);
	shape_number(emit, "recipients", provider->recipients);
	shape_number(emit, "size_mib", provider->size_mib);
	emit_text(emit, "rates", provider->rates);
	emit_end(emit);
	emit_text(emit, "hint", provider->hint);
	emit_text(emit, "quirk", provider->quirk);
	emit_end(emit);
}

static void shape_number(struct emitter *emit, const char *key, uint32_t number)
{
	if (number > 0)
		emit_number(emit, key, number);
	else
		emit_null(emit, key);
}

/* --------------------------------------------------------------- discovery */

/*
 * Where does an address's mail go out? Its provider is known by the domain, or
 * the domain names its servers, or its mail exchanger tells who has its mail.
 */
void providers_discover(struct request *request)
{
	const char *address = request_query(request, "address");
	const char *domain = address ? address_domain(address) : NULL;
	const struct provider *provider;
	struct resolver_query *query;

	if (!domain ||
	    address_check(address, strlen(address), ADDRESS_UTF8) < 0) {
		request_fail(request, 400, "bad_query", NULL,
		             address ? "`%s` is no address"
		                     : "address= is missing",
		             address);
		return;
	}
	provider = provider_find_by_domain(domain);
	if (provider) {
		reply_found(request, "provider", provider, NULL);
		return;
	}
	query = resolver_query_new(RESOLVE_SUBMISSION, domain, 0);
	query->home = request->control->mailbox;
	query->on_done = on_servers;
	query->context = request;
	resolver_ask_take(request->control->resolver, query);
}

static void on_servers(struct letter *letter)
{
	struct resolver_query *query =
	    LETTER_OF(letter, struct resolver_query, letter);
	struct request *request = query->context;
	const struct resolver_host *server = query->hosts;
	const struct provider *provider;

	if (query->status != RESOLVED) {
		request_fail(
		    request, query->status == RESOLVE_TEMPORARY ? 503 : 404,
		    "no_server_known",
		    "ask whoever runs the mail of this domain for host and "
		    "port; or see relaisctl providers",
		    "%s", query->text);
	} else if (server) {
		reply_found(request, "srv", provider_find_by_host(server->name),
		            server);
	} else {
		provider = provider_find_by_mx(query->exchanger);
		if (provider)
			reply_found(request, "mx", provider, NULL);
		else
			request_fail(
			    request, 404, "no_server_known",
			    "ask whoever runs that host for the host and port "
			    "to submit mail to; or see relaisctl providers",
			    "the domain names no server to submit mail to; "
			    "its mail comes in at %s",
			    query->exchanger);
	}
	resolver_query_free(query);
}

/* Is it a name within the domain? Anybody can name others (RFC 6186 6). */
static bool is_within(const char *host, const char *domain)
{
	size_t host_len = strlen(host), len;
	char ascii[IDNA_SIZE];

	if (idna_to_ascii(domain, ascii) < 0)
		return false;
	domain = ascii;
	len = strlen(domain);
	if (host_len < len || strcasecmp(host + host_len - len, domain) != 0)
		return false;
	return host_len == len || host[host_len - len - 1] == '.';
}

static void reply_found(struct request *request, const char *source,
                        const struct provider *provider,
                        const struct resolver_host *server)
{
	const char *address = request_query(request, "address");
	struct emitter *emit = &request->emit;

	emit_object(emit, NULL);
	emit_text(emit, "address", address);
	emit_text(emit, "source", source);
	emit_text(emit, "host", server ? server->name : provider->host);
	emit_number(emit, "port", server ? server->port : provider->port);
	emit_text(emit, "security",
	          !server          ? provider->security
	          : server->is_tls ? "tls"
	                           : "starttls");
	emit_bool(emit, "needs_consent",
	          server && !provider &&
	              !is_within(server->name, address_domain(address)));
	if (provider)
		shape_provider(emit, "provider", provider);
	else
		emit_null(emit, "provider");
	emit_end(emit);
	request_reply(request, 200);
}
