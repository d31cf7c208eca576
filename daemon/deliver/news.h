/*
 * news - what a sender is still to be told of one message
 *
 * Thread: the reader's.
 */
#ifndef RELAIS_DELIVER_NEWS_H
#define RELAIS_DELIVER_NEWS_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/queue.h"
#include "queue/report.h"

struct contents;
struct settings;

struct news {
	const struct report_row *row;
	struct message *message;
	/* All that is owed, and what of it is still wanted. */
	struct reported *owed, *wanted;
	unsigned owed_count, wanted_count;
	bool is_for_summary; /* nothing of it but an outage */
	const char *header;  /* NULL: gone; else contents is at the body */
	size_t header_len;
	char *header_copy;
};

/*
 * 0, or what reading the message gives: then nobody is to be told. The row is
 * borrowed. news_done() in any case.
 */
int news_read(struct news *ret_news, struct queue_reader *reader,
              struct contents *contents, const struct settings *settings,
              const struct report_row *row);
void news_done(struct news *news);

#endif
