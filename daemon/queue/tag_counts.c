#include "config.h"

#include "queue/tag_counts.h"

#include <stdatomic.h>
#include <string.h>

#include "smtp/command.h"

enum row_state { ROW_FREE, ROW_IN_WORK, ROW_READY };

/* The tag is written once, between IN_WORK and READY. */
struct row {
	_Atomic int state;
	char tag[SMTP_TAG_MAX + 1];
	_Atomic uint64_t counts[TAG_EVENTS];
};

static struct row rows[TAG_COUNTS];
static struct row others = { .state = ROW_READY };

static struct row *row_of(const char *tag)
{
	size_t i;

	if (strlen(tag) > SMTP_TAG_MAX || tag[0] == '\0')
		return &others;
	for (i = 0; i < TAG_COUNTS; i++) {
		int state = ROW_FREE;

		if (atomic_compare_exchange_strong(&rows[i].state, &state,
		                                   ROW_IN_WORK)) {
			strcpy(rows[i].tag, tag);
			atomic_store(&rows[i].state, ROW_READY);
			return &rows[i];
		}
		if (state == ROW_IN_WORK)
			break; /* it might be this one: never two rows */
		if (strcmp(rows[i].tag, tag) == 0)
			return &rows[i];
	}
	return &others;
}

void tag_count(const char *tag, enum tag_event event, unsigned recipients)
{
	if (tag != NULL)
		atomic_fetch_add(&row_of(tag)->counts[event], recipients);
}

const char *tag_counts_read(size_t index, uint64_t ret_counts[TAG_EVENTS])
{
	const struct row *row = index < TAG_COUNTS ? &rows[index] : &others;
	int event;

	if (atomic_load(&row->state) != ROW_READY)
		return NULL;
	for (event = 0; event < TAG_EVENTS; event++)
		ret_counts[event] = atomic_load(&row->counts[event]);
	return row->tag;
}
