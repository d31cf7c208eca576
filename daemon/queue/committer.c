#include "config.h"

#include "queue/committer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queue/bigendian.h"
#include "queue/body.h"
#include "queue/change.h"
#include "queue/gauges.h"
#include "queue/homecoming.h"
#include "queue/inflight.h"
#include "queue/job_list.h"
#include "queue/ledger.h"
#include "queue/queue_time.h"
#include "queue/retention.h"
#include "queue/settle.h"
#include "queue/submit.h"
#include "runtime/log.h"

#define BATCH_JOBS_MAX 256
#define BATCH_BYTES_MAX (4u << 20)
#define TURN_MS 1000
/* So long a settlement waits that found no room: twice as long each time. */
#define RETRY_FIRST_MS 20
#define RETRY_MAX_MS 1000
/* What a relay is remembered for waits so long for company. */
#define REMEMBER_MS 1000
#define SPACE_INTERVAL_MS 1000

struct committer {
	struct ledger *ledger;
	struct inflight *inflight;
	struct gauges *gauges;
	struct retention *retention;
	struct homecoming *homecoming;
	struct mailbox *inbox;
	struct letter stop_letter;
	pthread_t thread;
	struct job_list verdicts;
	struct job_list mail;
	struct job_list memories;
	struct queue_job *batch[BATCH_JOBS_MAX];
	unsigned batch_count;
	unsigned batch_max; /* less where verdicts found no room */
	uint64_t retry_ms;  /* boot time; 0: nothing is stuck */
	uint64_t retry_delay_ms;
	uint64_t remember_ms;
	uint64_t space_ms;
	int last_error; /* logged once */
	bool is_stopping;
	bool is_clean;
};

static void *run(void *argument);
static void on_stop(struct letter *letter);
static int wait_ms(const struct committer *committer);
static void sort_in(struct committer *committer, struct letter *letter);
static void fill_batch(struct committer *committer);
static void do_batch(struct committer *committer);
static int try_batch(struct committer *committer, int *ret_culprit);
static int apply(struct committer *committer, struct queue_job *job);
static int remember(struct ledger *ledger, const struct relay_memory *memory);
static bool is_for_the_moment(int error);
static bool must_be_done(const struct queue_job *job);
static void give_up(struct committer *committer, unsigned index, int error);
static bool give_back_mail(struct committer *committer, int error);
static void put_back(struct committer *committer, int error);
static void finish_batch(struct committer *committer);
static void do_upkeep(struct committer *committer);
static void look_at_space(struct committer *committer);
static void take_settings(struct committer *committer);
static void note_error(struct committer *committer, int error);

/* ------------------------------------------------------------- life cycle */

int committer_new(struct committer **ret_committer, struct ledger *ledger,
    struct inflight *inflight, struct gauges *gauges)
{
	struct committer *committer = calloc(1, sizeof(*committer));
	int r;

	if (committer == NULL)
		return -ENOMEM;
	committer->ledger = ledger;
	committer->inflight = inflight;
	committer->gauges = gauges;
	committer->retention = retention_new();
	committer->homecoming = homecoming_new(gauges);
	committer->stop_letter.open = on_stop;
	committer->batch_max = BATCH_JOBS_MAX;
	committer->retry_delay_ms = RETRY_FIRST_MS;
	committer->is_clean = true;
	job_list_init(&committer->verdicts);
	job_list_init(&committer->mail);
	job_list_init(&committer->memories);
	r = mailbox_new_blocking(&committer->inbox);
	if (r < 0) {
		committer_free(committer);
		return r;
	}
	*ret_committer = committer;
	return 0;
}

void committer_free(struct committer *committer)
{
	if (committer == NULL)
		return;
	mailbox_free(committer->inbox);
	retention_free(committer->retention);
	homecoming_free(committer->homecoming);
	free(committer);
}

void committer_listen_parts(struct committer *committer,
    struct mailbox *mailbox, void (*open)(struct letter *letter), void *context)
{
	homecoming_listen_parts(committer->homecoming, mailbox, open, context);
}

void committer_listen_feed(struct committer *committer, struct mailbox *mailbox,
    struct letter *letter)
{
	homecoming_listen_feed(committer->homecoming, mailbox, letter);
}

void committer_feed_listen_again(struct committer *committer)
{
	homecoming_feed_listen_again(committer->homecoming);
}

int committer_start(struct committer *committer)
{
	sigset_t all, before;
	int r;

	take_settings(committer);
	look_at_space(committer);
	/* Signals are the main loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&committer->thread, NULL, run, committer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		(void)pthread_setname_np(committer->thread, "committer");
	return -r;
}

void committer_stop(struct committer *committer)
{
	mailbox_post_take(committer->inbox, &committer->stop_letter);
	(void)pthread_join(committer->thread, NULL);
}

bool committer_is_clean(const struct committer *committer)
{
	return committer->is_clean;
}

void committer_post_list_take(struct committer *committer, struct letter *first)
{
	mailbox_post_list_take(committer->inbox, first);
}

uint64_t queue_job_bytes(const struct queue_job *job)
{
	const struct submission *submission;
	const struct upload *upload;

	switch (job->kind) {
	case QUEUE_SUBMIT:
		submission = (const struct submission *)job;
		return submission->header_len +
		    body_chunks_len(submission->body);
	case QUEUE_UPLOAD:
		upload = (const struct upload *)job;
		return upload->header_len + body_chunks_len(upload->chunks);
	case QUEUE_DISCARD:
	case QUEUE_SETTLE:
	case QUEUE_CHANGE:
	case QUEUE_REMEMBER:
		break;
	}
	return 0;
}

/* ------------------------------------------------------------- the thread */

static void *run(void *argument)
{
	struct committer *committer = argument;

	for (;;) {
		sort_in(committer,
		    mailbox_wait(committer->inbox, wait_ms(committer)));
		atomic_store(&committer->gauges->turned_ms, boot_now_ms());
		take_settings(committer);
		fill_batch(committer);
		if (committer->batch_count > 0)
			do_batch(committer);
		else if (committer->is_stopping)
			break;
		else
			do_upkeep(committer);
		look_at_space(committer);
	}
	return NULL;
}

/* Never opened: the thread knows the letter by this function. */
static void on_stop(struct letter *letter)
{
	(void)letter;
}

static int wait_ms(const struct committer *committer)
{
	uint64_t now_ms = boot_now_ms();

	if (committer->is_stopping || committer->mail.first != NULL)
		return 0;
	if (committer->verdicts.first != NULL)
		return committer->retry_ms > now_ms
		    ? (int)(committer->retry_ms - now_ms)
		    : 0;
	return retention_is_busy(committer->retention) ? 0 : TURN_MS;
}

static void sort_in(struct committer *committer, struct letter *letter)
{
	struct letter *next;

	for (; letter != NULL; letter = next) {
		struct queue_job *job = LETTER_OF(letter, struct queue_job,
		    letter);

		next = letter->next;
		if (letter->open == on_stop) {
			committer->is_stopping = true;
			continue;
		}
		switch (job->kind) {
		case QUEUE_SETTLE:
		case QUEUE_CHANGE:
			job_list_append(&committer->verdicts, job);
			break;
		case QUEUE_SUBMIT:
		case QUEUE_UPLOAD:
		case QUEUE_DISCARD:
			job_list_append(&committer->mail, job);
			break;
		case QUEUE_REMEMBER:
			job_list_append(&committer->memories, job);
			break;
		}
	}
}

static void fill_batch(struct committer *committer)
{
	uint64_t now_ms = boot_now_ms();
	uint64_t bytes = 0;

	committer->batch_count = 0;
	if (committer->retry_ms <= now_ms || committer->is_stopping) {
		while (committer->batch_count < committer->batch_max &&
		    committer->verdicts.first != NULL)
			committer->batch[committer->batch_count++] =
			    job_list_take(&committer->verdicts);
	}
	while (committer->batch_count < committer->batch_max) {
		struct queue_job *job = job_list_first(&committer->mail);
		uint64_t more = job != NULL ? queue_job_bytes(job) : 0;

		if (job == NULL ||
		    (bytes > 0 && bytes + more > BATCH_BYTES_MAX))
			break;
		bytes += more;
		committer->batch[committer->batch_count++] =
		    job_list_take(&committer->mail);
	}
	if (committer->batch_count == 0 && !committer->is_stopping &&
	    now_ms < committer->remember_ms + REMEMBER_MS)
		return;
	while (committer->batch_count < committer->batch_max &&
	    committer->memories.first != NULL)
		committer->batch[committer->batch_count++] =
		    job_list_take(&committer->memories);
	committer->remember_ms = now_ms;
}

/* ---------------------------------------------------------- transactions */

/* Until every job of the batch is done, refused, or back in its line. */
static void do_batch(struct committer *committer)
{
	while (committer->batch_count > 0) {
		int culprit = -1;
		int r = try_batch(committer, &culprit);

		if (r == 0) {
			finish_batch(committer);
			committer->batch_max = BATCH_JOBS_MAX;
			committer->retry_ms = 0;
			committer->retry_delay_ms = RETRY_FIRST_MS;
			committer->last_error = 0;
			return;
		}
		note_error(committer, r);
		if (culprit >= 0 && !is_for_the_moment(r))
			give_up(committer, (unsigned)culprit, r);
		else if (!give_back_mail(committer, r))
			put_back(committer, r);
	}
}

/* *ret_culprit: the job that spoilt the transaction; else it was the whole. */
static int try_batch(struct committer *committer, int *ret_culprit)
{
	struct ledger *ledger = committer->ledger;
	int r;

	atomic_store(&committer->gauges->working_since_ms, boot_now_ms());
	r = ledger_begin(ledger);
	if (r < 0)
		goto out;
	homecoming_end_claims(committer->homecoming, ledger);
	for (unsigned i = 0; i < committer->batch_count; i++) {
		uint64_t writes = store_txn_writes(ledger->txn);

		r = apply(committer, committer->batch[i]);
		committer->batch[i]->result = r;
		if (store_txn_error(ledger->txn) < 0)
			r = store_txn_error(ledger->txn);
		else if (store_txn_writes(ledger->txn) == writes)
			r = r == -ENOMEM ? r : 0;
		if (r < 0) {
			*ret_culprit = (int)i;
			ledger_abort(ledger);
			goto out;
		}
	}
	r = retention_run(committer->retention, ledger,
	    committer->batch_count);
	if (r < 0)
		ledger_abort(ledger);
	else
		r = ledger_commit(ledger);
out:
	atomic_store(&committer->gauges->working_since_ms, 0);
	if (r == -ENOTRECOVERABLE) {
		/* Nobody knows what is on disk: say nothing to anyone. */
		note_error(committer, r);
		log_stop();
		_exit(EXIT_FAILURE);
	}
	return r;
}

static int apply(struct committer *committer, struct queue_job *job)
{
	struct ledger *ledger = committer->ledger;
	bool is_full = atomic_load(&committer->gauges->is_full);

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
		return change_apply(ledger, (struct change *)job);
	case QUEUE_REMEMBER:
		return remember(ledger, (struct relay_memory *)job);
	}
	return -EINVAL;
}

static int remember(struct ledger *ledger, const struct relay_memory *memory)
{
	unsigned char key[4];

	assert(memory->len <= RELAY_MEMORY_MAX);
	be32_put(key, memory->relay);
	return store_put(ledger->txn, TABLE_RELAY, key, sizeof(key),
	    memory->bytes, memory->len);
}

static void finish_batch(struct committer *committer)
{
	struct gauges *gauges = committer->gauges;

	atomic_fetch_add(&gauges->commits, 1);
	atomic_fetch_add(&gauges->committed_jobs, committer->batch_count);
	atomic_store(&gauges->used_bytes, committer->ledger->used_bytes);
	for (unsigned i = 0; i < committer->batch_count; i++) {
		struct queue_job *job = committer->batch[i];

		if (job->kind == QUEUE_SETTLE)
			inflight_slot_clear(committer->inflight,
			    ((struct settlement *)job)->inflight_slot);
	}
	homecoming_tell(committer->homecoming, committer->ledger);
	homecoming_send(committer->homecoming, committer->batch,
	    committer->batch_count);
	committer->batch_count = 0;
}

/* ---------------------------------------------------------------- trouble */

/* Room, memory or the disk: it may pass. The rest is the job's own fault. */
static bool is_for_the_moment(int error)
{
	return error == -ENOSPC || error == -EIO || error == -ENOMEM;
}

static bool must_be_done(const struct queue_job *job)
{
	return job->kind == QUEUE_SETTLE || job->kind == QUEUE_DISCARD;
}

/* One job of the batch goes home with its error. */
static void give_up(struct committer *committer, unsigned index, int error)
{
	struct queue_job *job = committer->batch[index];

	memmove(&committer->batch[index], &committer->batch[index + 1],
	    (committer->batch_count - index - 1) * sizeof(committer->batch[0]));
	committer->batch_count--;
	job->result = error;
	if (job->kind == QUEUE_SETTLE) {
		inflight_slot_clear(committer->inflight,
		    ((struct settlement *)job)->inflight_slot);
		homecoming_note_claim(committer->homecoming,
		    (struct settlement *)job);
	}
	homecoming_send(committer->homecoming, &job, 1);
}

/*
 * New mail of the batch is refused, so that the verdicts have the room alone.
 * False where there was none.
 */
static bool give_back_mail(struct committer *committer, int error)
{
	struct queue_job *refused[BATCH_JOBS_MAX];
	unsigned refused_count = 0, kept = 0;

	for (unsigned i = 0; i < committer->batch_count; i++) {
		struct queue_job *job = committer->batch[i];

		if (must_be_done(job) || job->kind == QUEUE_CHANGE) {
			committer->batch[kept++] = job;
			continue;
		}
		job->result = error;
		refused[refused_count++] = job;
	}
	committer->batch_count = kept;
	homecoming_send(committer->homecoming, refused, refused_count);
	return refused_count > 0;
}

/*
 * Verdicts alone found no room: fewer at a time may. One that fails alone
 * waits for better times, but not when the daemon ends.
 */
static void put_back(struct committer *committer, int error)
{
	struct queue_job *last = committer->batch[committer->batch_count - 1];
	bool is_alone = committer->batch_count == 1;

	if (is_alone && (!must_be_done(last) || committer->is_stopping)) {
		/* Its mark in flight stays and speaks at the next start. */
		if (must_be_done(last))
			committer->is_clean = false;
		last->result = error;
		homecoming_send(committer->homecoming, &last, 1);
		committer->batch_count = 0;
		return;
	}
	if (is_alone) {
		committer->retry_ms = boot_now_ms() +
		    committer->retry_delay_ms;
		committer->retry_delay_ms *= 2;
		if (committer->retry_delay_ms > RETRY_MAX_MS)
			committer->retry_delay_ms = RETRY_MAX_MS;
	} else {
		committer->batch_max = committer->batch_count / 2;
	}
	while (committer->batch_count > 0)
		job_list_prepend(&committer->verdicts,
		    committer->batch[--committer->batch_count]);
}

static void note_error(struct committer *committer, int error)
{
	if (error == committer->last_error)
		return;
	committer->last_error = error;
	log_message(LOG_LEVEL_ERR, "store_failed",
	    "%s; new mail is refused until the store can be written",
	    strerror(-error));
}

/* ----------------------------------------------------------------- upkeep */

/* Nothing to do: what retention finds is worth a commit of its own. */
static void do_upkeep(struct committer *committer)
{
	struct ledger *ledger = committer->ledger;
	int r;

	atomic_store(&committer->gauges->working_since_ms, boot_now_ms());
	r = ledger_begin(ledger);
	if (r == 0) {
		homecoming_end_claims(committer->homecoming, ledger);
		r = retention_run(committer->retention, ledger, 0);
		if (r < 0 || (store_txn_writes(ledger->txn) == 0 &&
				 ledger->notice_count == 0))
			ledger_abort(ledger);
		else
			r = ledger_commit(ledger);
	}
	atomic_store(&committer->gauges->working_since_ms, 0);
	if (r == -ENOTRECOVERABLE)
		_exit(EXIT_FAILURE);
	if (r < 0) {
		note_error(committer, r);
		return;
	}
	atomic_store(&committer->gauges->used_bytes, ledger->used_bytes);
	homecoming_tell(committer->homecoming, ledger);
}

/*
 * Full: above the maximum less a reserve that results and deletes need; or the
 * disk has not that much to give. It is over only well below.
 */
static void look_at_space(struct committer *committer)
{
	struct gauges *gauges = committer->gauges;
	struct store *store = committer->ledger->store;
	uint64_t maximum = committer->ledger->limits.maximum_bytes;
	uint64_t reserve = store_reserve_bytes(maximum);
	uint64_t used = atomic_load(&gauges->used_bytes);
	uint64_t now_ms = boot_now_ms();
	bool was_full = atomic_load(&gauges->is_full);
	bool is_full = used + (was_full ? 2 : 1) * reserve > maximum;
	uint64_t disk_free = 0;

	if (now_ms < committer->space_ms && is_full == was_full)
		return;
	committer->space_ms = now_ms + SPACE_INTERVAL_MS;
	if (store_reserve_ahead(store, reserve) < 0)
		is_full = true;
	if (store_disk_free(store, &disk_free) == 0) {
		atomic_store(&gauges->disk_free, disk_free);
		/* What is reserved is not counted as free. */
		if (disk_free < reserve / 4)
			is_full = true;
	}
	store_check_readers(store);
	retention_hurry(committer->retention, is_full);
	atomic_store(&gauges->is_full, is_full);
	if (is_full != was_full)
		log_message(is_full ? LOG_LEVEL_ERR : LOG_LEVEL_WARNING,
		    is_full ? "store_full" : "store_has_room",
		    "%llu MiB used of %llu, %llu MiB free on the disk",
		    (unsigned long long)(used >> 20),
		    (unsigned long long)(maximum >> 20),
		    (unsigned long long)(disk_free >> 20));
}

static void take_settings(struct committer *committer)
{
	struct ledger_limits *limits = &committer->ledger->limits;
	struct gauges *gauges = committer->gauges;

	limits->maximum_bytes = atomic_load(&gauges->maximum_bytes);
	limits->keep_finished_ms = atomic_load(&gauges->keep_finished_ms);
	limits->keep_failed_bodies_ms =
	    atomic_load(&gauges->keep_failed_bodies_ms);
}
