/*
 * orphans - bodies that no message has any more
 *
 * A message whose record cannot be read takes the number of its body with it.
 * So all records are read and their bodies counted: slow, and rare. While mail
 * goes on that is done only where few messages are kept; else it is noted in
 * the store, and the next start does it.
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_ORPHANS_H
#define RELAIS_QUEUE_ORPHANS_H

struct ledger;

/*
 * A record that could not be read was deleted: the bodies that nobody has are,
 * too, how many share one is corrected, and what each submitter has is counted
 * anew. Does nothing while some other record is unreadable: it may have one of
 * them. In the transaction under way.
 */
int orphans_appear(struct ledger *ledger);

/* The same, where it was noted, in a transaction of its own; at start. */
int orphans_sweep_noted(struct ledger *ledger);

#endif
