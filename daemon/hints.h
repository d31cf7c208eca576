/*
 * hints - what a server's reply means, and what to do about it
 *
 * From data/hints.yaml, where each field is explained.
 *
 * Thread: any; the first call compiles the expressions, some milliseconds.
 */
#ifndef RELAIS_HINTS_H
#define RELAIS_HINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hint {
	const char *id;
	const char *code;
	const char *enhanced;
	const char *regex;
	const char *provider;
	bool only; /* for relays of `provider` */
	const char *scope;
	const char *class;
	const char *action;
	const char *explain;
	const char *next;
	const char *sample;
};

extern const struct hint hints_table[];
extern const size_t hints_table_size;

/**
 * The hint for a reply, or for a fault that relais saw itself.
 *
 * @param provider  id of the relay's provider, or NULL
 * @param code      the reply's three digits; 0 for a fault without a reply
 * @param enhanced  "5.7.8", or NULL
 * @param text      the reply's lines joined by spaces, with or without the
 *                  enhanced code; or the fault in words
 * @return static data; NULL if nothing is known about it
 */
const struct hint *hints_find(const char *provider, unsigned code,
                              const char *enhanced, const char *text);

/* Gives back the memory of the expressions; the next call has it again. */
void hints_forget(void);

struct relay_settings;
struct settings;

/* For people; each may be NULL. Borrowed from the settings, or constant. */
struct explanation {
	const char *explain, *next;
};

/*
 * What a reply or fault (code 0) means: the user's hints first, then the
 * table's. False: nothing is known. relay: whose reply it is, or NULL.
 */
bool hints_explain(struct explanation *ret_explanation,
                   const struct settings *settings,
                   const struct relay_settings *relay, unsigned code,
                   const uint16_t enhanced[3], const char *text);

#endif
