#include "config.h"

#include "queue/job_apply.h"

#include <assert.h>
#include <errno.h>

#include "queue/bigendian.h"
#include "queue/change.h"
#include "queue/ledger.h"
#include "queue/reports.h"
#include "queue/settle.h"
#include "queue/submit.h"

static bool is_new_mail(const struct change *change);
static int remember(struct ledger *ledger, const struct relay_memory *memory);

int job_apply(struct ledger *ledger, struct queue_job *job, bool is_full)
{
	switch (job->kind) {
	case QUEUE_SUBMIT:
		return is_full ? -ENOSPC
		               : submit_apply(ledger, (struct submission *)job);
	case QUEUE_UPLOAD:
		return is_full ? -ENOSPC
		               : upload_apply(ledger, (struct upload *)job);
	case QUEUE_DISCARD:
		return discard_apply(ledger, ((struct upload *)job)->body_id);
	case QUEUE_SETTLE:
		return settle_apply(ledger, (struct settlement *)job);
	case QUEUE_CHANGE:
		return is_full && is_new_mail((struct change *)job)
		           ? -ENOSPC
		           : change_apply(ledger, (struct change *)job);
	case QUEUE_REMEMBER:
		return remember(ledger, (struct relay_memory *)job);
	case QUEUE_REPORT:
		return is_full ? -ENOSPC
		               : report_apply(ledger, (struct report *)job);
	}
	return -EINVAL;
}

static bool is_new_mail(const struct change *change)
{
	return change->kind == CHANGE_RESEND;
}

static int remember(struct ledger *ledger, const struct relay_memory *memory)
{
	unsigned char key[4];
	int r;

	assert(memory->len <= RELAY_MEMORY_MAX);
	be32_put(key, memory->relay);
	r = store_put(ledger->txn, TABLE_RELAY, key, sizeof(key), memory->bytes,
	              memory->len);
	if (r < 0 || memory->event == TIMELINE_ACCEPTED)
		return r;
	return ledger_feed(ledger, memory->relay, memory->event);
}
