#include "config.h"

#include "queue/committer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "queue/backlog.h"
#include "queue/gauges.h"
#include "queue/homecoming.h"
#include "queue/inflight.h"
#include "queue/job_apply.h"
#include "queue/ledger.h"
#include "queue/queue_time.h"
#include "queue/retention.h"
#include "queue/space.h"
#include "runtime/log.h"

#define BATCH_JOBS_MAX 256
#define TURN_MS        1000
/* So long a settlement waits that found no room: twice as long each time. */
#define RETRY_FIRST_MS 20
#define RETRY_MAX_MS   1000
/* What a relay is remembered for waits so long for company. */
#define REMEMBER_MS 1000

struct committer {
	struct ledger *ledger;
	struct inflight *inflight;
	struct gauges *gauges;
	struct retention *retention;
	struct homecoming *homecoming;
	struct mailbox *inbox;
	struct letter stop_letter;
	pthread_t thread;
	struct backlog backlog;
	struct space space;
	struct queue_job *batch[BATCH_JOBS_MAX];
	unsigned batch_count;
	unsigned batch_max; /* less where verdicts found no room */
	uint64_t retry_ms;  /* boot time; 0: nothing is stuck */
	uint64_t retry_delay_ms;
	uint64_t remember_ms;
	int last_error; /* logged once */
	bool is_stopping;
	bool is_clean;
};

static void *run(void *argument);
static void on_stop(struct letter *letter);
static int pause_ms(const struct committer *committer);
static void sort_in(struct committer *committer, struct letter *letter);
static void fill_batch(struct committer *committer);
static void do_batch(struct committer *committer);
static int try_batch(struct committer *committer, int *ret_culprit);
static bool is_for_the_moment(int error);
static bool must_be_done(const struct queue_job *job);
static void give_up(struct committer *committer, unsigned index, int error);
static bool give_back_mail(struct committer *committer, int error);
static void put_back(struct committer *committer, int error);
static void finish_batch(struct committer *committer);
static void end_if_lost(int error);
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
	backlog_init(&committer->backlog);
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
                            struct mailbox *mailbox,
                            void (*open)(struct letter *letter), void *context)
{
	homecoming_listen_parts(committer->homecoming, mailbox, open, context);
}

void committer_listen_feed(struct committer *committer,
                           struct feed_listener *listener)
{
	homecoming_listen_feed(committer->homecoming, listener);
}

void committer_listen_reports(struct committer *committer,
                              struct mailbox *mailbox, struct letter *letter)
{
	homecoming_listen_reports(committer->homecoming, mailbox, letter);
}

void committer_reports_listen_again(struct committer *committer)
{
	homecoming_reports_listen_again(committer->homecoming);
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

/* ------------------------------------------------------------- the thread */

static void *run(void *argument)
{
	struct committer *committer = argument;

	for (;;) {
		sort_in(committer,
		        mailbox_wait(committer->inbox, pause_ms(committer)));
		atomic_store(&committer->gauges->turned_ms, boot_now_ms());
		take_settings(committer);
		fill_batch(committer);
		if (committer->batch_count > 0)
			do_batch(committer);
		else if (committer->is_stopping)
			break;
		else if (committer->backlog.verdicts.first == NULL ||
		         committer->retry_ms != 0)
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

static int pause_ms(const struct committer *committer)
{
	const struct backlog *backlog = &committer->backlog;
	uint64_t now_ms = boot_now_ms();
	int mail_ms = backlog_mail_wait_ms(backlog, now_ms);
	int verdicts_ms =
	    backlog_verdicts_wait_ms(backlog, committer->retry_ms, now_ms);

	if (committer->is_stopping)
		return 0;
	if (mail_ms >= 0 && (verdicts_ms < 0 || mail_ms < verdicts_ms))
		return mail_ms;
	if (verdicts_ms >= 0)
		return verdicts_ms;
	return retention_is_busy(committer->retention) ? 0 : TURN_MS;
}

static void sort_in(struct committer *committer, struct letter *letter)
{
	uint64_t now_ms = boot_now_ms();
	struct letter *next;

	for (; letter != NULL; letter = next) {
		next = letter->next;
		if (letter->open == on_stop)
			committer->is_stopping = true;
		else
			backlog_add(&committer->backlog,
			            LETTER_OF(letter, struct queue_job, letter),
			            now_ms);
	}
}

static void fill_batch(struct committer *committer)
{
	struct backlog *backlog = &committer->backlog;
	uint64_t now_ms = boot_now_ms();
	unsigned max = committer->batch_max;
	unsigned count = 0;

	if (committer->is_stopping ||
	    backlog_verdicts_wait_ms(backlog, committer->retry_ms, now_ms) == 0)
		count = backlog_take_verdicts(backlog, committer->batch, max);
	count = backlog_take_mail(backlog, committer->batch, count, max,
	                          committer->is_stopping ? UINT64_MAX : now_ms);
	if (count > 0 || committer->is_stopping ||
	    now_ms >= committer->remember_ms + REMEMBER_MS) {
		count = backlog_take(&backlog->memories, committer->batch,
		                     count, max);
		committer->remember_ms = now_ms;
	}
	committer->batch_count = count;
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
		if (culprit >= 0 && !is_for_the_moment(r)) {
			give_up(committer, (unsigned)culprit, r);
			continue;
		}
		note_error(committer, r);
		if (!give_back_mail(committer, r))
			put_back(committer, r);
	}
}

/* *ret_culprit: the job that spoilt the transaction; else it was the whole. */
static int try_batch(struct committer *committer, int *ret_culprit)
{
	struct ledger *ledger = committer->ledger;
	bool is_full = atomic_load(&committer->gauges->is_full);
	int64_t began_us;
	int r;

	atomic_store(&committer->gauges->working_since_ms, boot_now_ms());
	r = ledger_begin(ledger);
	if (r < 0)
		goto out;
	homecoming_end_claims(committer->homecoming, ledger);
	for (unsigned i = 0; i < committer->batch_count; i++) {
		uint64_t writes = store_txn_writes(ledger->txn);

		r = job_apply(ledger, committer->batch[i], is_full);
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
	r = retention_run(committer->retention, ledger, committer->batch_count);
	began_us = clock_monotonic_us();
	if (r < 0)
		ledger_abort(ledger);
	else
		r = ledger_commit(ledger);
	backlog_note_commit(&committer->backlog,
	                    clock_monotonic_us() - began_us);
out:
	atomic_store(&committer->gauges->working_since_ms, 0);
	end_if_lost(r);
	return r;
}

/* Nobody knows what is on disk: say nothing to anyone, and start again. */
static void end_if_lost(int error)
{
	if (error != -ENOTRECOVERABLE)
		return;
	log_message(LOG_LEVEL_ERR, "store_lost",
	            "the end of a commit could not be written");
	log_stop();
	_exit(EXIT_FAILURE);
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
			inflight_slot_clear(
			    committer->inflight,
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
	        (committer->batch_count - index - 1) *
	            sizeof(committer->batch[0]));
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
		committer->retry_ms = boot_now_ms() + committer->retry_delay_ms;
		committer->retry_delay_ms *= 2;
		if (committer->retry_delay_ms > RETRY_MAX_MS)
			committer->retry_delay_ms = RETRY_MAX_MS;
	} else {
		committer->batch_max = committer->batch_count / 2;
	}
	while (committer->batch_count > 0)
		job_list_prepend(&committer->backlog.verdicts,
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
	end_if_lost(r);
	if (r < 0) {
		note_error(committer, r);
		return;
	}
	atomic_store(&committer->gauges->used_bytes, ledger->used_bytes);
	homecoming_tell(committer->homecoming, ledger);
}

static void look_at_space(struct committer *committer)
{
	space_look(&committer->space, committer->ledger->store,
	           committer->ledger->limits.maximum_bytes, committer->gauges);
	retention_hurry(committer->retention,
	                atomic_load(&committer->gauges->is_full));
}

static void take_settings(struct committer *committer)
{
	struct ledger_limits *limits = &committer->ledger->limits;
	struct gauges *gauges = committer->gauges;

	limits->maximum_bytes = atomic_load(&gauges->maximum_bytes);
	limits->keep_finished_ms = atomic_load(&gauges->keep_finished_ms);
	limits->keep_failed_bodies_ms =
	    atomic_load(&gauges->keep_failed_bodies_ms);
	limits->gather_ms = atomic_load(&gauges->gather_ms);
	limits->summary_ms = atomic_load(&gauges->summary_ms);
}
