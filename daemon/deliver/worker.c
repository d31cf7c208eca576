#include "config.h"

#include "deliver/worker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "deliver/credentials.h"
#include "deliver/slot.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define BUCKETS 64

struct worker {
	struct workshop workshop; /* first: the slots' callbacks lead back */
	char name[16];
	struct slot_list slots[BUCKETS];
	struct letter drain, cut;
	bool is_cut;
};

/* What comes from other threads without a struct of its own. */
struct errand {
	struct letter letter;
	struct worker *worker;
	struct assignment *assignment;
	const struct settings *settings;
	uint64_t id;
};

static void settle_take(struct workshop *workshop,
                        struct settlement *settlement);
static void park(struct workshop *workshop, uint64_t id, const char *reason);

/* ----------------------------------------------------------- assignments */

struct assignment *assignment_new(void)
{
	return xcalloc(1, sizeof(struct assignment));
}

void assignment_free(struct assignment *assignment)
{
	if (!assignment)
		return;
	settings_unref(assignment->settings);
	free(assignment->fault_host);
	free(assignment);
}

/* ------------------------------------------------------------ life cycle */

int worker_new(struct worker **ret_worker, unsigned index, struct queue *queue,
               struct resolver *resolver, struct command_helper *helper,
               struct oauth *oauth)
{
	struct worker *worker = xcalloc(1, sizeof(*worker));
	struct workshop *workshop = &worker->workshop;
	int r;

	(void)snprintf(worker->name, sizeof(worker->name), "deliver-%u", index);
	workshop->queue = queue;
	workshop->resolver = resolver;
	workshop->settle_take = settle_take;
	workshop->park = park;
	for (unsigned i = 0; i < BUCKETS; i++)
		LIST_INIT(&worker->slots[i]);
	r = loop_new(&workshop->loop, worker->name);
	if (r < 0)
		goto out;
	r = mailbox_new(&workshop->inbox, workshop->loop);
	if (r < 0)
		goto out;
	r = queue_reader_new(&workshop->reader, queue);
	if (r < 0)
		goto out;
	workshop->credentials =
	    credentials_new(helper, oauth, workshop->inbox, false);

	*ret_worker = worker;
	worker = NULL;
out:
	worker_free(worker);
	return r;
}

int worker_start(struct worker *worker)
{
	return loop_start(worker->workshop.loop);
}

struct loop *worker_loop(struct worker *worker)
{
	return worker->workshop.loop;
}

void worker_join(struct worker *worker)
{
	loop_join(worker->workshop.loop);
}

static void free_slots(struct worker *worker)
{
	struct slot *slot;

	for (unsigned i = 0; i < BUCKETS; i++)
		while ((slot = LIST_FIRST(&worker->slots[i])))
			slot_free(slot);
}

void worker_free(struct worker *worker)
{
	struct workshop *workshop;

	if (!worker)
		return;
	workshop = &worker->workshop;
	free_slots(worker);
	credentials_free(workshop->credentials);
	settings_unref(workshop->settings);
	queue_reader_free(workshop->reader);
	if (workshop->inbox)
		mailbox_free(workshop->inbox);
	if (workshop->loop)
		loop_free(workshop->loop);
	free(worker);
}

/* --------------------------------------------------------------- errands */

static void send_errand(struct worker *worker, void (*open)(struct letter *),
                        struct assignment *assignment, uint64_t id)
{
	struct errand *errand = xcalloc(1, sizeof(*errand));

	errand->letter.open = open;
	errand->worker = worker;
	errand->assignment = assignment;
	errand->id = id;
	mailbox_post_take(worker->workshop.inbox, &errand->letter);
}

static struct slot *find_slot(struct worker *worker, uint32_t number)
{
	struct slot_list *list = &worker->slots[number % BUCKETS];
	struct slot *slot = LIST_FIRST(list);

	while (slot && slot_number(slot) != number)
		slot = slot_next(slot);
	return slot ? slot : slot_new(&worker->workshop, number, list);
}

static void on_assignment(struct letter *letter)
{
	struct errand *errand = LETTER_OF(letter, struct errand, letter);
	struct assignment *assignment = errand->assignment;
	struct worker *worker = errand->worker;

	free(errand);
	slot_assign_take(find_slot(worker, assignment->slot), assignment);
}

void worker_assign_take(struct worker *worker, struct assignment *assignment)
{
	assert(assignment->home && assignment->on_done);
	send_errand(worker, on_assignment, assignment, 0);
}

static void on_forget(struct letter *letter)
{
	struct errand *errand = LETTER_OF(letter, struct errand, letter);
	struct slot *slot;

	for (unsigned i = 0; i < BUCKETS; i++)
		for (slot = LIST_FIRST(&errand->worker->slots[i]); slot;
		     slot = slot_next(slot))
			slot_forget(slot, errand->id);
	free(errand);
}

void worker_forget(struct worker *worker, uint64_t id)
{
	send_errand(worker, on_forget, NULL, id);
}

static void on_settings(struct letter *letter)
{
	struct errand *errand = LETTER_OF(letter, struct errand, letter);
	struct worker *worker = errand->worker;
	struct workshop *workshop = &worker->workshop;
	struct slot *slot;

	settings_unref(workshop->settings);
	workshop->settings = errand->settings;
	free(errand);
	for (unsigned i = 0; i < BUCKETS; i++)
		for (slot = LIST_FIRST(&worker->slots[i]); slot;
		     slot = slot_next(slot))
			slot_on_settings(slot);
	credentials_keep(workshop->credentials, workshop->settings);
}

void worker_apply_settings_take(struct worker *worker,
                                const struct settings *settings_ref)
{
	struct errand *errand = xcalloc(1, sizeof(*errand));

	errand->letter.open = on_settings;
	errand->worker = worker;
	errand->settings = settings_ref;
	mailbox_post_take(worker->workshop.inbox, &errand->letter);
}

/* ----------------------------------------------------------------- drain */

static void stop_if_cut(struct worker *worker)
{
	if (worker->is_cut && worker->workshop.unsettled == 0)
		loop_stop(worker->workshop.loop);
}

static void on_room(struct worker *worker)
{
	struct slot *slot, *next;

	for (unsigned i = 0; i < BUCKETS; i++)
		for (slot = LIST_FIRST(&worker->slots[i]); slot; slot = next) {
			next = slot_next(slot);
			slot_on_room(slot);
		}
}

static void on_drain(struct letter *letter)
{
	struct worker *worker = LETTER_OF(letter, struct worker, drain);

	worker->workshop.is_draining = true;
	on_room(worker);
}

void worker_drain(struct worker *worker)
{
	worker->drain.open = on_drain;
	mailbox_post_take(worker->workshop.inbox, &worker->drain);
}

static void on_cut(struct letter *letter)
{
	struct worker *worker = LETTER_OF(letter, struct worker, cut);
	struct slot *slot;

	worker->workshop.is_draining = true;
	worker->is_cut = true;
	for (unsigned i = 0; i < BUCKETS; i++)
		for (slot = LIST_FIRST(&worker->slots[i]); slot;
		     slot = slot_next(slot))
			slot_cut(slot);
	stop_if_cut(worker);
}

void worker_cut(struct worker *worker)
{
	worker->cut.open = on_cut;
	mailbox_post_take(worker->workshop.inbox, &worker->cut);
}

/* ----------------------------------------------------------- settlements */

static void job_is_home(struct worker *worker)
{
	struct workshop *workshop = &worker->workshop;
	bool was_full = workshop->unsettled >= UNSETTLED_MAX;

	assert(workshop->unsettled > 0);
	workshop->unsettled--;
	if (was_full)
		on_room(worker);
	stop_if_cut(worker);
}

/*
 * Where the disk takes nothing the committer tries on; an error comes home only
 * where it ends, too, or the message is not what the verdict was about.
 */
static void on_settled(struct letter *letter)
{
	struct settlement *settlement =
	    LETTER_OF(letter, struct settlement, job.letter);
	struct worker *worker = settlement->job.context;
	int result = settlement->job.result;

	/* -ENOENT: the message has ended in between, there is nothing to say */
	if (result < 0 && result != -ENOENT)
		log_message(LOG_LEVEL_ERR, "verdict_lost",
		            "a verdict could not be stored: %s",
		            strerror(-result));
	settlement_free(settlement);
	job_is_home(worker);
}

static void settle_take(struct workshop *workshop,
                        struct settlement *settlement)
{
	workshop->unsettled++;
	settlement->job.kind = QUEUE_SETTLE;
	settlement->job.home = workshop->inbox;
	settlement->job.on_done = on_settled;
	settlement->job.context = workshop;
	queue_post_take(workshop->queue, &settlement->job);
}

/* ----------------------------------------------------------- parked mail */

static void on_parked(struct letter *letter)
{
	struct change *change = LETTER_OF(letter, struct change, job.letter);
	struct worker *worker = change->job.context;
	struct log_line line;

	log_begin(&line, LOG_LEVEL_ERR, "parked");
	log_id(&line, "id", change->id);
	log_text(&line, "reason", change->reason);
	if (change->job.result < 0)
		log_text(&line, "not_stored", strerror(-change->job.result));
	log_end(&line);
	change_free(change);
	job_is_home(worker);
}

/* A message that can't be read needs a human; nothing is settled. */
static void park(struct workshop *workshop, uint64_t id, const char *reason)
{
	struct change *change = change_new(CHANGE_PARK, id);

	change->reason = xstrdup(reason);
	change->job.home = workshop->inbox;
	change->job.on_done = on_parked;
	change->job.context = workshop;
	workshop->unsettled++;
	queue_post_take(workshop->queue, &change->job);
}
