#include "config.h"

#include "receive/handover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "runtime/xalloc.h"

struct handover *handover_new(const struct peer *peer)
{
	struct handover *handover = xcalloc(1, sizeof(*handover));
	size_t size = peer->gid_count * sizeof(*peer->gids);

	handover->peer = *peer;
	handover->peer.gids = NULL;
	if (size > 0) {
		handover->peer.gids = xmalloc(size);
		memcpy(handover->peer.gids, peer->gids, size);
	}
	return handover;
}

void handover_free(struct handover *handover)
{
	unsigned i;

	if (handover == NULL)
		return;
	for (i = 0; i < handover->count; i++) {
		free(handover->messages[i].commands);
		if (handover->messages[i].content != NULL)
			evbuffer_free(handover->messages[i].content);
	}
	free(handover->messages);
	peer_done(&handover->peer);
	free(handover);
}

void handover_add_take(struct handover *handover, struct buffer *commands,
                       struct evbuffer *content)
{
	struct handover_message *message;

	/* Powers of two have room up to the next one. */
	if ((handover->count & (handover->count - 1)) == 0)
		handover->messages =
		    xrealloc(handover->messages,
		             (handover->count == 0 ? 1 : 2 * handover->count) *
		                 sizeof(*handover->messages));
	message = &handover->messages[handover->count++];
	memset(message, 0, sizeof(*message));
	message->recipient = -1;
	message->content = content;
	if (buffer_take(commands, &message->commands, &message->commands_len) <
	    0)
		abort();
}

void handover_answer(struct handover_message *message,
                     struct smtp_answer answer)
{
	message->code = answer.code;
	(void)snprintf(message->enhanced, sizeof(message->enhanced), "%s",
	               answer.enhanced != NULL ? answer.enhanced : "");
	(void)snprintf(message->text, sizeof(message->text), "%s", answer.text);
}
