#include "config.h"

#include "queue/queue.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/backlog.h"
#include "queue/committer.h"
#include "queue/crash_mark.h"
#include "queue/inflight.h"
#include "queue/queue_private.h"
#include "queue/recovery.h"
#include "queue/upgrade.h"
#include "runtime/log.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* Address space, not memory: a store can grow to this while it is open. */
#define MAP_BYTES_MIN (64ull << 30)

/* New mail is refused while so much of it waits for the committer. */
#define PENDING_JOBS_MAX  8192
#define PENDING_BYTES_MAX (64ull << 20)
/* A commit that takes so long means that the disk stalls. */
#define STALL_MS 5000
/* So long it counts as progress: there are slow disks. */
#define WORK_MAX_MS (10 * 60 * 1000)

static int open_parts(struct queue *queue, const struct settings *settings,
                      char **ret_error);
static int start_committer(struct queue *queue);
static int make_directory(const char *path, char **ret_error);
static int sync_parent(const char *path);
static uint64_t map_bytes_for(uint64_t maximum_bytes);
static void explain(char **ret_error, const char *what, int error);
static void prepare_job(struct queue *queue, struct queue_job *job);
static uint64_t stalled_for_ms(const struct queue *queue);

/* ------------------------------------------------------------- life cycle */

int queue_open(struct queue **ret_queue, const struct settings *settings,
               char **ret_error)
{
	struct queue *queue = xcalloc(1, sizeof(*queue));
	int r;

	*ret_error = NULL;
	r = open_parts(queue, settings, ret_error);
	if (r < 0) {
		queue_free(queue);
		return r;
	}
	*ret_queue = queue;
	return 0;
}

static int open_parts(struct queue *queue, const struct settings *settings,
                      char **ret_error)
{
	const char *directory = settings->queue.directory;
	struct recovery_result result;
	int r;

	r = make_directory(directory, ret_error);
	if (r < 0)
		return r;
	r = store_open(&queue->store, directory,
	               map_bytes_for(settings->queue.maximum_bytes), ret_error);
	if (r < 0)
		return r;
	r = upgrade_run(queue->store);
	if (r < 0) {
		explain(ret_error, "cannot upgrade the store", r);
		return r;
	}
	r = inflight_open(&queue->inflight, directory);
	if (r < 0) {
		explain(ret_error, "cannot open the marks in flight", r);
		return r;
	}
	r = ledger_open(&queue->ledger, queue->store);
	if (r < 0) {
		explain(ret_error, "cannot read the store", r);
		return r;
	}
	queue_apply_settings(queue, settings);
	queue->ledger.limits.keep_failed_bodies_ms =
	    atomic_load(&queue->gauges.keep_failed_bodies_ms);
	r = recovery_run(&queue->ledger, queue->inflight, &result);
	if (r < 0) {
		explain(ret_error, "cannot recover the store", r);
		return r;
	}
	atomic_store(&queue->gauges.used_bytes, queue->ledger.used_bytes);
	atomic_store(&queue->gauges.turned_ms, boot_now_ms());
	if (result.swept_bodies > 0 || result.marked_messages > 0 ||
	    result.was_power_cut)
		log_message(
		    LOG_LEVEL_WARNING, "recovered",
		    "%u half-received bodies swept, %u messages in flight "
		    "marked%s",
		    result.swept_bodies, result.marked_messages,
		    result.was_power_cut
			? ", the machine went down: what was due is in doubt"
			: "");
	if (result.crashes > 0)
		log_message(
		    LOG_LEVEL_ERR, "crashed",
		    "relais crashed while it worked on %u messages; %u of "
		    "them are parked, as that was the third time",
		    result.crashes, result.parked_messages);
	return committer_new(&queue->committer, &queue->ledger, queue->inflight,
	                     &queue->gauges);
}

static int make_directory(const char *path, char **ret_error)
{
	int r;

	if (mkdir(path, 0700) < 0) {
		r = errno == EEXIST ? 0 : -errno;
		if (r < 0)
			explain(ret_error, path, r);
		return r;
	}
	r = sync_parent(path);
	if (r < 0)
		explain(ret_error, "cannot sync the directory above", r);
	return r;
}

/* The new directory's own name is to survive a power cut, as what is in it. */
static int sync_parent(const char *path)
{
	char *parent = xasprintf("%s/..", path);
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	free(parent);
	if (fd < 0)
		return errno == EACCES ? 0 : -errno;
	if (fsync(fd) < 0 && errno != EINVAL)
		r = -errno;
	(void)close(fd);
	return r;
}

static uint64_t map_bytes_for(uint64_t maximum_bytes)
{
	uint64_t wanted = maximum_bytes + maximum_bytes / 4;

	return wanted > MAP_BYTES_MIN ? (wanted | 0xfffff) + 1 : MAP_BYTES_MIN;
}

static void explain(char **ret_error, const char *what, int error)
{
	*ret_error = xasprintf("%s: %s", what, strerror(-error));
}

void queue_apply_settings(struct queue *queue, const struct settings *settings)
{
	const struct settings_queue *wanted = &settings->queue;
	uint64_t most = store_map_bytes(queue->store) / 5 * 4;

	atomic_store(&queue->gauges.maximum_bytes, wanted->maximum_bytes < most
	                                               ? wanted->maximum_bytes
	                                               : most);
	atomic_store(&queue->gauges.keep_finished_ms,
	             1000ull * wanted->keep_finished_s);
	atomic_store(&queue->gauges.keep_failed_bodies_ms,
	             1000ull * wanted->keep_failed_bodies_s);
	atomic_store(&queue->gauges.gather_ms,
	             1000ull * settings->bounces.gather_s);
	atomic_store(&queue->gauges.summary_ms,
	             1000ull * settings->bounces.summary_s);
}

int queue_start(struct queue *queue)
{
	crash_mark_arm(queue->inflight);
	return start_committer(queue);
}

static int start_committer(struct queue *queue)
{
	int r = committer_start(queue->committer);

	queue->is_running = r == 0;
	return r;
}

void queue_stop(struct queue *queue)
{
	int r;

	if (!queue->is_running)
		return;
	committer_stop(queue->committer);
	queue->is_running = false;
	if (!committer_is_clean(queue->committer))
		return;
	r = recovery_note_clean_end(&queue->ledger);
	if (r < 0)
		log_message(LOG_LEVEL_WARNING, "no_clean_mark", "%s",
		            strerror(-r));
}

int queue_copy(struct queue *queue, int fd)
{
	return store_copy(queue->store, fd);
}

void queue_free(struct queue *queue)
{
	if (queue == NULL)
		return;
	assert(!queue->is_running);
	crash_mark_disarm();
	committer_free(queue->committer);
	if (queue->ledger.store != NULL)
		ledger_close(&queue->ledger);
	inflight_close(queue->inflight);
	store_close(queue->store);
	free(queue);
}

/* ---------------------------------------------------------------- notices */

void queue_listen_parts(struct queue *queue, struct mailbox *mailbox,
                        void (*open)(struct letter *letter), void *context)
{
	committer_listen_parts(queue->committer, mailbox, open, context);
}

void queue_notice_free(struct queue_notice *notice)
{
	free(notice);
}

void queue_listen_feed(struct queue *queue, struct feed_listener *listener)
{
	committer_listen_feed(queue->committer, listener);
}

void queue_feed_listen_again(struct feed_listener *listener)
{
	atomic_store(&listener->is_listening, true);
}

void queue_listen_reports(struct queue *queue, struct mailbox *mailbox,
                          struct letter *letter)
{
	committer_listen_reports(queue->committer, mailbox, letter);
}

void queue_reports_listen_again(struct queue *queue)
{
	committer_reports_listen_again(queue->committer);
}

/* ------------------------------------------------------------------- jobs */

void queue_post_take(struct queue *queue, struct queue_job *job)
{
	job->letter.next = NULL;
	queue_post_list_take(queue, &job->letter);
}

void queue_post_list_take(struct queue *queue, struct letter *first)
{
	for (struct letter *l = first; l != NULL; l = l->next)
		prepare_job(queue, LETTER_OF(l, struct queue_job, letter));
	committer_post_list_take(queue->committer, first);
}

static void prepare_job(struct queue *queue, struct queue_job *job)
{
	assert(job->home != NULL && job->on_done != NULL);
	job->letter.open = job->on_done;
	job->result = 0;
	atomic_fetch_add(&queue->gauges.pending_jobs, 1);
	atomic_fetch_add(&queue->gauges.pending_bytes, backlog_job_bytes(job));
}

int queue_may_accept(struct queue *queue, uint64_t size_bytes)
{
	struct gauges *gauges = &queue->gauges;
	uint64_t pending = atomic_load(&gauges->pending_bytes);
	uint64_t maximum = atomic_load(&gauges->maximum_bytes);
	uint64_t wanted;

	if (stalled_for_ms(queue) >= STALL_MS ||
	    atomic_load(&gauges->pending_jobs) >= PENDING_JOBS_MAX ||
	    pending >= PENDING_BYTES_MAX)
		return -EBUSY;
	wanted = atomic_load(&gauges->used_bytes) + pending + size_bytes +
	         store_reserve_bytes(maximum);
	if (atomic_load(&gauges->is_full) || wanted > maximum)
		return -ENOSPC;
	return 0;
}

static uint64_t stalled_for_ms(const struct queue *queue)
{
	uint64_t since_ms = atomic_load(&queue->gauges.working_since_ms);
	uint64_t now_ms = boot_now_ms();

	return since_ms > 0 && since_ms < now_ms ? now_ms - since_ms : 0;
}

/* ------------------------------------------------------------------- time */

uint64_t queue_time_ms(const struct queue *queue)
{
	return queue_time_now_ms(&queue->ledger.time);
}

bool queue_is_time_unsure(const struct queue *queue)
{
	return queue_time_is_unsure(&queue->ledger.time);
}

uint64_t queue_last_progress_ms(const struct queue *queue)
{
	uint64_t work_ms = stalled_for_ms(queue);

	if (work_ms > 0 && work_ms < WORK_MAX_MS)
		return boot_now_ms();
	return atomic_load(&queue->gauges.turned_ms);
}

uint64_t queue_stalled_since_ms(const struct queue *queue)
{
	uint64_t work_ms = stalled_for_ms(queue);

	return work_ms >= STALL_MS ? wall_now_ms() - work_ms : 0;
}

/* -------------------------------------------------------------- in flight */

unsigned inflight_fill(struct queue *queue, uint64_t id, uint16_t part)
{
	return inflight_slot_fill(queue->inflight, id, part);
}

void inflight_clear(struct queue *queue, unsigned slot)
{
	inflight_slot_clear(queue->inflight, slot);
}
