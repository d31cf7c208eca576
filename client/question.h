/*
 * question - what a person at a terminal is asked
 *
 * Questions go to stderr, so that stdout stays what was asked for.
 */
#ifndef RELAIS_QUESTION_H
#define RELAIS_QUESTION_H

#include <stdbool.h>

/* Is there a person who could answer? */
bool question_is_possible(void);

/*
 * A line, malloc'ed, without spaces around it. `usual` (or NULL) is shown, and
 * given for an empty line. NULL: no more answers.
 */
char *question_line(const char *question, const char *usual);

/* The same without echo; for a secret, which the caller wipes. */
char *question_secret(const char *question);

bool question_is_yes(const char *question, bool usual);

/* The first line of a file, or of stdin for "-"; malloc'ed, or NULL (errno). */
char *question_file(const char *path);

/* Of what a shell command prints. */
char *question_command(const char *command);

/* NULL is allowed. */
void question_wipe(char *secret);

#endif
