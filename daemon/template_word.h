/*
 * template_word - what a `{word}` in a header field of a relay stands for
 *
 * Thread: any.
 */
#ifndef RELAIS_TEMPLATE_WORD_H
#define RELAIS_TEMPLATE_WORD_H

#include <stddef.h>

enum template_word {
	TEMPLATE_QUEUE_ID,
	TEMPLATE_SUBMITTER,
	TEMPLATE_RELAY,
	TEMPLATE_TAG,
	TEMPLATE_ENVELOPE_ID,
	TEMPLATE_DATE,
	TEMPLATE_HOSTNAME,
	TEMPLATE_WORDS,
};

/* TEMPLATE_WORDS: it is none, and stays as it is. */
enum template_word template_word_find(const char *word, size_t len);

#endif
