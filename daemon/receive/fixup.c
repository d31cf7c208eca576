#include "config.h"

#include "receive/fixup.h"

#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "clock.h"
#include "header.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "uuid.h"

static const char *const dropped[] = {
	"Bcc",
	"Resent-Bcc",
	"Return-Path",
	/* and those of wish_fields.c */
	"X-Relais-Key",
	"X-Relais-Tag",
	"X-Relais-Meta",
	"X-Relais-Relay",
	"X-Relais-Wait",
	"X-Relais-At",
	"X-Relais-Hold-For",
	"X-Relais-Deadline",
	"X-Relais-Priority",
	NULL,
};

/* Longer ones are no use to anybody, and the record is kept for weeks. */
#define MESSAGE_ID_MAX 512

struct findings {
	unsigned from, date, message_id;
	bool has_dropped;
	struct header_field id;
};

static void look(struct findings *findings, const char *header, size_t len);
static bool keep(const struct findings *findings, const char *header,
                 size_t len, char **ret_kept, size_t *ret_kept_len);
static void name_message(struct message *message,
                         const struct settings *settings, const char *sender,
                         const struct findings *findings);

bool fixup_header(struct message *message, const struct settings *settings,
                  const char *sender, const char *header, size_t len,
                  char **ret_kept, size_t *ret_kept_len,
                  struct smtp_answer *ret_answer)
{
	struct findings findings = { 0 };

	look(&findings, header, len);
	if (findings.from > 1) {
		*ret_answer = smtp_answer(
		    550, "5.6.0", "The header has more than one From field");
		return false;
	}
	if (!keep(&findings, header, len, ret_kept, ret_kept_len)) {
		*ret_answer =
		    smtp_answer(452, "4.3.1", "Out of memory; try again later");
		return false;
	}
	if (findings.from == 0)
		message->flags |= MESSAGE_ADD_FROM;
	if (findings.date == 0)
		message->flags |= MESSAGE_ADD_DATE;
	name_message(message, settings, sender, &findings);
	return true;
}

static void look(struct findings *findings, const char *header, size_t len)
{
	struct header_walk walk;
	struct header_field field;

	header_walk_init(&walk, header, len);
	while (header_walk_next(&walk, &field)) {
		if (header_field_is(&field, "From")) {
			findings->from++;
		} else if (header_field_is(&field, "Date")) {
			findings->date++;
		} else if (header_field_is(&field, "Message-ID")) {
			if (findings->message_id++ == 0)
				findings->id = field;
		} else if (header_field_is_any(&field, dropped)) {
			findings->has_dropped = true;
		}
	}
}

static bool keep(const struct findings *findings, const char *header,
                 size_t len, char **ret_kept, size_t *ret_kept_len)
{
	struct buffer buffer;
	bool is_kept = false;

	if (!findings->has_dropped) {
		*ret_kept = malloc(len + 1);
		if (*ret_kept == NULL)
			return false;
		memcpy(*ret_kept, header, len);
		*ret_kept_len = len;
		return true;
	}
	buffer_init(&buffer, 0);
	if (header_filter(header, len, dropped, &buffer) == 0 &&
	    buffer_take(&buffer, ret_kept, ret_kept_len) == 0)
		is_kept = true;
	buffer_done(&buffer);
	return is_kept;
}

/* RFC 6409 8.3. The name must mean something elsewhere, never "localhost". */
static const char *make_message_id(struct message *message,
                                   const struct settings *settings,
                                   const char *sender)
{
	const char *domain = address_domain(sender);
	char uuid[UUID_SIZE];
	const char *kept;
	char *text;

	if (domain == NULL || domain[0] == '[')
		domain = settings->hostname;
	if (uuid_v7_make(clock_wall_ms(), uuid) < 0)
		abort(); /* getrandom(2) does not fail once it has worked */
	text = xasprintf("<%s@%s>", uuid, domain);
	kept = message_dup_text(message, text);
	free(text);
	return kept;
}

static void name_message(struct message *message,
                         const struct settings *settings, const char *sender,
                         const struct findings *findings)
{
	struct buffer text;
	char *id = NULL;

	if (findings->message_id == 0) {
		message->flags |= MESSAGE_ADD_MESSAGE_ID;
		message->message_id =
		    make_message_id(message, settings, sender);
		return;
	}
	buffer_init(&text, MESSAGE_ID_MAX);
	if (header_unfold(&findings->id, &text) == 0 &&
	    buffer_take(&text, &id, NULL) == 0)
		message->message_id = message_dup_text(message, id);
	free(id);
	buffer_done(&text);
}
