#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "fake_queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/mailbox.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "settings_errors.h"

struct queue {
	int unused;
};
struct queue_reader {
	int unused;
};

struct fake_lane {
	struct lane_key key;
	char domain[64];
	struct part_row *rows; /* in order of due, id, part */
	size_t count, room;
};

uint64_t fake_now_ms;
struct loop *fake_loop;
struct scheduler *fake_scheduler;
struct assignment *fake_given[FAKE_GIVEN_MAX];
unsigned fake_given_count;
unsigned fake_forgotten;
int fake_change_result;
bool fake_is_silent;

static struct queue queue;
static struct queue_reader reader;
static int workers[FAKE_WORKERS];
static struct worker *worker_list[FAKE_WORKERS];
static const struct settings *settings;
static struct mailbox *notice_box;
static void (*notice_open)(struct letter *letter);
static void *notice_context;
static struct queue_notice *notice; /* being collected */
static size_t notice_room;
static struct letter *jobs, **jobs_end = &jobs;
static struct fake_lane *lanes;
static uint32_t lane_count, lane_room;
static struct part_row *fresh;
static size_t fresh_count, fresh_room;
static uint64_t last_id;
static struct relay_memory memories[8];
static unsigned memory_count;

/* ------------------------------------------------------------- life cycle */

const struct settings *fake_settings_load(const char *yaml)
{
	char path[] = "/tmp/relais-test-XXXXXX";
	int fd = mkstemp(path);
	const struct settings *loaded = NULL;
	struct settings_errors errors;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
	close(fd);
	settings_errors_init(&errors);
	if (settings_load(path, &loaded, &errors) < 0)
		settings_errors_print(&errors, stderr);
	unlink(path);
	settings_errors_done(&errors);
	assert_non_null(loaded);
	return loaded;
}

void fake_set_up(const char *yaml)
{
	log_set_level(LOG_LEVEL_ERR);
	fake_now_ms = UINT64_C(1700000000000);
	last_id = 0;
	fake_is_silent = false;
	fake_forgotten = 0;
	fake_change_result = 0;
	fake_given_count = 0;
	for (unsigned i = 0; i < FAKE_WORKERS; i++)
		worker_list[i] = (struct worker *)(void *)&workers[i];
	settings = fake_settings_load(yaml);
	assert_int_equal(loop_new(&fake_loop, "test"), 0);
	assert_int_equal(scheduler_new(&fake_scheduler, fake_loop, &queue,
	                               settings, worker_list, FAKE_WORKERS),
	                 0);
}

void fake_start(void)
{
	assert_int_equal(scheduler_start(fake_scheduler), 0);
	fake_run();
}

static void drop_jobs(void)
{
	struct letter *letter;

	while ((letter = jobs) != NULL) {
		struct queue_job *job =
		    LETTER_OF(letter, struct queue_job, letter);

		jobs = letter->next;
		if (job->kind == QUEUE_CHANGE) {
			/* As a crash would: what the scheduler kept of it. */
			free(job->context);
			change_free(
			    LETTER_OF(letter, struct change, job.letter));
		}
	}
	jobs_end = &jobs;
}

static void end_process(void)
{
	for (unsigned i = 0; i < fake_given_count; i++)
		assignment_free(fake_given[i]);
	fake_given_count = 0;
	/* Relays' memories are the scheduler's to free. */
	drop_jobs();
	scheduler_free(fake_scheduler);
	free(notice);
	notice = NULL;
}

void fake_restart(void)
{
	end_process();
	assert_int_equal(scheduler_new(&fake_scheduler, fake_loop, &queue,
	                               settings, worker_list, FAKE_WORKERS),
	                 0);
	fake_start();
}

void fake_tear_down(void)
{
	end_process();
	loop_free(fake_loop);
	settings_unref(settings);
	for (uint32_t i = 0; i < lane_count; i++)
		free(lanes[i].rows);
	free(lanes);
	free(fresh);
	lanes = NULL;
	fresh = NULL;
	lane_count = lane_room = 0;
	fresh_count = fresh_room = 0;
	memory_count = 0;
}

uint32_t fake_relay(const char *name)
{
	return settings_relay_id(name);
}

void fake_run(void)
{
	for (int i = 0; i < 8; i++)
		event_base_loop(loop_base(fake_loop), EVLOOP_NONBLOCK);
}

static void collect(enum part_event event, uint32_t lane, uint64_t due_ms,
                    uint64_t id, uint16_t part)
{
	if (fake_is_silent)
		return;
	if (notice == NULL) {
		notice_room = 16;
		notice = xcalloc(1, sizeof(*notice) +
		                        notice_room * sizeof(*notice->parts));
	} else if (notice->count == notice_room) {
		notice_room *= 2;
		notice =
		    xrealloc(notice, sizeof(*notice) +
		                         notice_room * sizeof(*notice->parts));
	}
	notice->parts[notice->count++] = (struct part_notice){
		.event = event,
		.lane = lane,
		.due_ms = due_ms,
		.id = id,
		.part = part,
	};
}

void fake_send_notices(void)
{
	struct queue_notice *sent = notice;

	if (sent == NULL)
		return;
	notice = NULL;
	sent->letter.open = notice_open;
	sent->context = notice_context;
	mailbox_post_take(notice_box, &sent->letter);
}

void fake_repeat_notice(enum part_event event, uint32_t lane, uint64_t id,
                        uint16_t part)
{
	uint64_t due_ms = 0;

	for (size_t i = 0; i < lanes[lane - 1].count; i++) {
		const struct part_row *row = &lanes[lane - 1].rows[i];

		if (row->id == id && row->part == part)
			due_ms = row->due_ms;
	}
	collect(event, lane, due_ms, id, part);
	fake_send_notices();
	fake_run();
}

void fake_advance(uint64_t ms)
{
	fake_now_ms += ms;
	if (notice == NULL)
		notice = xcalloc(1, sizeof(*notice));
	notice_room = notice->count;
	fake_send_notices();
	fake_run();
}

/* ------------------------------------------------------------------- rows */

uint32_t fake_lane(const char *relay, enum priority priority,
                   uint32_t submitter_class, const char *domain)
{
	struct fake_lane *lane;

	if (lane_count == lane_room) {
		lane_room = lane_room == 0 ? 16 : lane_room * 2;
		lanes = xrealloc(lanes, lane_room * sizeof(*lanes));
	}
	lane = &lanes[lane_count++];
	memset(lane, 0, sizeof(*lane));
	snprintf(lane->domain, sizeof(lane->domain), "%s", domain);
	lane->key.relay = settings_relay_id(relay);
	lane->key.priority = priority;
	lane->key.submitter_class = submitter_class;
	return lane_count;
}

uint32_t fake_large_lane(const char *relay, enum priority priority,
                         uint32_t submitter_class)
{
	uint32_t id = fake_lane(relay, priority, submitter_class, "");

	lanes[id - 1].key.is_large = true;
	return id;
}

uint64_t fake_id(uint64_t age_ms)
{
	static uint64_t counter;

	return (fake_now_ms - age_ms) << 22 | (++counter & 0x3fffff);
}

static bool row_is_before(const struct part_row *a, const struct part_row *b)
{
	if (a->due_ms != b->due_ms)
		return a->due_ms < b->due_ms;
	return a->id != b->id ? a->id < b->id : a->part < b->part;
}

void fake_add_sched(uint32_t lane_id, uint64_t due_ms, uint64_t id,
                    uint16_t part)
{
	struct fake_lane *lane = &lanes[lane_id - 1];
	struct part_row row = {
		.id = id,
		.due_ms = due_ms,
		.lane = lane_id,
		.part = part,
	};
	size_t at = lane->count;

	if (lane->count == lane->room) {
		lane->room = lane->room == 0 ? 1 : lane->room * 2;
		lane->rows =
		    xrealloc(lane->rows, lane->room * sizeof(*lane->rows));
	}
	while (at > 0 && row_is_before(&row, &lane->rows[at - 1])) {
		lane->rows[at] = lane->rows[at - 1];
		at--;
	}
	lane->rows[at] = row;
	lane->count++;
	collect(PART_NOW_SCHED, lane_id, due_ms, id, part);
}

void fake_add_fresh(uint32_t lane, uint64_t id, uint16_t part)
{
	if (fresh_count == fresh_room) {
		fresh_room = fresh_room == 0 ? 16 : fresh_room * 2;
		fresh = xrealloc(fresh, fresh_room * sizeof(*fresh));
	}
	fresh[fresh_count++] = (struct part_row){
		.id = id,
		.lane = lane,
		.part = part,
	};
	collect(PART_NOW_FRESH, lane, 0, id, part);
}

uint64_t fake_fresh(uint32_t lane)
{
	uint64_t id = fake_id(0);

	fake_add_fresh(lane, id, 0);
	return id;
}

uint64_t fake_sched(uint32_t lane, uint64_t due_ms)
{
	uint64_t id = fake_id(0);

	fake_add_sched(lane, due_ms, id, 0);
	return id;
}

/* The row of a part, taken out; false without one. */
static bool take_row(uint64_t id, uint16_t part, struct part_row *ret_row)
{
	for (size_t i = 0; i < fresh_count; i++) {
		if (fresh[i].id != id || fresh[i].part != part)
			continue;
		*ret_row = fresh[i];
		fresh_count--;
		memmove(&fresh[i], &fresh[i + 1],
		        (fresh_count - i) * sizeof(*fresh));
		return true;
	}
	for (uint32_t l = 0; l < lane_count; l++) {
		struct fake_lane *lane = &lanes[l];

		for (size_t i = 0; i < lane->count; i++) {
			if (lane->rows[i].id != id ||
			    lane->rows[i].part != part)
				continue;
			*ret_row = lane->rows[i];
			lane->count--;
			memmove(&lane->rows[i], &lane->rows[i + 1],
			        (lane->count - i) * sizeof(*lane->rows));
			return true;
		}
	}
	return false;
}

bool fake_waits(uint64_t id, uint16_t part)
{
	for (size_t i = 0; i < fresh_count; i++)
		if (fresh[i].id == id && fresh[i].part == part)
			return true;
	for (uint32_t l = 0; l < lane_count; l++)
		for (size_t i = 0; i < lanes[l].count; i++)
			if (lanes[l].rows[i].id == id &&
			    lanes[l].rows[i].part == part)
				return true;
	return false;
}

size_t fake_rows(void)
{
	size_t count = fresh_count;

	for (uint32_t l = 0; l < lane_count; l++)
		count += lanes[l].count;
	return count;
}

/* ------------------------------------------------------------------- jobs */

void queue_post_take(struct queue *unused, struct queue_job *job)
{
	(void)unused;
	job->letter.next = NULL;
	*jobs_end = &job->letter;
	jobs_end = &job->letter.next;
}

static int do_change(struct change *change)
{
	struct part_row row;
	uint32_t lane;

	if (fake_change_result != 0)
		return fake_change_result;
	/* Messages have part 0 only, but those of fake_add_…(). */
	if (!take_row(change->id, 0, &row))
		return -EALREADY;
	collect(PART_NOW_SETTLED, row.lane, 0, row.id, row.part);
	switch (change->kind) {
	case CHANGE_HOLD:
	case CHANGE_PARK:
	case CHANGE_CANCEL:
	case CHANGE_RESEND:
	case CHANGE_RESCHEDULE:
		break;
	case CHANGE_RETRY:
	case CHANGE_RELEASE:
		fake_add_sched(row.lane, fake_now_ms, row.id, row.part);
		break;
	case CHANGE_REROUTE:
		for (lane = 1; lane <= lane_count; lane++) {
			if (lanes[lane - 1].key.relay == change->lanes[0].relay)
				break;
		}
		assert_true(lane <= lane_count);
		fake_add_fresh(lane, row.id, row.part);
		break;
	}
	return 0;
}

static void do_remember(const struct relay_memory *memory)
{
	unsigned i = 0;

	while (i < memory_count && memories[i].relay != memory->relay)
		i++;
	if (i == memory_count)
		memory_count++;
	assert_true(memory_count <= 8);
	memories[i] = *memory;
}

unsigned fake_commit(void)
{
	struct letter *letter = jobs, *next;
	unsigned count = 0;

	jobs = NULL;
	jobs_end = &jobs;
	for (struct letter *l = letter; l != NULL; l = l->next) {
		struct queue_job *job = LETTER_OF(l, struct queue_job, letter);

		job->result = 0;
		if (job->kind == QUEUE_CHANGE)
			job->result =
			    do_change(LETTER_OF(l, struct change, job.letter));
		else
			do_remember(
			    LETTER_OF(l, struct relay_memory, job.letter));
		count++;
	}
	fake_send_notices();
	for (; letter != NULL; letter = next) {
		struct queue_job *job =
		    LETTER_OF(letter, struct queue_job, letter);

		next = letter->next;
		letter->open = job->on_done;
		mailbox_post_take(job->home, letter);
	}
	fake_run();
	return count;
}

struct change *change_new(enum change_kind kind, uint64_t id)
{
	struct change *change = xcalloc(1, sizeof(*change));

	change->kind = kind;
	change->id = id;
	return change;
}

void change_free(struct change *change)
{
	if (change == NULL)
		return;
	free(change->reason);
	free(change->lanes);
	free(change);
}

void queue_listen_parts(struct queue *unused, struct mailbox *mailbox,
                        void (*open)(struct letter *letter), void *context)
{
	(void)unused;
	notice_box = mailbox;
	notice_open = open;
	notice_context = context;
}

void queue_notice_free(struct queue_notice *old)
{
	free(old);
}

uint64_t queue_time_ms(const struct queue *unused)
{
	(void)unused;
	return fake_now_ms;
}

/* ------------------------------------------------------------------ reads */

int queue_reader_new(struct queue_reader **ret_reader, struct queue *unused)
{
	(void)unused;
	*ret_reader = &reader;
	return 0;
}

void queue_reader_free(struct queue_reader *unused)
{
	(void)unused;
}

int queue_read_lane(struct queue_reader *unused, uint32_t lane,
                    struct lane_info *ret_info)
{
	const struct fake_lane *from = &lanes[lane - 1];

	(void)unused;
	if (lane == 0 || lane > lane_count)
		return -ENOENT;
	ret_info->id = lane;
	ret_info->key = from->key;
	snprintf(ret_info->domain, sizeof(ret_info->domain), "%s",
	         from->domain);
	ret_info->key.domain = ret_info->domain;
	ret_info->waiting = from->count;
	for (size_t i = 0; i < fresh_count; i++)
		ret_info->waiting += fresh[i].lane == lane;
	ret_info->waiting_bytes = ret_info->waiting * 1000;
	return 0;
}

int queue_read_lanes(struct queue_reader *unused, uint32_t after,
                     struct lane_info *infos, unsigned max)
{
	unsigned count = 0;

	while (count < max && after < lane_count)
		queue_read_lane(unused, ++after, &infos[count++]);
	return (int)count;
}

int queue_read_fresh(struct queue_reader *unused, uint64_t after_id,
                     uint16_t after_part, struct part_row *rows, unsigned max)
{
	unsigned count = 0;

	(void)unused;
	for (size_t i = 0; i < fresh_count && count < max; i++) {
		if (fresh[i].id > after_id ||
		    (fresh[i].id == after_id && fresh[i].part > after_part))
			rows[count++] = fresh[i];
	}
	return (int)count;
}

int queue_read_due(struct queue_reader *unused, uint32_t lane,
                   const struct part_row *from, uint64_t until_ms,
                   struct part_row *rows, unsigned max, uint64_t *ret_next_due)
{
	const struct fake_lane *of = &lanes[lane - 1];
	unsigned count = 0;

	(void)unused;
	*ret_next_due = UINT64_MAX;
	for (size_t i = 0; i < of->count; i++) {
		if (row_is_before(&of->rows[i], from))
			continue;
		if (count == max || of->rows[i].due_ms > until_ms) {
			*ret_next_due = of->rows[i].due_ms;
			break;
		}
		rows[count++] = of->rows[i];
	}
	return (int)count;
}

static bool wake_is_before(const struct wake_row *a, const struct wake_row *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms
	                              : a->lane < b->lane;
}

int queue_read_wake(struct queue_reader *unused, const struct wake_row *from,
                    struct wake_row *rows, unsigned max)
{
	unsigned count = 0;

	(void)unused;
	for (uint32_t l = 0; l < lane_count; l++) {
		struct wake_row row = { .lane = l + 1 };
		unsigned at;

		if (lanes[l].count == 0)
			continue;
		row.due_ms = lanes[l].rows[0].due_ms;
		if (wake_is_before(&row, from) ||
		    (count == max && !wake_is_before(&row, &rows[max - 1])))
			continue;
		at = count < max ? count++ : max - 1;
		while (at > 0 && wake_is_before(&row, &rows[at - 1])) {
			rows[at] = rows[at - 1];
			at--;
		}
		rows[at] = row;
	}
	return (int)count;
}

int queue_read_relay(struct queue_reader *unused, uint32_t relay,
                     struct relay_memory *ret_memory)
{
	(void)unused;
	for (unsigned i = 0; i < memory_count; i++) {
		if (memories[i].relay != relay)
			continue;
		memcpy(ret_memory->bytes, memories[i].bytes, memories[i].len);
		ret_memory->len = memories[i].len;
		return 0;
	}
	return -ENOENT;
}

/* Of uid 33, to a@example.org. */
int queue_read_counts(struct queue_reader *unused, struct queue_counts *ret)
{
	(void)unused;
	*ret = (struct queue_counts){ .waiting_parts = fake_rows() };
	return 0;
}

int queue_read_message(struct queue_reader *unused, uint64_t id,
                       struct message **ret_message)
{
	struct message *message;

	(void)unused;
	message = message_new();
	message->id = id;
	message->state = MESSAGE_QUEUED;
	message->uid = 33;
	message->priority = PRIORITY_NORMAL;
	message->sender = "sender@example.com";
	message->recipients =
	    message_allocate(message, sizeof(*message->recipients));
	memset(message->recipients, 0, sizeof(*message->recipients));
	message->recipient_count = 1;
	message->recipients[0].address = "a@example.org";
	message->parts = message_allocate(message, sizeof(*message->parts));
	memset(message->parts, 0, sizeof(*message->parts));
	message->part_count = 1;
	for (uint32_t l = 0; l < lane_count; l++)
		for (size_t i = 0; i < lanes[l].count; i++)
			if (lanes[l].rows[i].id == id)
				message->parts[0].lane = l + 1;
	for (size_t i = 0; i < fresh_count; i++)
		if (fresh[i].id == id)
			message->parts[0].lane = fresh[i].lane;
	*ret_message = message;
	return 0;
}

/* ---------------------------------------------------------------- workers */

struct assignment *assignment_new(void)
{
	return xcalloc(1, sizeof(struct assignment));
}

void assignment_free(struct assignment *assignment)
{
	if (assignment == NULL)
		return;
	settings_unref(assignment->settings);
	free(assignment->fault_host);
	free(assignment);
}

void worker_assign_take(struct worker *worker, struct assignment *assignment)
{
	(void)worker;
	if (fake_given_count == FAKE_GIVEN_MAX) {
		unsigned kept = 0;

		for (unsigned i = 0; i < fake_given_count; i++)
			if (fake_given[i] != NULL)
				fake_given[kept++] = fake_given[i];
		fake_given_count = kept;
	}
	assert_true(fake_given_count < FAKE_GIVEN_MAX);
	fake_given[fake_given_count++] = assignment;
}

void worker_forget(struct worker *worker, uint64_t id)
{
	(void)worker;
	(void)id;
	fake_forgotten++;
}

void fake_settle(struct assignment *assignment, unsigned index, uint64_t due_ms)
{
	uint64_t id = assignment->parts[index].id;
	uint16_t part = assignment->parts[index].part;
	struct part_row row;

	assignment->parts[index].outcome = PART_SETTLED;
	assert_true(take_row(id, part, &row));
	if (due_ms != 0)
		fake_add_sched(row.lane, due_ms, id, part);
	else
		assignment->delivered++;
	collect(PART_NOW_SETTLED, row.lane, 0, id, part);
}

void fake_settle_all(struct assignment *assignment)
{
	for (unsigned i = 0; i < assignment->part_count; i++)
		fake_settle(assignment, i, 0);
}

void fake_home(struct assignment *assignment, const struct verdict *fault)
{
	for (unsigned i = 0; i < fake_given_count; i++) {
		if (fake_given[i] == assignment)
			fake_given[i] = NULL;
	}
	if (fault != NULL)
		assignment->fault = *fault;
	else
		assignment->had_session = true;
	assignment->letter.open = assignment->on_done;
	mailbox_post_take(assignment->home, &assignment->letter);
	fake_run();
}

unsigned fake_deliver_all(void)
{
	struct assignment *assignment;
	unsigned count = 0;

	while ((assignment = fake_oldest()) != NULL) {
		count += assignment->part_count;
		fake_settle_all(assignment);
		fake_send_notices();
		fake_home(assignment, NULL);
	}
	return count;
}

struct assignment *fake_oldest(void)
{
	for (unsigned i = 0; i < fake_given_count; i++) {
		if (fake_given[i] != NULL)
			return fake_given[i];
	}
	fake_given_count = 0;
	return NULL;
}

unsigned fake_at_workers(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < fake_given_count; i++)
		count += fake_given[i] != NULL;
	return count;
}

unsigned fake_parts_at_workers(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < fake_given_count; i++)
		if (fake_given[i] != NULL)
			count += fake_given[i]->part_count;
	return count;
}

void fake_fault(struct verdict *ret_fault, enum verdict_fault fault)
{
	verdict_local(ret_fault, VERDICT_TEMPORARY, SCOPE_RELAY, PHASE_CONNECT,
	              fault, "trouble");
}

void fake_return(struct assignment *assignment, enum verdict_fault fault)
{
	struct verdict verdict;

	fake_fault(&verdict, fault);
	for (unsigned i = 0; i < assignment->part_count; i++)
		assignment->parts[i].outcome =
		    i == 0 ? PART_RETURNED : PART_NOT_TRIED;
	fake_home(assignment, &verdict);
}
