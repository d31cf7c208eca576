#include "config.h"

#include "relay_questions_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "command.h"
#include "json.h"
#include "question.h"
#include "relay_order.h"

#define TRIES 3

static int ask_place(struct relay_questions *questions);
static int ask_connection(struct relay_questions *questions);
static int ask_login(struct relay_questions *questions);
static int ask_password(struct relay_questions *questions);
static int ask_sender(struct relay_questions *questions);
static void put_sender(struct relay_questions *questions, const char *address);
static bool is_preset(const struct relay_questions *questions,
                      const char *member, const char *word);

int relay_questions_ask(struct relay_questions *questions)
{
	int r;

	r = ask_place(questions);
	if (r == EXIT_FINE)
		r = ask_connection(questions);
	if (r == EXIT_FINE)
		r = ask_login(questions);
	if (r == EXIT_FINE)
		r = ask_sender(questions);
	return r;
}

void relay_questions_done(struct relay_questions *questions)
{
	json_free(questions->provider);
	free(questions->address);
	questions->provider = NULL;
	questions->address = NULL;
}

/* ------------------------------------------------------------------- place */

static int ask_place(struct relay_questions *questions)
{
	char room[RELAY_VALUE_SIZE];
	const char *now;
	int tries, r = EXIT_NOT_SO;

	if (relay_questions_is_said(questions, "provider"))
		return relay_questions_find_provider(questions);
	if (relay_questions_is_said(questions, "url") ||
	    relay_questions_is_said(questions, "host"))
		return EXIT_FINE;
	now = relay_questions_usual(questions, "provider", room);
	if (!now)
		now = relay_questions_usual(questions, "host", room);
	for (tries = 0; tries < TRIES && r == EXIT_NOT_SO; tries++) {
		char *word = question_line(
		    "Your mail address, the provider, or the host", now);

		if (!word)
			return EXIT_NOT_SO;
		if (*word)
			r = relay_questions_take_place(questions, word, true);
		free(word);
	}
	return r;
}

/* -------------------------------------------------------------- connection */

static bool is_port(const char *word)
{
	char *end;
	unsigned long port = strtoul(word, &end, 10);

	return *end == '\0' && port >= 1 && port <= UINT16_MAX;
}

static bool is_security(const char *word)
{
	static const char *const words[] = { "tls", "starttls", "opportunistic",
		                             "none" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

static int ask_checked(struct relay_questions *questions, const char *key,
                       const char *question, const char *now,
                       bool (*is_right)(const char *word))
{
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		char *word = question_line(question, now);
		bool is_fine = word && is_right(word);

		if (is_fine)
			relay_questions_put(questions, key, word);
		free(word);
		if (is_fine)
			return EXIT_FINE;
		if (!word)
			return EXIT_NOT_SO;
	}
	return EXIT_NOT_SO;
}

/* A provider's are known. */
static int ask_connection(struct relay_questions *questions)
{
	char room[RELAY_VALUE_SIZE];
	const char *now, *port;
	int r = EXIT_FINE;

	if (relay_questions_is_said(questions, "url") || questions->provider)
		return EXIT_FINE;
	if (!relay_questions_is_said(questions, "port")) {
		now = relay_questions_usual(questions, "port", room);
		r = ask_checked(questions, "port", "Port", now ? now : "587",
		                is_port);
	}
	if (r != EXIT_FINE || relay_questions_is_said(questions, "security"))
		return r;
	port = json_text(questions->order, "port");
	now = relay_questions_usual(questions, "port", room);
	if (!port || (now && strcmp(now, port) == 0))
		now = relay_questions_usual(questions, "security", room);
	else
		now = strcmp(port, "465") == 0  ? "tls"
		      : strcmp(port, "25") == 0 ? "opportunistic"
		                                : "starttls";
	return ask_checked(questions, "security",
	                   "Security: tls, starttls, opportunistic or none",
	                   now, is_security);
}

/* ------------------------------------------------------------------- login */

static const char *usual_login(const struct relay_questions *questions,
                               char room[RELAY_VALUE_SIZE])
{
	const char *now = relay_questions_usual(questions, "username", room);
	const char *address = questions->address;

	if (now)
		return now;
	if (is_preset(questions, "authentication", "ip") ||
	    is_preset(questions, "authentication", "none") ||
	    (questions->current &&
	     !relay_questions_is_said(questions, "provider")))
		return "-";
	if (!address || is_preset(questions, "username", "account"))
		return NULL;
	if (is_preset(questions, "username", "localpart"))
		(void)snprintf(room, RELAY_VALUE_SIZE, "%.*s",
		               (int)strcspn(address, "@"), address);
	else
		(void)snprintf(room, RELAY_VALUE_SIZE, "%s", address);
	return room;
}

static int ask_login(struct relay_questions *questions)
{
	const char *fixed = json_text(questions->provider, "username");
	char room[RELAY_VALUE_SIZE];
	char *login;
	bool is_none;

	if (relay_questions_is_said(questions, "url") ||
	    (fixed && *fixed == '='))
		return fixed ? ask_password(questions) : EXIT_FINE;
	if (relay_questions_is_said(questions, "username"))
		return ask_password(questions);
	login =
	    question_line("Login (- for none)", usual_login(questions, room));
	if (!login)
		return EXIT_NOT_SO;
	is_none = *login == '\0' || strcmp(login, "-") == 0;
	if (!is_none)
		relay_questions_put(questions, "username", login);
	else if (questions->current &&
	         json_text(questions->current, "username"))
		json_put_null(questions->order, "username");
	free(login);
	return is_none ? EXIT_FINE : ask_password(questions);
}

/* A change of these needs the password again: it was given for the old ones. */
static bool keeps_password(const struct relay_questions *questions)
{
	static const char *const keys[] = {
		"url",      "provider", "host",           "port",
		"security", "username", "authentication", "tls"
	};
	size_t i;

	if (!json_flag(json_member(questions->current, "password"), "set"))
		return false;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char room[RELAY_VALUE_SIZE];
		const char *now =
		    relay_questions_usual(questions, keys[i], room);
		const char *said = json_text(questions->order, keys[i]);

		if (json_has(questions->order, keys[i]) &&
		    (!now || !said || strcmp(now, said) != 0))
			return false;
	}
	return true;
}

/* Does it take something that can be typed in? */
static bool takes_password(const struct relay_questions *questions)
{
	static const char *const words[] = { "password", "app_password",
		                             "api_key", "smtp_token" };
	size_t i;

	if (!json_text(questions->provider, "authentication"))
		return true;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is_preset(questions, "authentication", words[i]))
			return true;
	return false;
}

static int ask_password(struct relay_questions *questions)
{
	static const char *const ways[] = { "password",      "credential",
		                            "password_file", "password_command",
		                            "token_command", "oauth" };
	const char *hint = json_text(questions->provider, "hint");
	bool is_kept = keeps_password(questions);
	size_t i;
	int tries;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (relay_questions_is_said(questions, ways[i]))
			return EXIT_FINE;
	if (hint)
		fprintf(stderr, "%s\n", hint);
	if (!takes_password(questions)) {
		command_complain("%s takes no password, only OAuth: see "
		                 "relaisctl relay login --help",
		                 json_text(questions->provider, "name"));
		return EXIT_NOT_SO;
	}
	for (tries = 0; tries < TRIES; tries++) {
		char *password = question_secret(
		    is_kept ? "Password (empty: the one that is saved)"
			    : "Password (it is not shown)");
		bool is_given = password && *password;

		if (is_given)
			json_put_text(questions->order, "password", password);
		question_wipe(password);
		if (is_given || (password && is_kept))
			return EXIT_FINE;
		if (!password)
			return EXIT_NOT_SO;
	}
	command_complain("no password was given");
	return EXIT_NOT_SO;
}

/* ------------------------------------------------------------------ sender */

static const char *said_login(const struct relay_questions *questions)
{
	const char *login = json_text(questions->order, "username");

	return login ? login : json_text(questions->current, "username");
}

static int ask_sender(struct relay_questions *questions)
{
	const struct json *from = json_member(questions->current, "from");
	const char *login = said_login(questions);
	const char *now = json_text(from, "address");
	char *sender;

	if (json_text(json_member(questions->order, "from"), "address"))
		return EXIT_FINE;
	if (!now && !questions->current)
		now = questions->address            ? questions->address
		      : login && strchr(login, '@') ? login
		                                    : NULL;
	sender = question_line("Mail leaves as (- : as each mail says)",
	                       now ? now : "-");
	if (!sender)
		return EXIT_NOT_SO;
	if (strcmp(sender, "-") == 0) {
		if (from)
			json_put_null(questions->order, "from");
	} else if (*sender && (questions->is_whole || !now || !from ||
	                       strcmp(sender, now) != 0)) {
		put_sender(questions, sender);
	}
	free(sender);
	return EXIT_FINE;
}

void relay_questions_put_usual(struct relay_questions *questions)
{
	const char *fixed = json_text(questions->provider, "username");
	const char *login;
	char room[RELAY_VALUE_SIZE];

	login = usual_login(questions, room);
	if (json_has(questions->order, "password") &&
	    !relay_questions_is_said(questions, "username") &&
	    !relay_questions_is_said(questions, "url") &&
	    !(fixed && *fixed == '=') && login && strcmp(login, "-") != 0)
		relay_questions_put(questions, "username", login);
	if (questions->address && !relay_questions_is_said(questions, "from"))
		put_sender(questions, questions->address);
}

/*
 * Who logs in as a mailbox may send as that mailbox. Elsewhere what is of the
 * same domain stays; the rest, as of root at this host, is replaced.
 */
static void put_sender(struct relay_questions *questions, const char *address)
{
	const char *rule = json_text(questions->provider, "from_rule");
	const char *login = said_login(questions);
	const char *domain = strchr(address, '@');
	bool is_bound = rule ? strcmp(rule, "login") == 0
	                     : login && strcmp(login, address) == 0;

	relay_order_put(questions->order, "from.address", address);
	relay_order_put(questions->order, "from.apply",
	                is_bound || !domain ? "always" : "not-allowed");
	if (!is_bound && domain)
		relay_order_put(questions->order, "allowed_from", domain);
}

/* ------------------------------------------------------------------ values */

bool relay_questions_is_said(const struct relay_questions *questions,
                             const char *key)
{
	return json_has(questions->order, key);
}

/* The relay's present value; NULL where it has none. */
const char *relay_questions_usual(const struct relay_questions *questions,
                                  const char *key, char room[RELAY_VALUE_SIZE])
{
	const char *text = json_text(questions->current, key);
	int64_t number = json_number(questions->current, key);

	if (text)
		return text;
	if (number == 0)
		return NULL;
	(void)snprintf(room, RELAY_VALUE_SIZE, "%" PRId64, number);
	return room;
}

void relay_questions_put(struct relay_questions *questions, const char *key,
                         const char *value)
{
	char room[RELAY_VALUE_SIZE];
	const char *now = relay_questions_usual(questions, key, room);

	if (questions->is_whole || !now || strcmp(now, value) != 0)
		relay_order_put(questions->order, key, value);
}

/* Is the word one of those that the preset has there? */
static bool is_preset(const struct relay_questions *questions,
                      const char *member, const char *word)
{
	const char *words = json_text(questions->provider, member);
	size_t len = strlen(word), n;

	for (; words && *words; words += n + strspn(words + n, " ")) {
		n = strcspn(words, " ");
		if (n == len && strncmp(words, word, len) == 0)
			return true;
	}
	return false;
}
