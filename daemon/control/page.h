/*
 * page - some messages of a list, newest first, over several states at once
 *
 * Each state has a list of its own in the store; "queued" and "delivering"
 * are told apart by what the scheduler says.
 */
#ifndef RELAIS_CONTROL_PAGE_H
#define RELAIS_CONTROL_PAGE_H

#include <stdint.h>

#include "control/selection.h"

#define PAGE_MAX 500

struct queue_reader;
struct shape_view;

struct page {
	struct message *messages[PAGE_MAX]; /* the page's until page_done() */
	unsigned count;
	uint64_t next; /* `before` of the page after it; 0: this was the last */
};

/*
 * At most `limit` (PAGE_MAX) messages with ids below `before` (0: from the
 * newest). A page may be short, even empty, and not be the last. 0 or -errno.
 */
int page_read(struct page *ret_page, struct queue_reader *reader,
              const struct selection *filter, const struct shape_view *view,
              uint64_t before, unsigned limit);
void page_done(struct page *page);

#endif
