/*
 * relay_test_private - what the files of relay_test share; for no one else
 *
 * relay_test.c           the way of the test: name, secrets, probe, outcome
 * relay_test_others.c    other modes and ports, where the one set fails
 * relay_test_explain.c   causes, and what mends them
 */
#ifndef RELAIS_DELIVER_RELAY_TEST_PRIVATE_H
#define RELAIS_DELIVER_RELAY_TEST_PRIVATE_H

#include "deliver/credentials.h"
#include "deliver/probe.h"
#include "deliver/relay_test.h"
#include "settings.h"

struct event;
struct resolver_query;
struct test_mail;

#define RELAY_TEST_OTHERS_MAX 8

/* Another way to reach the relay. */
struct relay_test_other {
	enum relay_security security;
	uint16_t port;
};

struct relay_test_explanation {
	const char *cause, *next; /* static; or NULL */
};

struct relay_test {
	struct relay_test_params params;
	const struct settings *settings;
	const struct relay_settings *relay; /* as it is set */
	struct event *turn;                 /* the next thing, from the loop */
	void (*then)(struct relay_test *test);
	struct event *silence; /* nothing is said: does it wait for TLS? */
	int64_t started_ms, step_ms;  /* boot clock */
	struct resolver_query *asked; /* under way */
	struct resolver_query *hosts; /* as found; or NULL */
	size_t host;                  /* the one in use */
	struct credentials_waiter waiter;
	bool is_waiting;
	bool has_token; /* it was told of */
	struct test_mail *mail;
	struct transport *transport; /* of a maildir */

	struct probe *probe;
	bool has_greeting;
	bool is_clear; /* opportunistic TLS has failed: without */
	struct relay_settings clear;
	/* The fault that the test ends with. */
	bool has_failed;
	enum probe_step failed_step;
	struct verdict fault;
	enum tls_fault tls;
	struct relay_test_explanation why;

	struct probe *side;
	struct relay_settings variant; /* what the side probe tries */
	struct relay_test_other others[RELAY_TEST_OTHERS_MAX];
	unsigned other_count, other; /* how many, the one being tried */
	bool is_side_for_silence;
	bool is_deaf; /* it doesn't speak TLS either */
	char side_detail[VERDICT_TEXT_SIZE + 32];
	bool has_found;
};

/* relay_test.c */

void relay_test_tell(struct relay_test *test,
                     const struct relay_test_step *step);
/* The probe of a relay that is this one but for `relay`'s own values. */
int relay_test_probe(struct relay_test *test,
                     const struct relay_settings *relay,
                     struct probe_params *params, struct probe **ret_probe);
/* The end; from an event of the loop. */
void relay_test_finish(struct relay_test *test);
/* The main probe has failed, as it says or somebody in its place; then it has
 * ended, in an event of the loop. */
void relay_test_fail(struct relay_test *test, enum probe_step step,
                     const struct verdict *fault, enum tls_fault tls);
void relay_test_probe_ended(struct relay_test *test);

/* relay_test_others.c */

/* False: there is nothing to be tried; else it finishes the test. */
bool relay_test_try_others(struct relay_test *test);
/* Is somebody there who waits for TLS? */
void relay_test_ask_for_tls(struct relay_test *test);

/* relay_test_explain.c */

void relay_test_explain(const struct relay_settings *relay,
                        const struct verdict *fault, enum tls_fault tls,
                        struct relay_test_explanation *ret_why);

#endif
