/*
 * job_list - jobs in a line, linked by their letters
 */
#ifndef RELAIS_QUEUE_JOB_LIST_H
#define RELAIS_QUEUE_JOB_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/queue.h"

struct job_list {
	struct letter *first;
	struct letter **end;
};

static inline void job_list_init(struct job_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static inline struct queue_job *job_list_first(const struct job_list *list)
{
	return list->first == NULL
	    ? NULL
	    : LETTER_OF(list->first, struct queue_job, letter);
}

static inline void job_list_append(struct job_list *list, struct queue_job *job)
{
	job->letter.next = NULL;
	*list->end = &job->letter;
	list->end = &job->letter.next;
}

static inline void job_list_prepend(struct job_list *list,
    struct queue_job *job)
{
	job->letter.next = list->first;
	list->first = &job->letter;
	if (job->letter.next == NULL)
		list->end = &job->letter.next;
}

static inline struct queue_job *job_list_take(struct job_list *list)
{
	struct queue_job *job = job_list_first(list);

	if (job != NULL) {
		list->first = job->letter.next;
		if (list->first == NULL)
			list->end = &list->first;
	}
	return job;
}

#endif
