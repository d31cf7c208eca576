/*
 * fake_queue - a store in memory and workers that do what the test says
 *
 * Stands in for queue/ and for the workers at link time. Jobs wait until
 * fake_commit(); assignments wait in `given` until the test sends them home.
 * Time is fake_now_ms and moves only by fake_advance().
 */
#ifndef RELAIS_TESTS_FAKE_QUEUE_H
#define RELAIS_TESTS_FAKE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deliver/scheduler.h"
#include "deliver/worker.h"
#include "queue/queue.h"

#define FAKE_WORKERS   3
#define FAKE_GIVEN_MAX 4096

extern uint64_t fake_now_ms;
extern struct loop *fake_loop;
extern struct scheduler *fake_scheduler;
/* At the workers, oldest first; entries are NULL once they are home. */
extern struct assignment *fake_given[FAKE_GIVEN_MAX];
extern unsigned fake_given_count;
extern unsigned fake_forgotten; /* calls of worker_forget() */
extern int fake_change_result;  /* of the next changes, if not 0 */

/* Settings from YAML text; the scheduler is made, not started. */
void fake_set_up(const char *yaml);
void fake_tear_down(void);
void fake_start(void);
/* A new process: what is in the store stays. */
void fake_restart(void);
const struct settings *fake_settings_load(const char *yaml);
uint32_t fake_relay(const char *name);

/* Lets the loop open what is in its mailboxes. */
void fake_run(void);
/* Time goes on, and the scheduler has a look at it. */
void fake_advance(uint64_t ms);

uint32_t fake_lane(const char *relay, enum priority priority,
                   uint32_t submitter_class, const char *domain);
/* Of mail that holds connections up. */
uint32_t fake_large_lane(const char *relay, enum priority priority,
                         uint32_t submitter_class);
/* An id accepted so long ago. */
uint64_t fake_id(uint64_t age_ms);
/* A message of one part, number 0. */
uint64_t fake_fresh(uint32_t lane);
uint64_t fake_sched(uint32_t lane, uint64_t due_ms);
void fake_add_fresh(uint32_t lane, uint64_t id, uint16_t part);
void fake_add_sched(uint32_t lane, uint64_t due_ms, uint64_t id, uint16_t part);
/* Rows that are in the store before the scheduler starts: without notices. */
extern bool fake_is_silent;
/* Is there a row of it? */
bool fake_waits(uint64_t id, uint16_t part);
size_t fake_rows(void);

/* What waits for the committer is done, notices first; the number of jobs. */
unsigned fake_commit(void);
/* Notices of what was added or settled are sent; fake_commit() does, too. */
void fake_send_notices(void);
void fake_repeat_notice(enum part_event event, uint32_t lane, uint64_t id,
                        uint16_t part);

/*
 * One part of an assignment ends: delivered, or (due not 0) deferred, or a
 * fault's. The assignment goes home by fake_home(), with a fault or NULL.
 */
void fake_settle(struct assignment *assignment, unsigned index,
                 uint64_t due_ms);
void fake_settle_all(struct assignment *assignment);
void fake_home(struct assignment *assignment, const struct verdict *fault);
/* Everything that is given is delivered and home; the number of parts. */
unsigned fake_deliver_all(void);
/* The oldest at the workers, or NULL. */
struct assignment *fake_oldest(void);
unsigned fake_at_workers(void);
unsigned fake_parts_at_workers(void);

void fake_fault(struct verdict *ret_fault, enum verdict_fault fault);
/* All parts come back. */
void fake_return(struct assignment *assignment, enum verdict_fault fault);

#endif
