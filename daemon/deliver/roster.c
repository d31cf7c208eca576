#include "config.h"

#include "deliver/roster.h"

#include <stdlib.h>

#include "deliver/brake.h"
#include "runtime/xalloc.h"

void roster_done(struct roster *roster)
{
	free(roster->entries);
	*roster = (struct roster){ .count = 0 };
}

void roster_clear(struct roster *roster)
{
	roster->count = 0;
}

void roster_add(struct roster *roster, unsigned index)
{
	struct roster_entry *entry;

	if (roster->count == roster->room) {
		roster->room = roster->room ? 2 * roster->room : 4;
		roster->entries = xrealloc(
		    roster->entries, roster->room * sizeof(*roster->entries));
	}
	entry = &roster->entries[roster->count++];
	entry->index = (uint16_t)index;
	entry->is_sent = false;
	entry->relay_tells = false;
	entry->verdict.class = VERDICT_NONE;
}

unsigned roster_select(struct roster *roster, unsigned max)
{
	unsigned selected = 0;

	for (unsigned i = 0; i < roster->count; i++) {
		struct roster_entry *entry = &roster->entries[i];

		entry->is_sent =
		    entry->verdict.class == VERDICT_NONE && selected < max;
		selected += entry->is_sent;
	}
	return selected;
}

static bool has_delivered(const struct verdict *verdicts, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (verdicts[i].class == VERDICT_DELIVERED)
			return true;
	return false;
}

bool roster_take_verdicts(struct roster *roster, const struct verdict *verdicts,
                          unsigned count, bool relay_tells)
{
	bool is_progress = has_delivered(verdicts, count), is_any = false;
	unsigned next = 0;

	for (unsigned i = 0; i < roster->count && next < count; i++) {
		struct roster_entry *entry = &roster->entries[i];
		const struct verdict *verdict;

		if (!entry->is_sent)
			continue;
		entry->is_sent = false;
		verdict = &verdicts[next++];
		if (verdict->class == VERDICT_NONE ||
		    (is_progress && verdict->class == VERDICT_TEMPORARY &&
		     verdict->fault == FAULT_TOO_MANY_RECIPIENTS))
			continue;
		entry->verdict = *verdict;
		entry->relay_tells = relay_tells;
		is_any = true;
	}
	return is_any;
}

void roster_decide_sent(struct roster *roster, const struct verdict *verdict)
{
	for (unsigned i = 0; i < roster->count; i++)
		if (roster->entries[i].is_sent) {
			roster->entries[i].verdict = *verdict;
			roster->entries[i].is_sent = false;
		}
}

void roster_decide_rest(struct roster *roster, const struct verdict *verdict)
{
	for (unsigned i = 0; i < roster->count; i++)
		if (roster->entries[i].verdict.class == VERDICT_NONE)
			roster->entries[i].verdict = *verdict;
}

void roster_reopen(struct roster *roster)
{
	for (unsigned i = 0; i < roster->count; i++) {
		struct verdict *verdict = &roster->entries[i].verdict;

		if (verdict->class == VERDICT_TEMPORARY &&
		    verdict->phase < PHASE_DATA &&
		    verdict->scope != SCOPE_STAGING)
			verdict->class = VERDICT_NONE;
	}
}

bool roster_take_back(struct roster *roster, uint64_t signature,
                      struct verdict *ret_fault)
{
	bool is_any = false;

	for (unsigned i = 0; i < roster->count; i++) {
		struct verdict *verdict = &roster->entries[i].verdict;

		if (verdict->class != VERDICT_PERMANENT ||
		    brake_signature(verdict) != signature)
			continue;
		*ret_fault = *verdict;
		verdict->class = VERDICT_NONE;
		is_any = true;
	}
	if (!is_any)
		return false;
	ret_fault->class = VERDICT_TEMPORARY;
	ret_fault->scope = SCOPE_RELAY;
	ret_fault->fault = FAULT_CONFIG;
	return true;
}

bool roster_has_unsent(const struct roster *roster)
{
	for (unsigned i = 0; i < roster->count; i++)
		if (roster->entries[i].verdict.class == VERDICT_NONE)
			return true;
	return false;
}

bool roster_has_lasting(const struct roster *roster)
{
	for (unsigned i = 0; i < roster->count; i++) {
		const struct verdict *verdict = &roster->entries[i].verdict;

		if (verdict_is_final(verdict) ||
		    verdict->class == VERDICT_UNKNOWN)
			return true;
	}
	return false;
}
