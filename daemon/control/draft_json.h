/*
 * draft_json - messages as JSON: one object, or an array of them
 *
 * Members have the words of draft.h; to, cc and bcc also as arrays, mailboxes
 * also as {"name", "address"}; headers is an object, attachments an array of
 * {"filename", "type", "content", "content_id"} with content in base64.
 *
 * Thread: any; one at a time.
 */
#ifndef RELAIS_CONTROL_DRAFT_JSON_H
#define RELAIS_CONTROL_DRAFT_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "control/draft.h"

struct draft_taker {
	/* A message begins: initialises the draft it goes into. */
	void (*begin)(void *context, struct draft *draft);
	/*
	 * It is complete, but for draft_check(), or `error` says what is wrong
	 * with it. The draft is borrowed for the call.
	 */
	void (*end)(void *context, struct draft *draft, const char *error);
	void *context;
};

/*
 * 0: `end` has been called for each; *ret_is_array: there may be any number.
 * -EBADMSG, -EINVAL: `error` says why the text can't be read, or no further.
 */
int draft_json_read(const char *text, size_t len,
                    const struct draft_taker *taker, bool *ret_is_array,
                    char error[DRAFT_ERROR_SIZE]);

#endif
