/*
 * message_rows - the rows of one message, kept in step with each other
 *
 * A message has a row in `msg`, rows in `rcpt` where it has many recipients,
 * one in `state` while it is not delivered, its body's pieces, and is counted
 * in the totals and in its submitter's account.
 *
 * Thread: that of the transaction or ledger given.
 */
#ifndef RELAIS_QUEUE_MESSAGE_ROWS_H
#define RELAIS_QUEUE_MESSAGE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/message.h"
#include "queue/store.h"

struct ledger;
struct record_summary;

/* state (1), id (8) */
#define STATE_KEY_SIZE 9
void state_key_put(unsigned char key[STATE_KEY_SIZE], enum message_state state,
                   uint64_t id);

/* 0, -ENOENT, -EBADMSG, -ENOMEM. */
int message_rows_read(struct message **ret_message, struct store_txn *txn,
                      uint64_t id, bool is_with_story);
/* The same from the bytes of the msg row, found already. */
int message_rows_decode(struct message **ret_message, struct store_txn *txn,
                        uint64_t id, const struct store_bytes *row,
                        bool is_with_story);

/* A new message, with all its recipients. */
int message_rows_append(struct ledger *ledger, const struct message *message);

/*
 * What was changed: settles the state (message->state of before is given),
 * the end, the body that nobody needs any more, and the row in `state`.
 * Recipients that changed are written before by ..._write_recipient().
 */
int message_rows_write(struct ledger *ledger, struct message *message,
                       enum message_state before);
int message_rows_write_recipient(struct ledger *ledger,
                                 const struct message *message, unsigned index);

/* The body goes; the record is the caller's to write. */
int message_rows_drop_body(struct ledger *ledger, struct message *message);

/* All rows of a message whose story is over. */
int message_rows_purge(struct ledger *ledger, uint64_t id,
                       const struct record_summary *summary);

/* One more message has this body. */
int body_rows_share(struct ledger *ledger, uint64_t body_id);

/* So many messages have it, at least one. */
int body_rows_set_owners(struct ledger *ledger, uint64_t body_id,
                         uint32_t owners);

/* One message less has it; deletes the pieces with the last. */
int body_rows_delete(struct ledger *ledger, uint64_t body_id);

#endif
