/*
 * draft_private - what the files of draft share
 */
#ifndef RELAIS_CONTROL_DRAFT_PRIVATE_H
#define RELAIS_CONTROL_DRAFT_PRIVATE_H

#include "control/draft.h"

/* RFC 3461 4.1, by bits of draft->notify: 1 << index */
#define DRAFT_NOTIFICATIONS 4
extern const char *const draft_notifications[DRAFT_NOTIFICATIONS];

/* Whatever has no mailboxes in it; as draft_set(). */
int draft_set_word(struct draft *draft, const char *word, const char *value,
                   char error[DRAFT_ERROR_SIZE]);

/* Into the arena. */
const char *draft_copy(struct draft *draft, const char *text, size_t len);

/* "WORD: expected EXPECTED"; -EINVAL */
int draft_complain(char error[DRAFT_ERROR_SIZE], const char *word,
                   const char *expected);

#endif
