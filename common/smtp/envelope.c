#include "config.h"

#include "smtp/envelope.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define FIRST_ROOM 16
/* What one transaction with very many recipients has grown to is let go. */
#define KEPT_ROOM 1024

void smtp_envelope_init(struct smtp_envelope *envelope, size_t limit_bytes)
{
	*envelope = (struct smtp_envelope){ 0 };
	arena_init(&envelope->arena, limit_bytes);
}

void smtp_envelope_done(struct smtp_envelope *envelope)
{
	smtp_envelope_reset(envelope);
	arena_done(&envelope->arena);
	free(envelope->recipients);
	envelope->recipients = NULL;
	envelope->recipient_room = 0;
}

void smtp_envelope_reset(struct smtp_envelope *envelope)
{
	arena_reset(&envelope->arena);
	envelope->sender = NULL;
	envelope->params = (struct smtp_mail_params){ 0 };
	envelope->recipient_count = 0;
	if (envelope->recipient_room > KEPT_ROOM) {
		free(envelope->recipients);
		envelope->recipients = NULL;
		envelope->recipient_room = 0;
	}
}

int smtp_envelope_add(struct smtp_envelope *envelope,
                      const struct smtp_recipient *recipient)
{
	size_t room = envelope->recipient_room;
	struct smtp_recipient *grown;

	if (envelope->recipient_count == room) {
		room = room ? room * 2 : FIRST_ROOM;
		grown =
		    reallocarray(envelope->recipients, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		envelope->recipients = grown;
		envelope->recipient_room = room;
	}
	envelope->recipients[envelope->recipient_count++] = *recipient;
	return 0;
}
