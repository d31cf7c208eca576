/*
 * control_providers - the mail providers that relais knows
 */
#include "config.h"

#include "control/handlers.h"

#include <string.h>

#include "address.h"
#include "control/request.h"
#include "providers.h"

static void shape_provider(struct emitter *emit,
    const struct provider *provider);
static void shape_number(struct emitter *emit, const char *key,
    uint32_t number);

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
			shape_provider(emit, &providers_table[i]);
	emit_end(emit);
	emit_end(emit);
	request_reply(request, 200);
}

static void shape_provider(struct emitter *emit,
    const struct provider *provider)
{
	emit_object(emit, NULL);
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

static void shape_number(struct emitter *emit, const char *key,
    uint32_t number)
{
	if (number > 0)
		emit_number(emit, key, number);
	else
		emit_null(emit, key);
}
