#include "config.h"

#include "queue/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "queue/bigendian.h"
#include "queue/change.h"
#include "queue/crash_mark.h"
#include "queue/inflight.h"
#include "queue/ledger.h"
#include "queue/message_rows.h"
#include "queue/orphans.h"
#include "queue/parts.h"
#include "queue/story.h"
#include "queue/submit.h"
#include "runtime/xalloc.h"

#define BOOT_ID_SIZE 36
/* Bodies swept in one transaction. */
#define SWEEP_MAX 64

/* The row "run" of meta: boot id, was the end clean, the store's own name. */
struct run {
	char boot_id[BOOT_ID_SIZE];
	unsigned char is_clean;
	unsigned char owner[INFLIGHT_OWNER_SIZE];
};

static const char run_key[] = "run";
static const char doubt_key[] = "doubt";

static uint64_t last_moment_ms(const struct ledger *ledger);
static int read_boot_id(char ret_boot_id[BOOT_ID_SIZE]);
static int load_run(struct ledger *ledger, struct run *ret_run,
                    bool *ret_is_new);
static int save_run(struct ledger *ledger, const struct run *run);
static int load_doubt(struct ledger *ledger);
static int save_doubt(struct ledger *ledger);
static int judge_last_run(struct ledger *ledger, struct inflight *inflight,
                          struct run *run, bool is_new,
                          struct recovery_result *result);
static int apply_marks(struct ledger *ledger, struct inflight *inflight,
                       struct recovery_result *result);
static int apply_mark(struct ledger *ledger, const struct inflight_mark *mark,
                      bool *ret_is_marked);
static int apply_blame(struct ledger *ledger, struct inflight *inflight,
                       struct recovery_result *result);
static int count_crash(struct ledger *ledger, uint64_t id,
                       struct recovery_result *result);
static int sweep_bodies(struct ledger *ledger, struct recovery_result *result);
static int sweep_some(struct ledger *ledger, unsigned *ret_count);

int recovery_run(struct ledger *ledger, struct inflight *inflight,
                 struct recovery_result *ret_result)
{
	struct recovery_result result = { 0 };
	struct run run;
	bool is_new;
	int r;

	r = ledger_begin(ledger);
	if (r < 0)
		return r;
	r = load_run(ledger, &run, &is_new);
	if (r == 0)
		r = load_doubt(ledger);
	if (r == 0)
		r = judge_last_run(ledger, inflight, &run, is_new, &result);
	if (r == 0)
		r = save_run(ledger, &run);
	if (r < 0) {
		ledger_abort(ledger);
		return r;
	}
	r = ledger_commit(ledger);
	if (r < 0)
		return r;
	inflight_reset(inflight, run.owner);
	r = sweep_bodies(ledger, &result);
	if (r == 0)
		r = orphans_sweep_noted(ledger);
	if (r == 0)
		*ret_result = result;
	return r;
}

int recovery_note_clean_end(struct ledger *ledger)
{
	struct run run;
	bool is_new;
	int r;

	r = ledger_begin(ledger);
	if (r < 0)
		return r;
	r = load_run(ledger, &run, &is_new);
	if (r == 0) {
		run.is_clean = 1;
		r = save_run(ledger, &run);
	}
	if (r < 0) {
		ledger_abort(ledger);
		return r;
	}
	return ledger_commit(ledger);
}

/* ------------------------------------------------------------ the last run */

static int judge_last_run(struct ledger *ledger, struct inflight *inflight,
                          struct run *run, bool is_new,
                          struct recovery_result *result)
{
	char boot_id[BOOT_ID_SIZE];
	bool is_same_boot;
	int r;

	r = read_boot_id(boot_id);
	if (r < 0)
		return r;
	is_same_boot = memcmp(boot_id, run->boot_id, BOOT_ID_SIZE) == 0;
	if (is_new) {
		if (getrandom(run->owner, sizeof(run->owner), 0) !=
		    (ssize_t)sizeof(run->owner))
			return -EIO;
	} else if (run->is_clean) {
		/* Nothing was in flight. */
	} else if (is_same_boot && inflight_is_of(inflight, run->owner)) {
		r = apply_marks(ledger, inflight, result);
		if (r == 0)
			r = apply_blame(ledger, inflight, result);
	} else {
		result->was_power_cut = true;
		ledger->doubt_ms = last_moment_ms(ledger);
		r = save_doubt(ledger);
	}
	memcpy(run->boot_id, boot_id, BOOT_ID_SIZE);
	run->is_clean = 0;
	return r;
}

/*
 * When the last run was over for sure: before this boot, but a part may have
 * become due and been sent since its last commit.
 */
static uint64_t last_moment_ms(const struct ledger *ledger)
{
	uint64_t committed_ms = ledger->committed.committed_ms;
	uint64_t wall_ms = wall_now_ms(), boot_ms = boot_now_ms();

	/* A machine without a clock boots in 1970. */
	if (wall_ms < boot_ms + committed_ms)
		return committed_ms;
	return wall_ms - boot_ms;
}

static int read_boot_id(char ret_boot_id[BOOT_ID_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, ret_boot_id, BOOT_ID_SIZE);
	(void)close(fd);
	return len == BOOT_ID_SIZE ? 0 : -EIO;
}

static int load_run(struct ledger *ledger, struct run *ret_run,
                    bool *ret_is_new)
{
	struct store_bytes row;
	int r;

	memset(ret_run, 0, sizeof(*ret_run));
	r = store_get(ledger->txn, TABLE_META, run_key, sizeof(run_key) - 1,
	              &row);
	*ret_is_new = r == -ENOENT;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (row.len != sizeof(*ret_run))
		return -EBADMSG;
	memcpy(ret_run, row.data, sizeof(*ret_run));
	return 0;
}

static int save_run(struct ledger *ledger, const struct run *run)
{
	return store_put(ledger->txn, TABLE_META, run_key, sizeof(run_key) - 1,
	                 run, sizeof(*run));
}

static int load_doubt(struct ledger *ledger)
{
	struct store_bytes row;
	int r = store_get(ledger->txn, TABLE_META, doubt_key,
	                  sizeof(doubt_key) - 1, &row);

	ledger->doubt_ms = r == 0 && row.len == 8 ? be64_get(row.data) : 0;
	return r == -ENOENT ? 0 : r;
}

static int save_doubt(struct ledger *ledger)
{
	unsigned char row[8];

	be64_put(row, ledger->doubt_ms);
	return store_put(ledger->txn, TABLE_META, doubt_key,
	                 sizeof(doubt_key) - 1, row, sizeof(row));
}

/* --------------------------------------------------------------- the marks */

static int apply_marks(struct ledger *ledger, struct inflight *inflight,
                       struct recovery_result *result)
{
	struct inflight_mark *marks = xcalloc(INFLIGHT_SLOTS, sizeof(*marks));
	unsigned count = inflight_list(inflight, marks);
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++) {
		bool is_marked = false;

		r = apply_mark(ledger, &marks[i], &is_marked);
		/* Ended and purged, or damaged: nobody to mark. */
		if (r == -ENOENT || r == -EBADMSG)
			r = 0;
		result->marked_messages += is_marked;
	}
	free(marks);
	return r;
}

static int apply_mark(struct ledger *ledger, const struct inflight_mark *mark,
                      bool *ret_is_marked)
{
	struct message *message = NULL;
	struct timeline_entry entry = {
		.time_ms = ledger->wall_ms,
		.kind = TIMELINE_UNKNOWN,
		.phase = PHASE_DOT,
		.text = "relais ended before the answer to the message was "
			"kept: it may have been delivered",
	};
	uint16_t *indexes = NULL;
	unsigned count = 0;
	int r;

	r = message_rows_read(&message, ledger->txn, mark->id, true);
	if (r < 0)
		return r;
	indexes = xcalloc(message->recipient_count, sizeof(*indexes));
	for (unsigned i = 0; i < message->recipient_count && r == 0; i++) {
		struct message_recipient *recipient = &message->recipients[i];

		if (recipient->state != RECIPIENT_WAITING ||
		    recipient->part != mark->part)
			continue;
		recipient->flags |= RECIPIENT_MAYBE_DUPLICATE;
		r = message_rows_write_recipient(ledger, message, i);
		indexes[count++] = (uint16_t)i;
	}
	if (count > 0 && r == 0) {
		story_set_recipients(message, &entry, indexes, count);
		story_add(message, &entry);
		r = message_rows_write(ledger, message, message->state);
		if (r == 0)
			r = ledger_feed(ledger, message->id, TIMELINE_UNKNOWN);
		*ret_is_marked = true;
	}
	free(indexes);
	message_free(message);
	return r;
}

/* ------------------------------------------------------------- the crashes */

static int apply_blame(struct ledger *ledger, struct inflight *inflight,
                       struct recovery_result *result)
{
	uint64_t ids[INFLIGHT_BLAMED];
	unsigned count = inflight_list_blamed(inflight, ids);
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++) {
		r = count_crash(ledger, ids[i], result);
		/* Gone, ended or held by now: it is out of the way. */
		if (r == -ENOENT || r == -EBADMSG || r == -EALREADY)
			r = 0;
	}
	return r;
}

static int count_crash(struct ledger *ledger, uint64_t id,
                       struct recovery_result *result)
{
	static char reason[] = "relais crashed three times while it worked on "
			       "this message: please report it, with the log";
	struct change park = {
		.kind = CHANGE_PARK,
		.id = id,
		.reason = reason,
	};
	struct message *message = NULL;
	bool is_enough;
	int r;

	r = message_rows_read(&message, ledger->txn, id, true);
	if (r < 0)
		return r;
	if (message->state != MESSAGE_QUEUED) {
		message_free(message);
		return -EALREADY;
	}
	is_enough = ++message->crashes >= CRASHES_MAX;
	/* Whoever releases it has it tried as often again. */
	if (is_enough)
		message->crashes = 0;
	r = message_rows_write(ledger, message, message->state);
	message_free(message);
	result->crashes++;
	if (r < 0 || !is_enough)
		return r;
	result->parked_messages++;
	return change_apply(ledger, &park);
}

/* ---------------------------------------------------- half-received bodies */

static int sweep_bodies(struct ledger *ledger, struct recovery_result *result)
{
	unsigned count;

	do {
		int r = ledger_begin(ledger);

		if (r < 0)
			return r;
		r = sweep_some(ledger, &count);
		if (r < 0 || count == 0)
			ledger_abort(ledger);
		else
			r = ledger_commit(ledger);
		if (r < 0)
			return r;
		result->swept_bodies += count;
	} while (count > 0);
	return 0;
}

static int sweep_some(struct ledger *ledger, unsigned *ret_count)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key;
	uint64_t ids[SWEEP_MAX];
	unsigned count = 0;
	int r;

	*ret_count = 0;
	r = store_cursor_open(ledger->txn, TABLE_STATE, &cursor);
	if (r < 0)
		return r;
	r = store_cursor_first(cursor, &key, NULL);
	while (r == 0 && count < SWEEP_MAX && key.len == STATE_KEY_SIZE &&
	       key.data[0] == MESSAGE_RECEIVING) {
		ids[count++] = be64_get(key.data + 1);
		r = store_cursor_next(cursor, &key, NULL);
	}
	store_cursor_close(cursor);
	if (r < 0 && r != -ENOENT)
		return r;
	for (unsigned i = 0; i < count; i++) {
		r = discard_apply(ledger, ids[i]);
		if (r < 0)
			return r;
	}
	*ret_count = count;
	return 0;
}
