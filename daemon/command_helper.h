/*
 * command_helper - runs the administrator's commands apart from us
 *
 * A process forked before there is any thread or open file of ours does the
 * work: it runs each program with its words as they are, without a shell, with
 * an empty environment and a time limit. stdin is what the asker gives, else
 * empty; stderr is the daemon's.
 *
 * Promise: every command that is handed over comes home once, also when the
 *          helper is gone. Its output is wiped when the command is freed.
 */
#ifndef RELAIS_COMMAND_HELPER_H
#define RELAIS_COMMAND_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/mailbox.h"

struct command_helper;
struct loop;

#define COMMAND_TIME_LIMIT_MS 30000
#define COMMAND_WORDS_MAX     8192 /* bytes of all words with their NULs */
#define COMMAND_INPUT_MAX     32768

struct command {
	struct letter letter;
	struct mailbox *home;
	void (*on_done)(struct letter *letter);
	void *context; /* the asker's */
	uint32_t time_limit_ms;
	char **words;
	char *input; /* malloc'ed, at most COMMAND_INPUT_MAX; NULL: none */
	size_t input_len;
	/* out */
	char *output;       /* its first line; NULL: `problem` says why */
	bool has_succeeded; /* it ended with status 0, whatever it printed */
	char problem[160];
	/* the helper's own */
	uint32_t id;
};

/* `words` are copied; NULL-terminated, the first is a full path. */
struct command *command_new(char *const *words);
void command_free(struct command *command);

/**
 * Fork the process. Call this before any thread is started.
 *
 * @return 0; what socketpair() and fork() say
 */
int command_helper_new(struct command_helper **ret_helper);

/* Answers are read by `loop`; call it before that loop runs. */
int command_helper_attach(struct command_helper *helper, struct loop *loop);

/* Any thread. The command comes home by its letter. */
void command_helper_run_take(struct command_helper *helper,
                             struct command *command);

/* With its loop stopped. Ends the process; what still runs is killed. */
void command_helper_free(struct command_helper *helper);

#endif
