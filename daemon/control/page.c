#include "config.h"

#include "control/page.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/shape.h"
#include "deliver/scheduler.h"
#include "runtime/xalloc.h"

/* What the states' lists gave, before it is in order and cut. */
struct harvest {
	struct queue_reader *reader;
	const struct selection *filter;
	const struct shape_view *view;
	uint64_t before;
	unsigned limit;
	struct message **messages;
	size_t count;
	/* Below it some list has not been looked at yet. */
	uint64_t floor;
};

static int gather(struct harvest *harvest);
static int gather_list(struct harvest *harvest,
                       const struct queue_filter *filter);
static int gather_delivering(struct harvest *harvest);
static bool is_wanted(const struct harvest *harvest,
                      const struct message *message);
static bool is_for_relay(const struct harvest *harvest,
                         const struct message *message);
static void cut(struct harvest *harvest, struct page *page);
static int compare_newest_first(const void *left, const void *right);

int page_read(struct page *ret_page, struct queue_reader *reader,
              const struct selection *filter, const struct shape_view *view,
              uint64_t before, unsigned limit)
{
	struct harvest harvest = {
		.reader = reader,
		.filter = filter,
		.view = view,
		.before = before,
		.limit = limit,
	};
	size_t i;
	int r;

	assert(limit > 0 && limit <= PAGE_MAX);
	ret_page->count = 0;
	ret_page->next = 0;
	harvest.messages = xcalloc((size_t)(MESSAGE_STATES + 1) * limit,
	                           sizeof(struct message *));
	/* One moment: a message that ends meanwhile is not in two lists. */
	r = queue_reader_hold(reader);
	if (r == 0) {
		r = gather(&harvest);
		queue_reader_release(reader);
	}
	if (r == 0)
		cut(&harvest, ret_page);
	else
		for (i = 0; i < harvest.count; i++)
			message_free(harvest.messages[i]);
	free(harvest.messages);
	return r;
}

void page_done(struct page *page)
{
	unsigned i;

	for (i = 0; i < page->count; i++)
		message_free(page->messages[i]);
	page->count = 0;
}

static int gather(struct harvest *harvest)
{
	struct queue_filter one = harvest->filter->queue;
	unsigned states = harvest->filter->states;
	int state;
	int r = 0;

	if (states == 0)
		return gather_list(harvest, &one);
	if (states & SELECTION_DELIVERING && !(states & 1u << MESSAGE_QUEUED))
		r = gather_delivering(harvest);
	one.has_state = true;
	for (state = MESSAGE_QUEUED; r == 0 && state < MESSAGE_STATES;
	     state++) {
		if (!(states & 1u << state))
			continue;
		one.state = (enum message_state)state;
		r = gather_list(harvest, &one);
	}
	return r;
}

static int gather_list(struct harvest *harvest,
                       const struct queue_filter *filter)
{
	struct message **room = &harvest->messages[harvest->count];
	uint64_t next = 0;
	int count, i;

	count = queue_list(harvest->reader, filter, harvest->before, room,
	                   harvest->limit, &next);
	if (count < 0)
		return count;
	for (i = 0; i < count; i++) {
		if (is_wanted(harvest, room[i]))
			harvest->messages[harvest->count++] = room[i];
		else
			message_free(room[i]);
	}
	if (next > harvest->floor)
		harvest->floor = next;
	return 0;
}

/* All that is queued and in nobody's hands would be too long a list. */
static int gather_delivering(struct harvest *harvest)
{
	const struct scheduler_query *scheduler = harvest->view->scheduler;
	size_t i = scheduler ? scheduler->delivering_count : 0;
	unsigned found = 0;

	while (i-- > 0 && found < harvest->limit) {
		uint64_t id = scheduler->delivering[i];
		struct message *message;
		int r;

		if (harvest->before && id >= harvest->before)
			continue;
		r = queue_read_message(harvest->reader, id, &message);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		if (message->state == MESSAGE_QUEUED &&
		    selection_matches(harvest->filter, message) &&
		    is_for_relay(harvest, message)) {
			harvest->messages[harvest->count++] = message;
			found++;
		} else {
			message_free(message);
		}
	}
	/* delivering[i] is the first that was not looked at. */
	if (found == harvest->limit && i != SIZE_MAX)
		harvest->floor = scheduler->delivering[i] + 1;
	return 0;
}

static bool is_for_relay(const struct harvest *harvest,
                         const struct message *message)
{
	const struct queue_filter *filter = &harvest->filter->queue;
	unsigned i;

	if (!filter->has_relay)
		return true;
	for (i = 0; i < message->part_count; i++)
		if (harvest->view->lane_relay(harvest->view->context,
		                              message->parts[i].lane) ==
		    filter->relay_id)
			return true;
	return false;
}

static bool is_wanted(const struct harvest *harvest,
                      const struct message *message)
{
	unsigned states = harvest->filter->states;

	return message->state != MESSAGE_QUEUED || states == 0 ||
	       states & SELECTION_DELIVERING ||
	       !shape_is_delivering(harvest->view->scheduler, message->id);
}

/* The newest of all that every list has been asked for. */
static void cut(struct harvest *harvest, struct page *page)
{
	size_t i;

	qsort(harvest->messages, harvest->count, sizeof(struct message *),
	      compare_newest_first);
	for (i = 0; i < harvest->count; i++) {
		struct message *message = harvest->messages[i];

		if (page->count < harvest->limit &&
		    message->id >= harvest->floor) {
			page->messages[page->count++] = message;
			continue;
		}
		/* Left for the next page, which begins below the last one. */
		if (page->count == harvest->limit)
			page->next = page->messages[page->count - 1]->id;
		message_free(message);
	}
	if (page->next == 0)
		page->next = harvest->floor;
}

static int compare_newest_first(const void *left, const void *right)
{
	const struct message *const *a = left;
	const struct message *const *b = right;

	return ((*a)->id < (*b)->id) - ((*a)->id > (*b)->id);
}
