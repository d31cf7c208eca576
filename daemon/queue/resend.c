#include "config.h"

#include "queue/resend.h"

#include <errno.h>
#include <stdlib.h>

#include "queue/ledger.h"
#include "queue/message_rows.h"
#include "queue/story.h"
#include "queue/submit.h"
#include "queue_id.h"
#include "runtime/xalloc.h"

static void add_entry(struct message *message, const struct ledger *ledger,
    const struct resend *resend);

int resend_apply(struct ledger *ledger, struct resend *resend)
{
	struct submission *submission = resend->submission;
	struct message *message = NULL;
	int r;

	r = message_rows_read(&message, ledger->txn, resend->id, true);
	if (r < 0)
		return r;
	if (resend->is_for_owner_only && message->uid != resend->owner_uid)
		r = -ENOENT;
	else if (message->body_id == 0 ||
	    message->body_id != submission->shared_body_id)
		r = -EALREADY;
	if (r == 0)
		r = submit_apply(ledger, submission);
	if (r == 0) {
		add_entry(message, ledger, resend);
		r = ledger_feed(ledger, message->id, TIMELINE_RESENT);
	}
	if (r == 0)
		r = message_rows_write(ledger, message, message->state);
	message_free(message);
	return r;
}

static void add_entry(struct message *message, const struct ledger *ledger,
    const struct resend *resend)
{
	const char *reason = resend->reason;
	char id[QUEUE_ID_SIZE];
	char *text;

	queue_id_format(resend->submission->id, id);
	text = xasprintf("as %s%s%s", id, reason != NULL ? ", " : "",
	    reason != NULL ? reason : "");
	story_add_event(message, TIMELINE_RESENT, ledger->wall_ms, text);
	free(text);
}
