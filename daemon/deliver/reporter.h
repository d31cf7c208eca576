/*
 * reporter - writes to senders and the administrator what they are owed
 *
 * A loop of its own: it wakes when a commit says that a report is owed or due,
 * reads what became of the message, writes the report, and posts it as one job
 * that adds it to the queue and takes the mark away.
 *
 * What expired because a relay did not work is told in one summary a submitter,
 * sender and time (bounces.summary), so that an outage is no storm of bounces.
 */
#ifndef RELAIS_DELIVER_REPORTER_H
#define RELAIS_DELIVER_REPORTER_H

struct command_helper;
struct loop;
struct queue;
struct reporter;
struct settings;
struct trouble;

/* Before queue_start(): registers for the queue's word that reports wait. */
int reporter_new(struct reporter **ret_reporter, struct queue *queue,
                 const struct settings *settings,
                 struct command_helper *helper);
int reporter_start(struct reporter *reporter);
struct loop *reporter_loop(struct reporter *reporter);

/* Any thread; the reference is taken. */
void reporter_apply_settings_take(struct reporter *reporter,
                                  const struct settings *settings_ref);

/* Any thread: log, command and mail of the administrator. */
void reporter_tell_take(struct reporter *reporter, struct trouble *trouble);

/* What is under way may end, then the loop does. While the committer runs. */
void reporter_stop(struct reporter *reporter);
void reporter_free(struct reporter *reporter);

#endif
