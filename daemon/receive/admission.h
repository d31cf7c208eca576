/*
 * admission - may this submitter send this, now
 *
 * Counts, by uid, the connections that are open and the messages of late, and
 * holds them against the submitter's rule. Root has no limits. Uids that are
 * not at work have no entry.
 *
 * Thread: the receive loop's.
 */
#ifndef RELAIS_RECEIVE_ADMISSION_H
#define RELAIS_RECEIVE_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "queue/queue.h"
#include "settings.h"
#include "smtp/answer.h"

struct admission;
struct submitter;

int admission_new(struct admission **ret_admission);
void admission_free(struct admission *admission);

/*
 * One more connection of this uid. NULL and an answer where it has too many;
 * otherwise admission_leave() ends it. rule is borrowed for the call.
 */
struct submitter *admission_enter(struct admission *admission, uid_t uid,
                                  const struct submitter_rule *rule,
                                  struct smtp_answer *ret_answer);
void admission_leave(struct admission *admission, struct submitter *submitter);

/*
 * Has it more connections than a few? The one that has just entered then has
 * its turn when nobody else waits.
 */
bool admission_is_crowd(const struct submitter *submitter);

/*
 * A message of this sender begins; counts against the rate. The answer's text
 * is valid until the next call.
 */
struct smtp_answer admission_check_mail(struct submitter *submitter,
                                        const struct submitter_rule *rule,
                                        const struct settings *settings,
                                        const char *sender);

/*
 * The queue takes no more of this submitter's (error: a submission's -EUSERS or
 * -EDQUOT). Says it in the log, too, now and then. The answer's text is valid
 * until the next call.
 */
struct smtp_answer admission_refuse_share(struct submitter *submitter,
                                          const struct submitter_rule *rule,
                                          const struct queue_quota *quota,
                                          int error);

#endif
