#include "config.h"

#include "queue/resend.h"

#include <errno.h>
#include <stdlib.h>

#include "queue/ledger.h"
#include "queue/story.h"
#include "queue/submit.h"
#include "queue_id.h"
#include "runtime/xalloc.h"

int resend_apply(struct ledger *ledger, const struct change *change,
                 struct message *message)
{
	struct submission *submission = change->submission;
	const char *reason = change->reason;
	char id[QUEUE_ID_SIZE];
	char *text;
	int r;

	if (message->body_id == 0 ||
	    message->body_id != submission->shared_body_id)
		return -EALREADY;
	r = submit_apply(ledger, submission);
	if (r < 0)
		return r;
	queue_id_format(submission->id, id);
	text = xasprintf("as %s%s%s", id, reason != NULL ? ", " : "",
	                 reason != NULL ? reason : "");
	story_add_event(message, TIMELINE_RESENT, ledger->wall_ms, text);
	free(text);
	return ledger_feed(ledger, message->id, TIMELINE_RESENT);
}
