/*
 * orphans - bodies that no message has any more
 *
 * A message whose record cannot be read takes the number of its body with it.
 * So all records are read and their bodies counted: slow, and rare.
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_ORPHANS_H
#define RELAIS_QUEUE_ORPHANS_H

struct ledger;

/*
 * Deletes the bodies that nobody has, corrects how many share one, and counts
 * anew what each submitter has. Does nothing while some other record is
 * unreadable: it may have one of them.
 */
int orphans_sweep(struct ledger *ledger);

#endif
