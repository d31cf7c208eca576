#include "config.h"

#include "receive/envelope_record.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "aliases.h"
#include "clock.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "smtp/xtext.h"

_Static_assert(NOTIFY_NEVER == SMTP_NOTIFY_NEVER &&
                   NOTIFY_SUCCESS == SMTP_NOTIFY_SUCCESS &&
                   NOTIFY_FAILURE == SMTP_NOTIFY_FAILURE &&
                   NOTIFY_DELAY == SMTP_NOTIFY_DELAY,
               "the envelope's NOTIFY is stored as it is");

struct expansion {
	struct message *message;
	struct message_recipient *list;
	unsigned count, room;
	const struct smtp_recipient *source;
};

static void record_sender(struct message *message,
                          const struct settings *settings, const char *sender);
static void record_params(struct message *message,
                          const struct smtp_mail_params *params);
static int add_recipient(void *context, const char *address);

bool envelope_record(struct message *message, const struct settings *settings,
                     const struct smtp_envelope *envelope, unsigned **ret_ends,
                     struct smtp_answer *ret_answer)
{
	unsigned *ends = xcalloc(envelope->recipient_count, sizeof(*ends));
	struct expansion expansion = { .message = message };
	size_t size, i;
	int r = 0;

	message->submitted_ms = (uint64_t)clock_wall_ms();
	message->state = MESSAGE_QUEUED;
	message->priority = PRIORITY_NORMAL;
	record_sender(message, settings, envelope->sender);
	record_params(message, &envelope->params);
	for (i = 0; i < envelope->recipient_count && r == 0; i++) {
		expansion.source = &envelope->recipients[i];
		r = aliases_expand(settings, expansion.source->address,
		                   add_recipient, &expansion);
		ends[i] = expansion.count;
	}
	if (r < 0) {
		free(expansion.list);
		free(ends);
		*ret_answer =
		    r == -E2BIG
			? smtp_answer(554, "5.4.6",
		                      "An alias stands for too many addresses")
			: smtp_answer(452, "4.3.1",
		                      "Out of memory; try again later");
		return false;
	}

	/* A name stands for itself at least. */
	assert(expansion.list != NULL);
	size = expansion.count * sizeof(*expansion.list);
	message->recipients = message_allocate(message, size);
	memcpy(message->recipients, expansion.list, size);
	message->recipient_count = expansion.count;
	free(expansion.list);
	*ret_ends = ends;
	return true;
}

static void record_sender(struct message *message,
                          const struct settings *settings, const char *sender)
{
	char *full;

	if (*sender == '\0' || address_domain(sender) != NULL) {
		message->sender = message_dup_text(message, sender);
		return;
	}
	full = xasprintf("%s@%s", sender, settings->domain);
	message->sender = message_dup_text(message, full);
	free(full);
}

/* It came as xtext, checked; what it means is kept. */
static const char *decode_envid(struct message *message, const char *envid)
{
	size_t len = strlen(envid);
	char *decoded = message_allocate(message, len + 1);

	return xtext_decode(envid, len, decoded) == 0 ? decoded : NULL;
}

static void record_params(struct message *message,
                          const struct smtp_mail_params *params)
{
	if (params->is_smtputf8)
		message->flags |= MESSAGE_SMTPUTF8;
	if (params->body == SMTP_BODY_8BITMIME)
		message->flags |= MESSAGE_8BIT_DECLARED;
	if (params->ret == SMTP_RET_FULL)
		message->flags |= MESSAGE_RET_FULL;
	if (params->ret == SMTP_RET_HDRS)
		message->flags |= MESSAGE_RET_HDRS;
	if (params->envid != NULL)
		message->envelope_id = decode_envid(message, params->envid);
	if (params->key != NULL)
		message->key = message_dup_text(message, params->key);
	if (params->tag != NULL)
		message->tag = message_dup_text(message, params->tag);
	if (params->meta != NULL)
		message->meta = message_dup_text(message, params->meta);
}

/* Two names may stand for one address: it gets one copy. */
static bool is_known(const struct expansion *expansion, const char *address)
{
	unsigned i;

	for (i = 0; i < expansion->count; i++)
		if (address_is_same(expansion->list[i].address, address))
			return true;
	return false;
}

static int add_recipient(void *context, const char *address)
{
	struct expansion *expansion = context;
	const struct smtp_rcpt_params *params = &expansion->source->params;
	struct message *message = expansion->message;
	struct message_recipient *recipient;

	/* What an alias brought in is compared; a client that names an
	 * address twice means it (and a thousand need no million looks). */
	if (strcmp(address, expansion->source->address) != 0 &&
	    is_known(expansion, address))
		return 0;
	if (expansion->count == UINT16_MAX)
		return -E2BIG;
	if (expansion->count == expansion->room) {
		expansion->room =
		    expansion->room == 0 ? 4 : 2 * expansion->room;
		expansion->list =
		    xrealloc(expansion->list,
		             expansion->room * sizeof(*expansion->list));
	}
	recipient = &expansion->list[expansion->count++];
	memset(recipient, 0, sizeof(*recipient));
	recipient->address = message_dup_text(message, address);
	if (params->orcpt != NULL)
		recipient->original = message_dup_text(message, params->orcpt);
	if (params->notify != 0) {
		recipient->flags |= RECIPIENT_HAS_NOTIFY;
		recipient->notify = (uint8_t)params->notify;
	}
	return 0;
}
