/*
 * relay_questions_place - where a relay is, from a word that somebody gave
 */
#include "config.h"

#include "relay_questions_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ask.h"
#include "command.h"
#include "json.h"
#include "question.h"
#include "relay_discovery.h"
#include "relay_order.h"

static int take_address(struct relay_questions *questions, const char *address,
                        bool may_ask);
static int take_provider(struct relay_questions *questions,
                         const struct json *provider, bool may_ask);

/* The only one that has the word in its id or name; or the one of that id. */
static const struct json *find_provider(const struct json *providers,
                                        const char *word)
{
	const struct json *found = NULL;
	size_t count = 0, i;

	for (i = 0; i < json_count(providers); i++) {
		const struct json *provider = json_item(providers, i);
		const char *id = json_text(provider, "id");
		const char *name = json_text(provider, "name");

		if (!id || !name)
			continue;
		if (strcasecmp(id, word) == 0)
			return provider;
		if (strcasestr(id, word) || strcasestr(name, word)) {
			found = provider;
			count++;
		}
	}
	return count == 1 ? found : NULL;
}

int relay_questions_take_place(struct relay_questions *questions,
                               const char *word, bool may_ask)
{
	const struct invocation *invocation = questions->invocation;
	const struct json *provider;
	struct json *answer = NULL;
	int r;

	if (strchr(word, '@'))
		return take_address(questions, word, may_ask);
	r = ask(invocation, "GET", "/v1/providers", NULL, &answer);
	if (r != EXIT_FINE)
		return r;
	provider = find_provider(json_member(answer, "providers"), word);
	if (provider) {
		r = take_provider(questions, provider, may_ask);
	} else if (strpbrk(word, ".:") || strcmp(word, "localhost") == 0) {
		relay_questions_put(questions, "host", word);
		if (json_text(questions->current, "provider"))
			json_put_null(questions->order, "provider");
	} else {
		command_complain("`%s` is no single provider and no host; see "
		                 "relaisctl providers %s",
		                 word, word);
		r = EXIT_NOT_SO;
	}
	json_free(answer);
	return r;
}

int relay_questions_find_provider(struct relay_questions *questions)
{
	const char *id = json_text(questions->order, "provider");
	const struct json *provider;
	struct json *answer = NULL;
	int r;

	if (!id || questions->provider)
		return EXIT_FINE;
	r = ask(questions->invocation, "GET", "/v1/providers", NULL, &answer);
	if (r != EXIT_FINE)
		return r;
	provider = find_provider(json_member(answer, "providers"), id);
	if (provider)
		questions->provider = json_copy_of(provider);
	json_free(answer);
	return EXIT_FINE;
}

/* Options go before what was found. */
static void put_found(struct relay_questions *questions, const char *key,
                      const char *value)
{
	if (!relay_questions_is_said(questions, key))
		relay_questions_put(questions, key, value);
}

/* What its domain, or the name servers, say of it. */
static int take_address(struct relay_questions *questions, const char *address,
                        bool may_ask)
{
	struct output output;
	struct json *found;
	bool needs_consent;
	int r;

	free(questions->address);
	questions->address = strdup(address);
	r = relay_discover(questions->invocation, address, &found);
	if (r != EXIT_FINE)
		return r;
	output_init(&output, stderr);
	relay_discovery_print(&output, found);
	needs_consent = json_flag(found, "needs_consent");
	if (needs_consent && !may_ask) {
		command_complain("the domain sends its mail to another's host: "
		                 "if that is right, give --host %s",
		                 json_text(found, "host"));
		r = EXIT_NOT_SO;
	} else if (may_ask && !question_is_yes("Use that?", !needs_consent)) {
		r = EXIT_NOT_SO;
	} else if (json_member(found, "provider")) {
		r = take_provider(questions, json_member(found, "provider"),
		                  may_ask);
	} else {
		char port[16];

		(void)snprintf(port, sizeof(port), "%" PRId64,
		               json_number(found, "port"));
		put_found(questions, "host", json_text(found, "host"));
		put_found(questions, "port", port);
		put_found(questions, "security", json_text(found, "security"));
	}
	json_free(found);
	return r;
}

/* Some hosts are to be completed: email-smtp.{region}.amazonaws.com. */
static int take_provider(struct relay_questions *questions,
                         const struct json *provider, bool may_ask)
{
	static const char *const others[] = { "host", "port", "security" };
	const char *host = json_text(provider, "host");
	char *answer;
	size_t i;

	if (host && strchr(host, '{') &&
	    !relay_questions_is_said(questions, "host")) {
		if (!may_ask) {
			command_complain("--host is needed: fill in %s", host);
			return EXIT_BAD_USAGE;
		}
		fprintf(stderr, "Fill in %s\n", host);
		answer = question_line("Host", NULL);
		if (!answer || !*answer) {
			free(answer);
			return EXIT_NOT_SO;
		}
		relay_order_put(questions->order, "host", answer);
		free(answer);
	}
	json_free(questions->provider);
	questions->provider = json_copy_of(provider);
	relay_questions_put(questions, "provider", json_text(provider, "id"));
	if (!relay_questions_is_said(questions, "provider") ||
	    !questions->current)
		return EXIT_FINE;
	/* Another one than before: its own values count. */
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!relay_questions_is_said(questions, others[i]))
			json_put_null(questions->order, others[i]);
	return EXIT_FINE;
}
