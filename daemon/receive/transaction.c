#include "config.h"

#include "receive/transaction.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "aliases.h"
#include "clock.h"
#include "queue/message.h"
#include "queue/route.h"
#include "queue/tag_counts.h"
#include "queue_id.h"
#include "receive/authorship.h"
#include "receive/envelope_record.h"
#include "receive/fixup.h"
#include "receive/session.h"
#include "receive/waiver.h"
#include "runtime/log.h"
#include "settings.h"
#include "smtp/extensions.h"
#include "staging.h"

#define REFUSAL_LOG_US (60LL * 1000000)

static struct smtp_answer on_mail(void *argument,
                                  const struct smtp_envelope *envelope);
static struct smtp_answer on_rcpt(void *argument,
                                  const struct smtp_envelope *envelope,
                                  const struct smtp_recipient *recipient);
static void on_header(void *argument, const char *header, size_t len);
static void on_content(void *argument, const char *data, size_t len);
static void on_message_end(void *argument,
                           const struct smtp_envelope *envelope);
static void on_reset(void *argument);
static void on_key(void *argument, const char *key);
static void on_submitted(struct intake_owner *owner,
                         const struct submission *submission);
static void on_slice_done(struct intake_owner *owner);
static void on_outcome(struct waiter *waiter, const struct message *message);

const struct smtp_server_callbacks transaction_callbacks = {
	.on_mail = on_mail,
	.on_rcpt = on_rcpt,
	.on_header = on_header,
	.on_content = on_content,
	.on_message_end = on_message_end,
	.on_reset = on_reset,
	.on_key = on_key,
};

/* The smaller of two limits, where 0 is none. */
static uint64_t stricter(uint64_t limit, uint64_t other)
{
	return other != 0 && (limit == 0 || other < limit) ? other : limit;
}

static int make_server(struct transaction *transaction)
{
	const struct settings_receive *receive =
	    &transaction->settings->receive;
	const struct submitter_rule *rule = transaction->rule;
	const struct smtp_server_settings settings = {
		.hostname = transaction->settings->hostname,
		.extensions =
		    SMTP_EXT_BASIC | SMTP_EXT_FUTURERELEASE |
		    SMTP_EXT_DELIVERBY | SMTP_EXT_MT_PRIORITY |
		    (transaction->peer->has_credentials ? SMTP_EXT_XRELAIS : 0),
		.hold_max_s = MESSAGE_RELEASE_MAX_S,
		.by_min_s = 1,
		.message_size_bytes =
		    stricter(receive->message_size_bytes, rule->size_bytes),
		.max_recipients =
		    (unsigned)stricter(receive->recipients, rule->recipients),
		.header_size_bytes = receive->header_size_bytes,
	};

	return smtp_server_new(&transaction->server, &settings,
	                       &transaction_callbacks, transaction);
}

int transaction_init(struct transaction *transaction)
{
	struct session_host *host = transaction->host;

	transaction->intake_owner = (struct intake_owner){
		.queue = host->queue,
		.outbox =
		    transaction->is_crowd ? host->crowd_outbox : host->outbox,
		.home = host->home,
		.budget = &host->budget,
		.uid = transaction->peer->uid,
		.quota =
		    queue_quota_of(transaction->settings, transaction->rule),
		.on_slice_done = on_slice_done,
		.on_submitted = on_submitted,
	};
	transaction->intake = intake_new(&transaction->intake_owner);
	transaction->waiter.on_outcome = on_outcome;
	return make_server(transaction);
}

void transaction_done(struct transaction *transaction)
{
	waiters_leave(&transaction->waiter);
	intake_free(transaction->intake);
	free(transaction->ends);
	smtp_server_free(transaction->server);
}

bool transaction_is_expected(const struct transaction *transaction)
{
	return transaction->sender != NULL || !transaction->has_served;
}

static struct smtp_answer answer_for(struct transaction *transaction,
                                     int result)
{
	switch (result) {
	case -EUSERS:
	case -EDQUOT:
		return admission_refuse_share(
		    transaction->submitter, transaction->rule,
		    &transaction->intake_owner.quota, result);
	case -ENOSPC:
		return smtp_answer(452, "4.3.1",
		                   "The queue is full: try again later");
	case -EBUSY:
		return smtp_answer(
		    452, "4.3.1",
		    "The disk is too slow just now: try again later");
	case -ENOMEM:
		return smtp_answer(452, "4.3.1",
		                   "Out of memory: try again later");
	default:
		return smtp_answer(
		    451, "4.3.0",
		    "The queue can't be written: try again later");
	}
}

void transaction_log_refusal(struct session_host *host, uid_t uid,
                             struct smtp_answer answer)
{
	int64_t now_us = clock_monotonic_us();

	if (now_us < host->next_refusal_us)
		return;
	host->next_refusal_us = now_us + REFUSAL_LOG_US;
	log_message(LOG_LEVEL_ERR, "mail_refused",
	            "new mail is refused, now of uid %lu: %s",
	            (unsigned long)uid, answer.text);
}

static struct smtp_answer on_mail(void *argument,
                                  const struct smtp_envelope *envelope)
{
	struct transaction *transaction = argument;
	uint64_t size_bytes = envelope->params.size_bytes;
	struct smtp_answer answer, wish;
	int r;

	r = queue_may_accept(transaction->host->queue, size_bytes);
	if (r < 0) {
		answer = answer_for(transaction, r);
		transaction_log_refusal(transaction->host,
		                        transaction->peer->uid, answer);
		return answer;
	}
	wish = wishes_read(&transaction->wishes, transaction->settings,
	                   transaction->rule, &envelope->params);
	if (!smtp_answer_is_positive(wish))
		return wish;
	answer = admission_check_mail(transaction->submitter, transaction->rule,
	                              transaction->settings, envelope->sender);
	transaction->size_bytes = size_bytes;
	transaction->began_us = clock_monotonic_us();
	transaction->sender = envelope->sender;
	return smtp_answer_is_positive(answer) ? wish : answer;
}

/* Does its mail stay here or with a neighbour, where any name may do? */
static bool stays_near(const struct transaction *transaction,
                       const struct smtp_envelope *envelope,
                       const char *recipient)
{
	struct route_decision decision;
	const struct message message = {
		.sender = envelope->sender,
		.tag = envelope->params.tag,
		.uid = transaction->peer->uid,
		.gid = transaction->peer->gid,
		.priority = PRIORITY_NORMAL,
	};

	route_decide(&decision, transaction->settings, &message, recipient,
	             transaction->wishes.relay);
	return decision.relay->kind == RELAY_MAILDIR ||
	       decision.relay->kind == RELAY_LMTP;
}

/* One of those a recipient stands for. */
static int check_staging(void *context, const char *address)
{
	struct transaction *transaction = context;

	return staging_refuses(transaction->settings, address,
	                       transaction->text)
	           ? -EACCES
	           : 0;
}

/* Better said now than in a report that has nowhere to go, either. */
static struct smtp_answer on_rcpt(void *argument,
                                  const struct smtp_envelope *envelope,
                                  const struct smtp_recipient *recipient)
{
	struct transaction *transaction = argument;
	char name[ADDRESS_SIZE];

	if (staging_has_patterns(&transaction->settings->staging) &&
	    aliases_expand(transaction->settings, recipient->address,
	                   check_staging, transaction) == -EACCES)
		return smtp_answer(550, "5.7.1", transaction->text);
	if (!aliases_end_nowhere(transaction->settings, recipient->address,
	                         name) ||
	    stays_near(transaction, envelope, recipient->address))
		return wishes_read_rcpt(&transaction->wishes,
		                        transaction->settings,
		                        transaction->rule, &recipient->params);
	(void)snprintf(
	    transaction->text, sizeof(transaction->text),
	    "%.64s means nothing elsewhere and has no alias: add the line "
	    "`%.64s: you@example.com` to %.100s, or "
	    "`aliases: {%.64s: you@example.com}` to relais.yaml, then "
	    "relaisctl reload",
	    name, name, transaction->settings->aliases_file, name);
	return smtp_answer(550, "5.1.1", transaction->text);
}

/* The transaction is open: on_mail() came before. */
static void on_header(void *argument, const char *header, size_t len)
{
	struct transaction *transaction = argument;
	struct message *message = message_new();
	struct smtp_answer answer;
	char *kept = NULL;
	size_t kept_len = 0;

	if (!authorship_check_header(transaction->rule, transaction->settings,
	                             header, len, &answer) ||
	    !wishes_read_header(&transaction->wishes, message,
	                        transaction->settings, transaction->rule,
	                        header, len, &answer) ||
	    !fixup_header(message, transaction->settings, transaction->sender,
	                  header, len, &kept, &kept_len, &answer)) {
		message_free(message);
		smtp_server_fail_message(transaction->server, answer);
		return;
	}
	intake_begin(transaction->intake, transaction->size_bytes);
	intake_take_header(transaction->intake, message, kept, kept_len);
}

static void on_content(void *argument, const char *data, size_t len)
{
	struct transaction *transaction = argument;
	int r;

	if (intake_message(transaction->intake) == NULL)
		return; /* it has failed; this is drained */
	r = intake_add(transaction->intake, data, len);
	if (r == 0)
		return;
	intake_abandon(transaction->intake);
	smtp_server_fail_message(transaction->server,
	                         answer_for(transaction, r));
}

static void on_message_end(void *argument, const struct smtp_envelope *envelope)
{
	struct transaction *transaction = argument;
	struct message *message = intake_message(transaction->intake);
	struct smtp_answer answer;

	message->uid = transaction->peer->uid;
	message->gid = transaction->peer->gid;
	if (!transaction->peer->has_credentials)
		message->flags |= MESSAGE_FROM_TCP;
	if (smtp_server_is_lmtp(transaction->server))
		message->flags |= MESSAGE_LMTP;
	message->flags |= transaction->origin_flag;
	message->helo =
	    message_dup_text(message, smtp_server_helo(transaction->server));
	free(transaction->ends);
	transaction->ends = NULL;
	transaction->end_count = envelope->recipient_count;
	if (!envelope_record(message, transaction->settings, envelope,
	                     &transaction->ends, &answer)) {
		intake_abandon(transaction->intake);
		smtp_server_answer_message(transaction->server, answer);
		return;
	}
	wishes_apply(&transaction->wishes, message);
	intake_submit(transaction->intake, transaction->settings,
	              transaction->wishes.relay);
}

static void on_reset(void *argument)
{
	struct transaction *transaction = argument;

	intake_abandon(transaction->intake);
	transaction->sender = NULL;
}

/* RFC 1047 for submitters: did you get it, before the link was lost? */
static void on_key(void *argument, const char *key)
{
	struct transaction *transaction = argument;
	struct session_host *host = transaction->host;
	char id_text[QUEUE_ID_SIZE];
	uint64_t id;
	int r = 0;

	if (host->reader == NULL)
		r = queue_reader_new(&host->reader, host->queue);
	if (r == 0)
		r = queue_read_key(host->reader, transaction->peer->uid, key,
		                   &id);
	if (r == 0) {
		queue_id_format(id, id_text);
		smtp_server_answer_key(transaction->server,
		                       smtp_answer(250, "2.0.0", id_text));
	} else if (r == -ENOENT) {
		smtp_server_answer_key(
		    transaction->server,
		    smtp_answer(550, "5.5.4", "No message has this key"));
	} else {
		smtp_server_answer_key(transaction->server,
		                       answer_for(transaction, r));
	}
}

/* ------------------------------------------------- letters of the queue */

static void log_accepted(const struct transaction *transaction, uint64_t id)
{
	struct log_line line;

	if (!log_is_wanted(LOG_LEVEL_DEBUG))
		return;
	log_begin(&line, LOG_LEVEL_DEBUG, "accepted");
	log_id(&line, "id", id);
	log_number(&line, "uid", (int64_t)transaction->peer->uid);
	log_number(&line, "pid", (int64_t)transaction->peer->pid);
	log_text(&line, "sender", transaction->sender);
	log_end(&line);
}

static struct smtp_answer answer_submission(struct transaction *transaction,
                                            const struct submission *submission)
{
	char id[QUEUE_ID_SIZE];
	int result = submission->job.result;

	queue_id_format(submission->id, id);
	if (result == 0) {
		log_accepted(transaction, submission->id);
		if (!submission->is_replay)
			tag_count(submission->message->tag, TAG_ACCEPTED,
			          submission->message->recipient_count);
		(void)snprintf(transaction->text, sizeof(transaction->text),
		               "Ok: queued as %s%s", id,
		               submission->is_replay ? " (duplicate)" : "");
		return smtp_answer(250, "2.0.0", transaction->text);
	}
	if (result == -EEXIST) {
		(void)snprintf(transaction->text, sizeof(transaction->text),
		               "The key belongs to another message: %s", id);
		return smtp_answer(554, "5.5.4", transaction->text);
	}
	if (result != -EUSERS && result != -EDQUOT)
		log_message(LOG_LEVEL_ERR, "refused",
		            "a message of uid %lu was not stored: %s",
		            (unsigned long)transaction->peer->uid,
		            strerror(-result));
	return answer_for(transaction, result);
}

static void answer_message(struct transaction *transaction,
                           struct smtp_answer answer)
{
	transaction->has_served = true;
	transaction->is_idle = false;
	transaction->sender = NULL;
	smtp_server_answer_message(transaction->server, answer);
	transaction->on_progress(transaction);
}

static void on_submitted(struct intake_owner *owner,
                         const struct submission *submission)
{
	struct transaction *transaction = (struct transaction *)(void *)owner;
	struct session_host *host = transaction->host;
	unsigned wait_s = transaction->wishes.said.wait_s;

	/* What was not stored has no id, but for the one that has its key. */
	transaction->id = 0;
	if (submission->job.result == 0 || submission->job.result == -EEXIST)
		transaction->id = submission->id;
	transaction->is_replay = submission->is_replay;
	transaction->how = OUTCOME_PENDING;
	if (submission->job.result == 0 && wait_s > 0 && !host->is_draining) {
		waiters_wait(host->waiters, &transaction->waiter,
		             submission->id, wait_s);
		return;
	}
	answer_message(transaction, answer_submission(transaction, submission));
}

/* In LMTP each recipient hears of its own fate (RFC 2033). */
static void on_outcome(struct waiter *waiter, const struct message *message)
{
	struct transaction *transaction =
	    (struct transaction *)(void *)((char *)waiter -
	                                   offsetof(struct transaction,
	                                            waiter));
	struct outcome_text *text = &transaction->outcome;
	uint64_t id = transaction->id;
	unsigned first = 0;
	size_t i;

	for (i = 0; i < transaction->end_count &&
	            smtp_server_is_lmtp(transaction->server);
	     i++) {
		smtp_server_answer_recipient(
		    transaction->server, i,
		    outcome_answer(text, id, message, first,
		                   transaction->ends[i]));
		first = transaction->ends[i];
	}
	transaction->how = outcome_of(message, 0, UINT_MAX);
	if (message != NULL)
		waiver_post(transaction->host->queue, transaction->host->home,
		            message, smtp_server_is_lmtp(transaction->server));
	answer_message(transaction,
	               outcome_answer(text, id, message, 0, UINT_MAX));
}

static void on_slice_done(struct intake_owner *owner)
{
	struct transaction *transaction = (struct transaction *)(void *)owner;

	transaction->on_progress(transaction);
}
