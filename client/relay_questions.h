/*
 * relay_questions - asks at the terminal what a relay is to be
 *
 * What the order says already is not asked. Each question has a default: the
 * relay's present value, or what a provider or a mail address suggests.
 */
#ifndef RELAIS_RELAY_QUESTIONS_H
#define RELAIS_RELAY_QUESTIONS_H

#include <stdbool.h>

struct invocation;
struct json;

struct relay_questions {
	const struct invocation *invocation;
	struct json *order;         /* borrowed; answers go in there */
	const struct json *current; /* borrowed: the relay as it is; or NULL */
	/* Put answers that change nothing into the order, too. */
	bool is_whole;
	/* Out: what relaisd knows of the provider, free it; or NULL */
	struct json *provider;
	/* Out: the mail address that was given, malloc'ed; or NULL */
	char *address;
};

/* An exit code; EXIT_NOT_SO, too, where the answers come to an end. */
int relay_questions_ask(struct relay_questions *questions);

/*
 * Takes a mail address, a provider's id or name, or a host for an answer to
 * where the relay is; may_ask: what is only a guess is asked about, else it is
 * refused. An exit code, said why on stderr.
 */
int relay_questions_take_place(struct relay_questions *questions,
                               const char *word, bool may_ask);

/* Fills in the provider where the order names one. An exit code. */
int relay_questions_find_provider(struct relay_questions *questions);

/* Where nobody can be asked: login and sender as the address suggests. */
void relay_questions_put_usual(struct relay_questions *questions);

void relay_questions_done(struct relay_questions *questions);

#endif
