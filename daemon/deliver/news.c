#include "config.h"

#include "deliver/news.h"

#include <stdlib.h>
#include <string.h>

#include "deliver/bounce.h"
#include "deliver/contents.h"
#include "deliver/notify.h"
#include "runtime/xalloc.h"

static void collect(struct news *news, const struct settings *settings);

int news_read(struct news *ret_news, struct queue_reader *reader,
              struct contents *contents, const struct settings *settings,
              const struct report_row *row)
{
	struct news *news = ret_news;
	const char *header;
	int r;

	*news = (struct news){ .row = row };
	r = queue_read_message(reader, row->id, &news->message);
	if (r < 0)
		return r;
	if (news->message->body_id != 0 &&
	    contents_open(contents, news->message, &header,
	                  &news->header_len) == 0) {
		/* It is borrowed only until the body is read. */
		news->header_copy = xmalloc(news->header_len + 1);
		memcpy(news->header_copy, header, news->header_len);
		news->header = news->header_copy;
	}
	collect(news, settings);
	return 0;
}

static void collect(struct news *news, const struct settings *settings)
{
	const struct message *message = news->message;
	bool is_silent_on_delay =
	    news->header != NULL &&
	    bounce_suppresses_delay(news->header, news->header_len);

	news->owed = xcalloc(message->recipient_count, sizeof(*news->owed));
	news->wanted = xcalloc(message->recipient_count, sizeof(*news->wanted));
	news->is_for_summary = true;
	for (unsigned i = 0; i < message->recipient_count; i++) {
		const struct message_recipient *recipient =
		    &message->recipients[i];
		struct reported reported = {
			.index = (uint16_t)i,
			.state = recipient->state,
		};

		if ((recipient->flags & RECIPIENT_REPORT_OWED) == 0)
			continue;
		news->owed[news->owed_count++] = reported;
		if (!notify_is_wanted(settings, message, recipient,
		                      recipient->state) ||
		    (recipient->state == RECIPIENT_WAITING &&
		     is_silent_on_delay))
			continue;
		news->wanted[news->wanted_count++] = reported;
		if ((recipient->flags & RECIPIENT_RELAY_FAULT) == 0)
			news->is_for_summary = false;
	}
}

void news_done(struct news *news)
{
	message_free(news->message);
	free(news->owed);
	free(news->wanted);
	free(news->header_copy);
}
