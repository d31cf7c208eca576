#include "config.h"

#include "deliver/transport.h"

#include <stddef.h>

#include "settings.h"

int transport_new(struct transport **ret_transport, struct loop *loop,
                  const struct transport_target *target,
                  const struct transport_events *events)
{
	if (target->relay->is_staged)
		return transport_staging.create(ret_transport, loop, target,
		                                events);
	return transport_new_unstaged(ret_transport, loop, target, events);
}

int transport_new_unstaged(struct transport **ret_transport, struct loop *loop,
                           const struct transport_target *target,
                           const struct transport_events *events)
{
	const struct transport_kind *kind = &transport_smtp;

	switch (target->relay->kind) {
	case RELAY_SMTP:
	case RELAY_LMTP:
	case RELAY_DIRECT:
		break;
	case RELAY_MAILDIR:
		kind = &transport_maildir;
		break;
	}
	return kind->create(ret_transport, loop, target, events);
}

void transport_send(struct transport *transport,
                    const struct transport_message *message)
{
	transport->kind->send(transport, message);
}

void transport_free(struct transport *transport)
{
	if (transport)
		transport->kind->destroy(transport);
}
