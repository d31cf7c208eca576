/*
 * smtp/verdict_rules - the table that gives a reply its meaning
 */
#ifndef RELAIS_SMTP_VERDICT_RULES_H
#define RELAIS_SMTP_VERDICT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtp/verdict.h"

struct verdict_rule {
	/* 1u << enum smtp_phase, or-ed */
	unsigned phases;
	/* "535", "45x", "4xx|552": x is any digit */
	const char *codes;
	/* "x.4.5|5.7.x": x is any number; NULL: whatever it is */
	const char *enhanced;
	/* "too many * logins|try later": case is ignored, * is anything, found
	   anywhere in the text; NULL: whatever it says */
	const char *text;
	enum verdict_class class;
	enum verdict_scope scope;
	enum verdict_fault fault;
	/* used where the reply itself names no time; 0: none */
	uint32_t retry_after_s;
};

/* Rules of the user's own, that go before those of the table. */
struct verdict_ruleset {
	const struct verdict_rule *rules;
	size_t count;
};

/*
 * The first rule that fits, of `own` (may be NULL) or else of the table; there
 * is always one for 4xx and 5xx.
 */
const struct verdict_rule *verdict_rule_find(enum smtp_phase phase,
                                             uint16_t code,
                                             const uint16_t enhanced[3],
                                             const char *text,
                                             const struct verdict_ruleset *own);

/* Do a rule's patterns fit? NULL: whatever it is. */
bool verdict_pattern_fits(const char *codes, const char *enhanced,
                          const char *text, uint16_t code,
                          const uint16_t reply_enhanced[3],
                          const char *reply_text);

/* Are these patterns as verdict_rule wants them? */
bool verdict_codes_are_valid(const char *codes);
bool verdict_enhanced_are_valid(const char *enhanced);

#endif
