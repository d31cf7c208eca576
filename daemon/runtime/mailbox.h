/*
 * mailbox - how a struct changes thread; the only lock of the daemon
 *
 * A letter is embedded in the struct that travels. Posting hands the whole
 * struct over: the sender does not touch it again until it comes home as
 * another letter. Letters of one sender arrive in the order of posting.
 *
 * Two kinds: one bound to a loop, which opens each letter in the loop's thread;
 * and a blocking one for a thread without a loop (committer, log).
 */
#ifndef RELAIS_RUNTIME_MAILBOX_H
#define RELAIS_RUNTIME_MAILBOX_H

#include <stddef.h>

struct loop;
struct mailbox;

struct letter {
	struct letter *next;
	/* Called in the receiver's thread; the letter is the receiver's. */
	void (*open)(struct letter *letter);
};

/* The struct that a letter is embedded in. */
#define LETTER_OF(letter, type, member)                                        \
	((type *)(void *)((char *)(letter)-offsetof(type, member)))

/* Bound to a loop, in its thread or before it runs. 0 or -errno. */
int mailbox_new(struct mailbox **ret_mailbox, struct loop *loop);

/* For a thread that waits by itself with mailbox_wait(). */
int mailbox_new_blocking(struct mailbox **ret_mailbox);

/* Letters still inside are dropped, not freed. */
void mailbox_free(struct mailbox *mailbox);

/* Any thread; never fails, never waits longer than for the short lock. */
void mailbox_post_take(struct mailbox *mailbox, struct letter *letter);

/* Posts a whole list (linked by next) with one wake-up. */
void mailbox_post_list_take(struct mailbox *mailbox, struct letter *first);

/*
 * Blocking kind only: all letters in order of posting, or NULL after
 * timeout_ms (-1: wait for ever, 0: do not wait).
 */
struct letter *mailbox_wait(struct mailbox *mailbox, int timeout_ms);

#endif
