/*
 * notify - is a sender to hear what became of a recipient? (RFC 3461)
 *
 * Pure functions; the only place that decides it.
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_NOTIFY_H
#define RELAIS_DELIVER_NOTIFY_H

#include <stdbool.h>

#include "queue/queue.h"

struct retry_question;
struct settings;

/* May anybody be told about this message at all? Never about a report. */
bool notify_may_tell(const struct settings *settings,
                     const struct message *message);

/*
 * Does the sender want to hear of this recipient, in this state? (Waiting
 * stands for a delay.) Without a wish: of failures and delays.
 */
bool notify_is_wanted(const struct settings *settings,
                      const struct message *message,
                      const struct message_recipient *recipient,
                      enum recipient_state state);

/*
 * Fills is_report_owed and is_relay_fault of a decision. relay_tells: who took
 * the recipient over has promised to report success itself.
 */
void notify_decide(struct settlement_recipient *decision,
                   const struct settings *settings,
                   const struct retry_question *question, bool relay_tells);

#endif
