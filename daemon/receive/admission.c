#include "config.h"

#include "receive/admission.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "receive/authorship.h"
#include "runtime/log.h"

#define TABLE_SIZE   1024 /* chains stay short: few uids submit at a time */
#define LOG_PAUSE_US (60LL * 1000000)
/* Connections of a uid that are served at once, whatever the others do. */
#define FEW 4
/* What it may begin of them, beside those that its messages may need. */
#define STARTS_A_SECOND 1000
#define STARTS_AT_ONCE  2000

struct submitter {
	struct submitter *next;
	uid_t uid;
	unsigned connections;
	/* messages it may send at once; refilled by the rate */
	double tokens;
	int64_t refilled_us;
	/* connections it may begin at once */
	double starts;
	int64_t started_us;
	int64_t next_log_us; /* that it is above its share */
	char text[160];
};

struct admission {
	struct submitter *table[TABLE_SIZE];
};

static struct submitter **find(struct admission *admission, uid_t uid);
static double starts_a_second(const struct submitter_rule *rule);
static bool take_start(struct submitter *submitter,
                       const struct submitter_rule *rule);
static bool take_token(struct submitter *submitter,
                       const struct submitter_rule *rule);

int admission_new(struct admission **ret_admission)
{
	*ret_admission = calloc(1, sizeof(**ret_admission));
	return *ret_admission == NULL ? -ENOMEM : 0;
}

void admission_free(struct admission *admission)
{
	struct submitter *submitter;
	size_t i;

	if (admission == NULL)
		return;
	for (i = 0; i < TABLE_SIZE; i++) {
		while ((submitter = admission->table[i]) != NULL) {
			admission->table[i] = submitter->next;
			free(submitter);
		}
	}
	free(admission);
}

static struct submitter **find(struct admission *admission, uid_t uid)
{
	struct submitter **place = &admission->table[uid % TABLE_SIZE];

	while (*place != NULL && (*place)->uid != uid)
		place = &(*place)->next;
	return place;
}

static double burst_of(const struct submitter_rule *rule)
{
	return rule->burst > 0 ? rule->burst : rule->rate.count;
}

struct submitter *admission_enter(struct admission *admission, uid_t uid,
                                  const struct submitter_rule *rule,
                                  struct smtp_answer *ret_answer)
{
	struct submitter **place = find(admission, uid);
	struct submitter *submitter = *place;

	if (submitter == NULL) {
		submitter = calloc(1, sizeof(*submitter));
		if (submitter == NULL) {
			*ret_answer = smtp_answer(
			    421, "4.3.0", "Out of memory; try again later");
			return NULL;
		}
		submitter->uid = uid;
		submitter->tokens = burst_of(rule);
		submitter->refilled_us = clock_monotonic_us();
		submitter->starts = STARTS_AT_ONCE + burst_of(rule);
		submitter->started_us = submitter->refilled_us;
		*place = submitter;
	}
	if (!take_start(submitter, rule)) {
		(void)snprintf(
		    submitter->text, sizeof(submitter->text),
		    "Too many connections: uid %lu may begin %.0f in a second",
		    (unsigned long)uid, starts_a_second(rule));
		*ret_answer = smtp_answer(421, "4.7.0", submitter->text);
		return NULL;
	}
	if (rule->connections != 0 &&
	    submitter->connections >= rule->connections) {
		(void)snprintf(
		    submitter->text, sizeof(submitter->text),
		    "Too many connections: uid %lu may have %lu at a time",
		    (unsigned long)uid, (unsigned long)rule->connections);
		*ret_answer = smtp_answer(421, "4.7.0", submitter->text);
		return NULL;
	}
	submitter->connections++;
	return submitter;
}

/* A message may have a connection of its own, and ask before. */
static double starts_a_second(const struct submitter_rule *rule)
{
	double messages = rule->rate.period_s == 0
	                      ? 0
	                      : (double)rule->rate.count / rule->rate.period_s;

	return STARTS_A_SECOND + 2 * messages;
}

static bool take_start(struct submitter *submitter,
                       const struct submitter_rule *rule)
{
	int64_t now_us = clock_monotonic_us();
	double most = STARTS_AT_ONCE + burst_of(rule);

	if (rule->rate.count == 0)
		return true;
	submitter->starts += (double)(now_us - submitter->started_us) / 1e6 *
	                     starts_a_second(rule);
	submitter->started_us = now_us;
	if (submitter->starts > most)
		submitter->starts = most;
	if (submitter->starts < 1)
		return false;
	submitter->starts -= 1;
	return true;
}

bool admission_is_crowd(const struct submitter *submitter)
{
	return submitter->connections > FEW;
}

/* An entry goes once nothing would be forgotten with it. */
void admission_leave(struct admission *admission, struct submitter *submitter)
{
	const int64_t hour_us = 3600LL * 1000000;
	struct submitter **place, *other, *next;

	if (submitter == NULL)
		return;
	submitter->connections--;
	place = &admission->table[submitter->uid % TABLE_SIZE];
	for (other = *place; other != NULL; other = next) {
		next = other->next;
		if (other->connections == 0 && other != submitter &&
		    clock_monotonic_us() - other->refilled_us > hour_us) {
			*place = next;
			free(other);
		} else {
			place = &other->next;
		}
	}
}

struct smtp_answer admission_check_mail(struct submitter *submitter,
                                        const struct submitter_rule *rule,
                                        const struct settings *settings,
                                        const char *sender)
{
	if (!authorship_is_allowed(rule, settings, sender)) {
		(void)snprintf(
		    submitter->text, sizeof(submitter->text),
		    "uid %lu may not send as this address; see `submitters` "
		    "in relais.yaml(5)",
		    (unsigned long)submitter->uid);
		return smtp_answer(550, "5.7.1", submitter->text);
	}
	if (!take_token(submitter, rule)) {
		(void)snprintf(
		    submitter->text, sizeof(submitter->text),
		    "Too many messages: uid %lu may send %lu in %lu s, try "
		    "again later",
		    (unsigned long)submitter->uid,
		    (unsigned long)rule->rate.count,
		    (unsigned long)rule->rate.period_s);
		return smtp_answer(450, "4.7.1", submitter->text);
	}
	return smtp_answer(250, "2.1.0", "Ok");
}

static bool take_token(struct submitter *submitter,
                       const struct submitter_rule *rule)
{
	int64_t now_us = clock_monotonic_us();
	double more;

	if (rule->rate.count == 0 || rule->rate.period_s == 0)
		return true;
	more = (double)(now_us - submitter->refilled_us) / 1e6 *
	       rule->rate.count / rule->rate.period_s;
	submitter->refilled_us = now_us;
	submitter->tokens += more;
	if (submitter->tokens > burst_of(rule))
		submitter->tokens = burst_of(rule);
	if (submitter->tokens < 1)
		return false;
	submitter->tokens -= 1;
	return true;
}

struct smtp_answer admission_refuse_share(struct submitter *submitter,
                                          const struct submitter_rule *rule,
                                          const struct queue_quota *quota,
                                          int error)
{
	unsigned long uid = (unsigned long)submitter->uid;
	int64_t now_us = clock_monotonic_us();

	if (error == -EUSERS)
		(void)snprintf(
		    submitter->text, sizeof(submitter->text),
		    "Too many messages wait: uid %lu may have %llu, try again "
		    "later",
		    uid, (unsigned long long)quota->messages);
	else
		(void)snprintf(
		    submitter->text, sizeof(submitter->text),
		    "Too much mail waits: uid %lu may have %llu MiB, %lu %% of "
		    "the queue, try again later",
		    uid, (unsigned long long)(quota->bytes >> 20),
		    (unsigned long)rule->share_percent);
	if (now_us >= submitter->next_log_us) {
		submitter->next_log_us = now_us + LOG_PAUSE_US;
		log_message(LOG_LEVEL_WARNING, "above_share",
		            "new mail is refused: %s", submitter->text);
	}
	return smtp_answer(452, "4.3.1", submitter->text);
}
