/*
 * template_word - what a `{word}` in a header field of a relay stands for
 */
#include "config.h"

#include "template_word.h"

#include <string.h>

enum template_word template_word_find(const char *word, size_t len)
{
	static const char *const words[TEMPLATE_WORDS] = {
		[TEMPLATE_QUEUE_ID] = "queue_id",
		[TEMPLATE_SUBMITTER] = "submitter",
		[TEMPLATE_RELAY] = "relay",
		[TEMPLATE_TAG] = "tag",
		[TEMPLATE_ENVELOPE_ID] = "envelope_id",
		[TEMPLATE_DATE] = "date",
		[TEMPLATE_HOSTNAME] = "hostname",
	};
	unsigned i;

	for (i = 0; i < TEMPLATE_WORDS; i++)
		if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0)
			break;
	return (enum template_word)i;
}
