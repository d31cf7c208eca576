/*
 * brake - stops the mail before a relay's mistake bounces all of it
 */
#include "config.h"

#include "deliver/brake.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "queue/queue.h"
#include "runtime/xalloc.h"

/* Submitters that are watched; beyond, those that are not held are forgotten */
#define HOLDS_MAX 1024

static const uint32_t steps_s[] = { 900, 3600, 3600, 3600, 3600, 21600 };

static uint64_t hash(uint64_t so_far, const char *text, size_t len);
static void streak_add(struct brake_streak *streak, uint32_t submitter,
                       const struct refusal *refusal);
static bool is_long(const struct brake_streak *streak,
                    const struct refusal *refusal);
static struct brake_hold *find(const struct brake *brake, uint32_t submitter);
static struct brake_hold *get(struct brake *brake, uint32_t submitter);
static void drop(struct brake *brake, struct brake_hold *hold);
static void hold_on(struct brake_hold *hold, uint64_t now_ms);

/* -------------------------------------------------------------- signatures */

/* FNV-1a */
static uint64_t hash(uint64_t so_far, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		so_far = (so_far ^ (uint64_t)tolower((unsigned char)text[i])) *
		         1099511628211u;
	return so_far;
}

/* Words with digits, addresses and links name this one message. */
static bool is_particular(const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (isdigit((unsigned char)word[i]) ||
		    strchr("@<>/=_", word[i]) != NULL)
			return true;
	return false;
}

uint64_t brake_signature(const struct verdict *verdict)
{
	uint64_t signature = 14695981039346656037u;
	const char *text = verdict->text;

	signature = hash(signature, (const char *)&verdict->code,
	                 sizeof(verdict->code));
	signature = hash(signature, (const char *)verdict->enhanced,
	                 sizeof(verdict->enhanced));
	while (*text != '\0') {
		size_t len = strcspn(text, " ");

		if (!is_particular(text, len))
			signature = hash(signature, text, len);
		text += len;
		text += *text == ' ';
	}
	return signature != 0 ? signature : 1;
}

uint32_t brake_sender_hash(const char *sender)
{
	uint32_t sum =
	    (uint32_t)hash(14695981039346656037u, sender, strlen(sender));

	return sum != 0 ? sum : 1;
}

const struct verdict *brake_lesson(struct refusal *ret_refusal,
                                   bool *ret_has_delivered,
                                   const struct settlement *settlement)
{
	const struct verdict *first = NULL;
	uint64_t signature = 0;
	bool is_refusal = settlement->recipient_count > 0;

	*ret_refusal = (struct refusal){ 0 };
	*ret_has_delivered = false;
	for (unsigned i = 0; i < settlement->recipient_count; i++) {
		const struct settlement_recipient *decision =
		    &settlement->recipients[i];

		if (decision->state == RECIPIENT_DELIVERED)
			*ret_has_delivered = true;
		/* What relais itself says is no refusal. */
		if (decision->state != RECIPIENT_FAILED ||
		    decision->verdict.code == 0 ||
		    decision->verdict.scope == SCOPE_STAGING) {
			is_refusal = false;
			continue;
		}
		if (first == NULL)
			signature = brake_signature(&decision->verdict);
		else if (brake_signature(&decision->verdict) != signature)
			is_refusal = false;
		first = &decision->verdict;
	}
	if (!is_refusal || *ret_has_delivered)
		return NULL;
	ret_refusal->signature = signature;
	ret_refusal->is_of_recipients = first->phase == PHASE_RCPT;
	return first;
}

/* ----------------------------------------------------------------- streaks */

static void add_one(uint32_t known[2], unsigned *count, uint32_t one)
{
	if (*count == 2 || (*count == 1 && known[0] == one))
		return;
	known[(*count)++] = one;
}

static void streak_add(struct brake_streak *streak, uint32_t submitter,
                       const struct refusal *refusal)
{
	if (streak->signature != refusal->signature)
		*streak = (struct brake_streak){
			.signature = refusal->signature,
		};
	streak->count++;
	add_one(streak->submitters, &streak->submitter_count, submitter);
	add_one(streak->senders, &streak->sender_count, refusal->sender);
}

static bool is_long(const struct brake_streak *streak,
                    const struct refusal *refusal)
{
	return streak->count >=
	       (refusal->is_of_recipients ? BRAKE_RECIPIENTS : BRAKE_MESSAGES);
}

/* ------------------------------------------------------------------- holds */

void brake_init(struct brake *brake)
{
	*brake = (struct brake){ 0 };
	LIST_INIT(&brake->holds);
}

void brake_done(struct brake *brake)
{
	brake_clear(brake);
}

void brake_clear(struct brake *brake)
{
	struct brake_hold *hold, *next;

	for (hold = LIST_FIRST(&brake->holds); hold != NULL; hold = next) {
		next = LIST_NEXT(hold, links);
		drop(brake, hold);
	}
	brake->streak = (struct brake_streak){ 0 };
	brake->relay_signature = 0;
}

static struct brake_hold *find(const struct brake *brake, uint32_t submitter)
{
	struct brake_hold *hold;

	LIST_FOREACH (hold, &brake->holds, links)
		if (hold->submitter == submitter)
			return hold;
	return NULL;
}

static struct brake_hold *get(struct brake *brake, uint32_t submitter)
{
	struct brake_hold *hold = find(brake, submitter), *next;

	if (hold != NULL)
		return hold;
	for (hold = LIST_FIRST(&brake->holds);
	     hold != NULL && brake->hold_count >= HOLDS_MAX; hold = next) {
		next = LIST_NEXT(hold, links);
		if (hold->until_ms == 0)
			drop(brake, hold);
	}
	hold = xcalloc(1, sizeof(*hold));
	hold->submitter = submitter;
	LIST_INSERT_HEAD(&brake->holds, hold, links);
	brake->hold_count++;
	return hold;
}

static void drop(struct brake *brake, struct brake_hold *hold)
{
	LIST_REMOVE(hold, links);
	brake->hold_count--;
	free(hold->reason);
	free(hold);
}

static void hold_on(struct brake_hold *hold, uint64_t now_ms)
{
	unsigned last = sizeof(steps_s) / sizeof(*steps_s) - 1;

	hold->until_ms =
	    now_ms +
	    steps_s[hold->step < last ? hold->step : last] * UINT64_C(1000);
	hold->is_probing = false;
	if (hold->step < UINT8_MAX)
		hold->step++;
}

enum brake_pull brake_note_refusal(struct brake *brake, uint32_t submitter,
                                   const struct refusal *refusal,
                                   const char *reason, uint64_t now_ms)
{
	struct brake_streak *all = &brake->streak;
	struct brake_hold *hold;

	streak_add(all, submitter, refusal);
	if (is_long(all, refusal) && all->submitter_count == 2 &&
	    all->sender_count == 2) {
		brake_clear(brake);
		brake->relay_signature = refusal->signature;
		return BRAKE_RELAY_HELD;
	}
	hold = get(brake, submitter);
	streak_add(&hold->streak, submitter, refusal);
	if (!is_long(&hold->streak, refusal) ||
	    (hold->until_ms != 0 && !hold->is_probing))
		return BRAKE_NOT_PULLED;
	if (hold->until_ms == 0)
		hold->since_ms = now_ms;
	free(hold->reason);
	hold->reason = xstrdup(reason);
	hold_on(hold, now_ms);
	return BRAKE_SUBMITTER_HELD;
}

bool brake_note_success(struct brake *brake, uint32_t submitter)
{
	struct brake_hold *hold = find(brake, submitter);
	bool was_held = hold != NULL && hold->until_ms != 0;

	brake->streak = (struct brake_streak){ 0 };
	brake->relay_signature = 0;
	if (hold != NULL)
		drop(brake, hold);
	return was_held;
}

bool brake_is_probe(const struct brake *brake, uint32_t submitter)
{
	const struct brake_hold *hold = find(brake, submitter);

	return hold != NULL && hold->until_ms != 0;
}

void brake_begin_probe(struct brake *brake, uint32_t submitter)
{
	struct brake_hold *hold = find(brake, submitter);

	if (hold != NULL && hold->until_ms != 0)
		hold->is_probing = true;
}

void brake_end_probe(struct brake *brake, uint32_t submitter, bool has_met,
                     uint64_t now_ms)
{
	struct brake_hold *hold = find(brake, submitter);

	if (hold == NULL || !hold->is_probing)
		return;
	if (has_met)
		hold_on(hold, now_ms);
	hold->is_probing = false;
}

bool brake_may_pass(const struct brake *brake, uint32_t submitter,
                    uint64_t now_ms)
{
	const struct brake_hold *hold = find(brake, submitter);

	return hold == NULL || hold->until_ms == 0 ||
	       (!hold->is_probing && now_ms >= hold->until_ms);
}

uint64_t brake_watched(const struct brake *brake, uint32_t submitter)
{
	const struct brake_hold *hold = find(brake, submitter);

	if (brake->relay_signature != 0)
		return brake->relay_signature;
	return hold != NULL && hold->until_ms != 0 ? hold->streak.signature : 0;
}

/* As long a streak as there was, so that a probe that meets it holds on. */
void brake_recall(struct brake *brake, uint32_t submitter, uint64_t signature,
                  uint64_t since_ms, uint64_t until_ms, uint8_t step,
                  const char *reason)
{
	struct brake_hold *hold = get(brake, submitter);

	hold->streak = (struct brake_streak){
		.signature = signature,
		.count = BRAKE_RECIPIENTS,
	};
	hold->since_ms = since_ms;
	hold->until_ms = until_ms;
	hold->step = step;
	free(hold->reason);
	hold->reason = xstrdup(reason);
}

uint64_t brake_next_ms(const struct brake *brake, uint64_t now_ms)
{
	const struct brake_hold *hold;
	uint64_t next_ms = UINT64_MAX;

	LIST_FOREACH (hold, &brake->holds, links)
		if (hold->until_ms > now_ms && hold->until_ms < next_ms)
			next_ms = hold->until_ms;
	return next_ms;
}

void brake_ask_now(struct brake *brake, uint64_t now_ms)
{
	struct brake_hold *hold;

	LIST_FOREACH (hold, &brake->holds, links)
		if (hold->until_ms > now_ms)
			hold->until_ms = now_ms;
}
