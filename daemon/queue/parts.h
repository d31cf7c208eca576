/*
 * parts - where the waiting recipients of a message stand in line
 *
 * A part is in `fresh` (never deferred, and the scheduler holds it in memory),
 * in `sched` (due at a time), or nowhere while its message is held; never in
 * two places. Its number is never used twice in a row within its message: it
 * names one scheduling, so that a mark in flight can't mean a later one.
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_PARTS_H
#define RELAIS_QUEUE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/message.h"
#include "queue/store.h"

struct ledger;

#define FRESH_ROWS_MAX 65536
/* From here on only of lanes that have some: so many lanes at most. */
#define FRESH_LANES_MAX 4096
#define FRESH_KEY_SIZE  10
#define SCHED_KEY_SIZE  22

void fresh_key_put(unsigned char key[FRESH_KEY_SIZE], uint64_t id,
                   uint16_t part);
void sched_key_put(unsigned char key[SCHED_KEY_SIZE], uint32_t lane,
                   uint64_t due_ms, uint64_t id, uint16_t part);

/*
 * Gives the part its place and tells the scheduler: held where the message
 * is, fresh where it may be, else sched.
 */
int part_place(struct ledger *ledger, const struct message *message,
               struct message_part *part, bool may_be_fresh);
/* Its attempts have changed; it stays where it is in sched. */
int part_rewrite(struct ledger *ledger, const struct message *message,
                 const struct message_part *part);
/* Takes it away from where it is. Tells nobody. */
int part_remove(struct ledger *ledger, const struct message *message,
                const struct message_part *part);

/* A part more in the message's list; the others keep their numbers. */
struct message_part *parts_add(struct message *message, uint32_t lane);
/* Out of the list. */
void parts_drop(struct message *message, uint16_t number);

/* Was it due when the power went? Then it may have been sent. */
bool part_is_in_doubt(const struct ledger *ledger,
                      const struct message_part *part);

#endif
