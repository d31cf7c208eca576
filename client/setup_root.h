/*
 * setup_root - where mail to root goes: asked, written down, looked at
 *
 * An alias is a line of /etc/aliases, which relaisd only reads. Who may write
 * that file has it written here; others are told the line.
 */
#ifndef RELAIS_SETUP_ROOT_H
#define RELAIS_SETUP_ROOT_H

#include <stdbool.h>

struct invocation;

struct setup_root {
	const struct invocation *invocation;
	bool may_ask;
	/* malloc'ed or NULL */
	char *now;     /* where it goes now; NULL: nowhere, or to this host */
	char *address; /* where it is to go; NULL: that stays as it is */
	char *file;    /* the aliases; NULL: none is set */
	bool is_written;
};

/* suggestion: a mail address, or NULL. An exit code. */
int setup_root_ask(struct setup_root *root, const char *suggestion);

bool setup_root_is_to_write(const struct setup_root *root);

/* Says on stderr what will be written; nothing where nothing will. */
void setup_root_announce(const struct setup_root *root);

/* Writes the line, and has relaisd read it; or tells it. An exit code. */
int setup_root_write(struct setup_root *root);

/* "root", if mail to it goes somewhere; else an address, or NULL. */
const char *setup_root_recipient(const struct setup_root *root);

void setup_root_done(struct setup_root *root);

#endif
