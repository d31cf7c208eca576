/*
 * filter - columns of fingerprints, to find messages without reading them
 *
 * Messages are entered once, when accepted, one entry a recipient. 4,088
 * entries are a block: one column of 16-bit fingerprints a field and one of
 * ids. The block being filled is in memory, written when it is full, and made
 * again from `msg` at start. A hit is only a hint: the record decides.
 *
 * Thread: the struct is the committer's; readers use the columns on disk and
 *         read the records above filter_end() themselves.
 */
#ifndef RELAIS_QUEUE_FILTER_H
#define RELAIS_QUEUE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/message.h"
#include "queue/store.h"

enum filter_field {
	FILTER_ID, /* the column of ids */
	FILTER_SENDER,
	FILTER_RECIPIENT,
	FILTER_SENDER_DOMAIN,
	FILTER_RECIPIENT_DOMAIN,
	FILTER_SUBMITTER,
	FILTER_TAG,
	FILTER_RELAY,
};
#define FILTER_FIELDS 8

/* An entry's id takes 8 octets, its fingerprints 2 each: whole pages. */
#define FILTER_BLOCK_ENTRIES 4088
/* Beyond it a message has one entry that fits any recipient. */
#define FILTER_RECIPIENTS_MAX 1000

struct filter;
struct ledger;

struct filter *filter_new(void);
void filter_free(struct filter *filter);
/* Enters again what no closed block has. */
int filter_load(struct filter *filter, struct store_txn *txn);

/* A new message; counts once filter_keep() follows the commit. */
void filter_add(struct filter *filter, const struct message *message,
                const uint32_t *recipient_relays);
/* Writes the block if it is full; before the commit. */
int filter_write(struct filter *filter, struct store_txn *txn);
void filter_keep(struct filter *filter);
void filter_drop(struct filter *filter);

/* The relay of a message has changed: its entries fit any from now on. */
int filter_widen_relay(struct filter *filter, struct store_txn *txn,
                       uint64_t id);
/* Blocks of which no message is left; at most `max`. */
int filter_purge(struct store_txn *txn, unsigned max);

/* Fingerprint of one value, as in a column. */
uint16_t filter_print_address(const char *address);
uint16_t filter_print_domain(const char *address);
uint16_t filter_print_text(const char *text);
uint16_t filter_print_number(uint32_t number);
bool filter_print_matches(uint16_t in_column, uint16_t wanted);

/* For readers: the last id that a closed block has; 0 without blocks. */
int filter_end(struct store_txn *txn, uint64_t *ret_id);

#endif
