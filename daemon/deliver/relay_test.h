/*
 * relay_test - does a relay work, and if not, why, and what mends it?
 *
 * The way of a mail, step by step, with objects of its own: neither breaker nor
 * queue hear of it. Where the mode of encryption or the port seem to be wrong
 * the others are tried, too.
 *
 * Thread: its loop's. Events come from the loop; the test may be freed in
 *         on_done, and at any time outside of events.
 */
#ifndef RELAIS_DELIVER_RELAY_TEST_H
#define RELAIS_DELIVER_RELAY_TEST_H

#include <stdbool.h>
#include <stdint.h>

struct credentials;
struct loop;
struct mailbox;
struct relay_settings;
struct relay_test;
struct resolver;
struct settings;

/* Texts are borrowed for the call; NULL where there is nothing to say. */
struct relay_test_step {
	const char *step; /* name token connect tls greeting ehlo … try */
	bool is_ok;
	unsigned ms;
	const char *detail;
	const char *cause; /* of a step that failed, and what mends it */
	const char *next;
};

enum relay_test_result {
	RELAY_TEST_FAILED,
	RELAY_TEST_REACHABLE, /* all but a message */
	RELAY_TEST_ACCEPTED,  /* the relay has taken the message */
};

struct relay_test_outcome {
	enum relay_test_result result;
	unsigned ms;
	const char *cause; /* FAILED: of the last step; may be NULL */
	const char *next;
	/* FAILED: these would work; NULL: none was found or looked for */
	const char *security;
	uint16_t port;
};

struct relay_test_params {
	struct loop *loop;
	struct mailbox *inbox; /* of that loop */
	struct resolver *resolver;
	struct credentials *credentials;    /* of that loop */
	const struct settings *settings;    /* a reference is taken */
	const struct relay_settings *relay; /* of these settings */
	const char *to;    /* a test mail is sent there; NULL: none is */
	const char *asker; /* who wants to know, for the mail's text */
	void (*on_step)(void *context, const struct relay_test_step *step);
	void (*on_done)(void *context,
	                const struct relay_test_outcome *outcome);
	void *context;
};

struct relay_test *relay_test_new(const struct relay_test_params *params);
void relay_test_free(struct relay_test *test);

#endif
