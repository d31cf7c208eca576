/*
 * smtp/verdict_rules - the table that gives a reply its meaning
 */
#ifndef RELAIS_SMTP_VERDICT_RULES_H
#define RELAIS_SMTP_VERDICT_RULES_H

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

/* The first rule that fits; there is always one for 4xx and 5xx. */
const struct verdict_rule *verdict_rule_find(enum smtp_phase phase,
    uint16_t code, const uint16_t enhanced[3], const char *text);

#endif
