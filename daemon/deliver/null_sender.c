#include "config.h"

#include "deliver/null_sender.h"

#include <stddef.h>
#include <string.h>

#include "deliver/identity.h"
#include "queue/message.h"
#include "settings.h"
#include "smtp/verdict.h"

/* The relay's own address, as which its account may send; or NULL. */
static const char *stand_in(const struct relay_settings *relay)
{
	if (relay->from.address != NULL)
		return relay->from.address;
	if (relay->username != NULL && strchr(relay->username, '@') != NULL)
		return relay->username;
	return NULL;
}

const char *null_sender_or_stand_in(const struct relay_settings *relay,
                                    const struct message *message)
{
	const char *own = stand_in(relay);

	if ((message->flags & MESSAGE_NULL_REFUSED) != 0 && own != NULL)
		return own;
	return identity_sender(relay, message->sender);
}

bool null_sender_is_refused(const struct relay_settings *relay,
                            const struct message *message,
                            const struct verdict *verdict)
{
	return (message->flags & MESSAGE_IS_BOUNCE) != 0 &&
	       (message->flags & MESSAGE_NULL_REFUSED) == 0 &&
	       *message->sender == '\0' &&
	       verdict->class == VERDICT_PERMANENT && verdict->code != 0 &&
	       (verdict->phase == PHASE_MAIL ||
	        verdict->scope == SCOPE_SENDER) &&
	       stand_in(relay) != NULL;
}
