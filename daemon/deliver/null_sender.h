/*
 * null_sender - for relays that take no mail of the null sender
 *
 * A report has the null sender (RFC 5321 4.5.5), which some providers refuse
 * although they take the same mail of its account's own address. It goes as
 * that then, at once. Nobody is told about a report whoever it seems to be of,
 * so that a loop cannot begin here.
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_NULL_SENDER_H
#define RELAIS_DELIVER_NULL_SENDER_H

#include <stdbool.h>

struct message;
struct relay_settings;
struct verdict;

/* The envelope sender for this relay: the null one's stand-in, once it was
   refused. Borrowed from either. */
const char *null_sender_or_stand_in(const struct relay_settings *relay,
                                    const struct message *message);

/* Was it the null sender that was refused, and is there another? */
bool null_sender_is_refused(const struct relay_settings *relay,
                            const struct message *message,
                            const struct verdict *verdict);

#endif
