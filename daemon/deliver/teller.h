/*
 * teller - tells the administrator of a relay's trouble, by every way there is
 *
 * A line in the log, alarms.command, and a mail by way of another relay.
 *
 * Thread: its mailbox's.
 */
#ifndef RELAIS_DELIVER_TELLER_H
#define RELAIS_DELIVER_TELLER_H

#include <stdbool.h>

struct command_helper;
struct mailbox;
struct queue;
struct settings;
struct teller;
struct trouble;

/* What it starts comes home to the mailbox; then on_told is called. */
struct teller *teller_new(struct queue *queue, struct command_helper *helper,
                          struct mailbox *home, void (*on_told)(void *context),
                          void *context);
/* Must not be busy. */
void teller_free(struct teller *teller);

/* Both are borrowed for the call. */
void teller_tell(struct teller *teller, const struct settings *settings,
                 const struct trouble *trouble);

/* Does a command run, or is a mail at the committer? */
bool teller_is_busy(const struct teller *teller);

#endif
