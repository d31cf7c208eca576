/*
 * trouble - a relay that has been at fault for long, or works again after that
 *
 * Told by the scheduler, passed on by the reporter: a line in the log, the
 * administrator's command, and a mail by way of another relay.
 *
 * Thread: handed over with its letter.
 */
#ifndef RELAIS_DELIVER_TROUBLE_H
#define RELAIS_DELIVER_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "runtime/mailbox.h"
#include "smtp/verdict.h"

struct reporter;

struct trouble {
	struct letter letter;
	struct reporter *reporter;
	char *relay;       /* its name */
	const char *state; /* "open", "held", "closed"; constant */
	bool is_over;
	uint64_t since_ms;    /* wall */
	uint64_t now_ms;      /* wall */
	uint64_t waiting;     /* parts */
	struct verdict fault; /* class VERDICT_NONE: not known any more */
	char *host;           /* or NULL; so are these two, for people: */
	char *explain, *next;
	uint32_t way_out; /* a relay that works, for the mail; 0: none does */
};

struct trouble *trouble_new(void);
void trouble_free(struct trouble *trouble);

/* "office has not worked for 4 h"; the caller frees it. */
char *trouble_sentence(const struct trouble *trouble);

/*
 * One line of JSON: event ("relay_trouble" or "relay_works"), relay, state,
 * since, time, hours, waiting; and, where they are known, host, phase, fault,
 * code, reply, explain, next.
 */
void trouble_add_json(struct buffer *into, const struct trouble *trouble);

/* The mail's text, for people. */
void trouble_add_text(struct buffer *into, const struct trouble *trouble,
                      const char *hostname);

#endif
