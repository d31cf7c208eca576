/*
 * upgrade - a store of an older format becomes one of ours
 *
 * In one transaction: it is done whole, or not at all and again at the next
 * start. There is no way back.
 *
 * Format 1: accounts had a table of their own, and rows of the feed one event
 *           each, which is still a valid row.
 *
 * Thread: the one that opens the queue.
 */
#ifndef RELAIS_QUEUE_UPGRADE_H
#define RELAIS_QUEUE_UPGRADE_H

struct store;

/* 0, also where there is nothing to do; or -errno. */
int upgrade_run(struct store *store);

#endif
