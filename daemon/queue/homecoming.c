#include "config.h"

#include "queue/homecoming.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "queue/backlog.h"
#include "queue/body.h"
#include "queue/gauges.h"
#include "queue/ledger.h"
#include "runtime/xalloc.h"

/* Loops that have jobs in one batch; more are served in a further round. */
#define HOMES_MAX 16

/* What a job brought and nobody needs now. */
struct leftover {
	char *header;
	struct body_chunk *body;
};

struct homecoming {
	struct gauges *gauges;
	struct mailbox *parts_mailbox;
	void (*parts_open)(struct letter *letter);
	void *parts_context;
	struct feed_listener *feed_listeners;
	struct mailbox *reports_mailbox;
	struct letter *reports_letter;
	_Atomic bool is_reports_letter_home;
	struct part_notice *claims; /* to be ended */
	size_t claim_count;
	struct leftover *leftovers;
	size_t leftover_size;
};

struct homes {
	unsigned count;
	struct mailbox *mailboxes[HOMES_MAX];
	struct job_list jobs[HOMES_MAX];
};

static void tell_feed(struct homecoming *homecoming, uint64_t last_sequence);
static void add_to_home(struct homes *homes, struct queue_job *job);
static void post_homes(struct homes *homes);
static struct leftover strip(struct queue_job *job);
static void strip_submission(struct leftover *leftover,
                             struct submission *submission);

struct homecoming *homecoming_new(struct gauges *gauges)
{
	struct homecoming *homecoming = xcalloc(1, sizeof(*homecoming));

	homecoming->gauges = gauges;
	return homecoming;
}

void homecoming_free(struct homecoming *homecoming)
{
	if (homecoming == NULL)
		return;
	free(homecoming->claims);
	free(homecoming->leftovers);
	free(homecoming);
}

void homecoming_listen_parts(struct homecoming *homecoming,
                             struct mailbox *mailbox,
                             void (*open)(struct letter *letter), void *context)
{
	homecoming->parts_mailbox = mailbox;
	homecoming->parts_open = open;
	homecoming->parts_context = context;
}

void homecoming_listen_feed(struct homecoming *homecoming,
                            struct feed_listener *listener)
{
	listener->next = homecoming->feed_listeners;
	homecoming->feed_listeners = listener;
}

void homecoming_listen_reports(struct homecoming *homecoming,
                               struct mailbox *mailbox, struct letter *letter)
{
	homecoming->reports_mailbox = mailbox;
	homecoming->reports_letter = letter;
	atomic_store(&homecoming->is_reports_letter_home, true);
}

void homecoming_reports_listen_again(struct homecoming *homecoming)
{
	atomic_store(&homecoming->is_reports_letter_home, true);
}

void homecoming_note_claim(struct homecoming *homecoming,
                           const struct settlement *settlement)
{
	homecoming->claims =
	    xrealloc(homecoming->claims, (homecoming->claim_count + 1) *
	                                     sizeof(*homecoming->claims));
	homecoming->claims[homecoming->claim_count++] = (struct part_notice){
		.event = PART_NOW_SETTLED,
		.part = settlement->part,
		.id = settlement->id,
	};
}

void homecoming_end_claims(struct homecoming *homecoming, struct ledger *ledger)
{
	for (size_t i = 0; i < homecoming->claim_count; i++) {
		struct message_part part = {
			.number = homecoming->claims[i].part,
		};

		ledger_notice(ledger, PART_NOW_SETTLED,
		              homecoming->claims[i].id, &part);
	}
}

void homecoming_tell(struct homecoming *homecoming, struct ledger *ledger)
{
	size_t count = ledger->notice_count;

	homecoming->claim_count = 0;
	if (count > 0 && homecoming->parts_mailbox != NULL) {
		struct queue_notice *notice =
		    xmalloc(sizeof(*notice) + count * sizeof(notice->parts[0]));

		notice->letter.open = homecoming->parts_open;
		notice->context = homecoming->parts_context;
		notice->count = count;
		memcpy(notice->parts, ledger->notices,
		       count * sizeof(notice->parts[0]));
		mailbox_post_take(homecoming->parts_mailbox, &notice->letter);
	}
	ledger->notice_count = 0;
	if (ledger->has_reports && homecoming->reports_mailbox != NULL &&
	    atomic_exchange(&homecoming->is_reports_letter_home, false))
		mailbox_post_take(homecoming->reports_mailbox,
		                  homecoming->reports_letter);
	tell_feed(homecoming, ledger->committed.last_sequence);
}

/* Who doesn't listen reads the feed once it does, and sees this then. */
static void tell_feed(struct homecoming *homecoming, uint64_t last_sequence)
{
	struct feed_listener *listener = homecoming->feed_listeners;

	for (; listener != NULL; listener = listener->next) {
		if (listener->told_sequence == last_sequence ||
		    !atomic_exchange(&listener->is_listening, false))
			continue;
		listener->told_sequence = last_sequence;
		mailbox_post_take(listener->mailbox, &listener->letter);
	}
}

void homecoming_send(struct homecoming *homecoming, struct queue_job **jobs,
                     unsigned count)
{
	struct homes homes = { .count = 0 };
	uint64_t bytes = 0;

	if (count > homecoming->leftover_size) {
		homecoming->leftover_size = count;
		homecoming->leftovers =
		    xrealloc(homecoming->leftovers,
		             count * sizeof(*homecoming->leftovers));
	}
	for (unsigned i = 0; i < count; i++)
		bytes += backlog_job_bytes(jobs[i]);
	atomic_fetch_sub(&homecoming->gauges->pending_jobs, count);
	atomic_fetch_sub(&homecoming->gauges->pending_bytes, bytes);
	for (unsigned i = 0; i < count; i++) {
		homecoming->leftovers[i] = strip(jobs[i]);
		add_to_home(&homes, jobs[i]);
	}
	post_homes(&homes);
	for (unsigned i = 0; i < count; i++) {
		free(homecoming->leftovers[i].header);
		body_chunk_free_list(homecoming->leftovers[i].body);
	}
}

static void add_to_home(struct homes *homes, struct queue_job *job)
{
	unsigned h = 0;

	while (h < homes->count && homes->mailboxes[h] != job->home)
		h++;
	if (h == HOMES_MAX) {
		post_homes(homes);
		h = 0;
	}
	if (h == homes->count) {
		homes->mailboxes[h] = job->home;
		job_list_init(&homes->jobs[h]);
		homes->count++;
	}
	job_list_append(&homes->jobs[h], job);
}

static void post_homes(struct homes *homes)
{
	for (unsigned h = 0; h < homes->count; h++)
		mailbox_post_list_take(homes->mailboxes[h],
		                       homes->jobs[h].first);
	homes->count = 0;
}

static struct leftover strip(struct queue_job *job)
{
	struct leftover leftover = { NULL, NULL };
	struct upload *upload;

	switch (job->kind) {
	case QUEUE_SUBMIT:
		strip_submission(&leftover, (struct submission *)job);
		break;
	case QUEUE_UPLOAD:
		upload = (struct upload *)job;
		leftover.header = upload->header;
		leftover.body = upload->chunks;
		upload->header = NULL;
		upload->chunks = NULL;
		/* An id that was given back is somebody else's by now. */
		if (job->result < 0 && upload->first_piece == 0)
			upload->body_id = 0;
		break;
	case QUEUE_DISCARD:
	case QUEUE_SETTLE:
	case QUEUE_CHANGE:
	case QUEUE_REMEMBER:
	case QUEUE_REPORT:
		break;
	}
	return leftover;
}

/* Mail that was not kept stays with its submitter. */
static void strip_submission(struct leftover *leftover,
                             struct submission *submission)
{
	if (submission->job.result != 0 && submission->job.result != -EEXIST) {
		submission->id = submission->message->id = 0;
		return;
	}
	leftover->header = submission->header;
	leftover->body = submission->body;
	submission->header = NULL;
	submission->body = NULL;
}
