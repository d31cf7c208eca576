#include "config.h"

#include "deliver/mail_exchanger.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/xalloc.h"

struct candidate {
	const struct dns_record *record;
	uint32_t lot; /* decides between equals */
};

static int compare(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	if (a->record->preference != b->record->preference)
		return a->record->preference < b->record->preference ? -1 : 1;
	return a->lot < b->lot ? -1 : a->lot > b->lot;
}

/* Is this our name, with or without the final dot? */
static bool is_self(const char *name, const char *self)
{
	size_t len = strlen(name);

	if (len > 0 && name[len - 1] == '.')
		len--;
	return strlen(self) == len && strncasecmp(name, self, len) == 0;
}

static bool is_listed(const struct mail_exchangers *chosen, const char *name)
{
	for (unsigned i = 0; i < chosen->count; i++)
		if (strcasecmp(chosen->names[i], name) == 0)
			return true;
	return false;
}

static bool is_root(const struct dns_record *record)
{
	return !*record->exchange || strcmp(record->exchange, ".") == 0;
}

/* The preference that a host must beat: ours if we are listed. */
static uint32_t limit_of(const struct dns_answer *answer, const char *self)
{
	uint32_t limit = UINT16_MAX + 1;

	for (unsigned i = 0; i < answer->count; i++)
		if (is_self(answer->records[i].exchange, self) &&
		    answer->records[i].preference < limit)
			limit = answer->records[i].preference;
	return limit;
}

enum mail_exchanger_outcome
mail_exchanger_choose(struct mail_exchangers *ret_chosen,
                      const struct dns_answer *answer, const char *self,
                      uint32_t (*random_number)(void))
{
	struct candidate *candidates;
	uint32_t limit = limit_of(answer, self);
	unsigned count = 0, roots = 0;

	memset(ret_chosen, 0, sizeof(*ret_chosen));
	candidates = xcalloc(answer->count + 1, sizeof(*candidates));
	for (unsigned i = 0; i < answer->count; i++) {
		const struct dns_record *record = &answer->records[i];

		if (is_root(record)) {
			roots++;
		} else if (record->preference < limit) {
			candidates[count].record = record;
			candidates[count++].lot = random_number();
		}
	}
	qsort(candidates, count, sizeof(*candidates), compare);
	for (unsigned i = 0; i < count; i++) {
		const char *name = candidates[i].record->exchange;

		if (is_listed(ret_chosen, name))
			continue;
		if (ret_chosen->count == MAIL_EXCHANGER_MAX) {
			ret_chosen->has_more = true;
			break;
		}
		ret_chosen->names[ret_chosen->count++] = name;
	}
	free(candidates);
	if (ret_chosen->count > 0)
		return MAIL_EXCHANGER_HOSTS;
	return roots == answer->count ? MAIL_EXCHANGER_NULL
	                              : MAIL_EXCHANGER_LOOP;
}
