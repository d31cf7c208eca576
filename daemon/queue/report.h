/*
 * report - the job that tells a sender what became of mail
 *
 * Like the jobs of queue.h, which has the rest.
 */
#ifndef RELAIS_QUEUE_REPORT_H
#define RELAIS_QUEUE_REPORT_H

#include "queue/queue.h"

/* A recipient that a report tells of, as it was when that was written. */
struct reported {
	uint16_t index;
	enum recipient_state state;
};
struct report_subject {
	uint64_t id;
	uint64_t due_ms; /* of its row */
	unsigned count;
	struct reported *recipients; /* ascending */
};

/*
 * Tells senders what became of their mail: one transaction adds the message
 * that says so and takes away the marks of what it tells, so that no crash
 * loses a report or sends it twice.
 * result -ESTALE: something of it has changed; nothing was done, look again.
 */
struct report {
	struct queue_job job;
	/* NULL: there is nothing to be told, the marks go all the same. */
	struct submission *submission;
	struct report_subject *subjects; /* each message once */
	unsigned subject_count;
};
struct report *report_new(void);
void report_free(struct report *report); /* and its submission */
/* The recipients are copied. */
void report_add_subject(struct report *report, uint64_t id, uint64_t due_ms,
                        const struct reported *recipients, unsigned count);

#endif
