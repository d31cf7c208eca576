/*
 * order - the JSON that comes with a change: why, until when, for which
 *
 * {"reason": text, "until": time, "at": time, "dry_run": boolean,
 *  "progress": boolean, "filter": {…}}
 */
#ifndef RELAIS_CONTROL_ORDER_H
#define RELAIS_CONTROL_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/json.h"
#include "control/selection.h"

#define ORDER_REASON_SIZE 256

/* or-ed: the members a request may have */
#define ORDER_REASON   1u
#define ORDER_UNTIL    2u
#define ORDER_DRY_RUN  4u
#define ORDER_FILTER   8u
#define ORDER_AT       16u
#define ORDER_PROGRESS 32u

struct order {
	char reason[ORDER_REASON_SIZE]; /* empty: none was given */
	uint64_t until_ms;              /* wall; 0: no end */
	uint64_t at_ms;                 /* wall; 0: none was given */
	bool is_dry_run;
	bool has_progress; /* the answer tells how far it is, line by line */
	bool has_filter;
	struct selection filter;
	unsigned members; /* allowed ones */
};

/* Empty; free with order_done(). The filter may be restricted at once. */
void order_init(struct order *order, unsigned members);
/* 0, or -EINVAL with a sentence in `error`. */
int order_read(struct order *order, const char *text, size_t len,
               char error[JSON_ERROR_SIZE]);
void order_done(struct order *order);

#endif
