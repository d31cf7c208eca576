/*
 * smtp/capabilities - what a server offers in its reply to EHLO
 *
 * Promise: never fails. What cannot be understood was not offered.
 */
#include "config.h"

#include "smtp/capabilities.h"

#include <string.h>
#include <strings.h>

#include "smtp/reply.h"

/* The rest of a line, eaten word by word. */
struct words {
	const char *at;
	size_t left;
};

struct word {
	const char *text;
	size_t len;
};

typedef void (*keyword_handler)(struct smtp_capabilities *caps,
                                struct words *words);

struct keyword {
	const char *name;
	unsigned extension;
	/* reads the parameters; NULL: there are none */
	keyword_handler on_parameters;
};

static void on_size(struct smtp_capabilities *caps, struct words *words);
static void on_auth(struct smtp_capabilities *caps, struct words *words);
static void on_limits(struct smtp_capabilities *caps, struct words *words);
static void on_deliverby(struct smtp_capabilities *caps, struct words *words);
static void parse_line(struct smtp_capabilities *caps, struct words *words);

static const struct keyword keywords[] = {
	{ "PIPELINING", SMTP_EXT_PIPELINING, NULL },
	{ "CHUNKING", SMTP_EXT_CHUNKING, NULL },
	{ "8BITMIME", SMTP_EXT_8BITMIME, NULL },
	{ "SMTPUTF8", SMTP_EXT_SMTPUTF8, NULL },
	{ "SIZE", SMTP_EXT_SIZE, on_size },
	{ "DSN", SMTP_EXT_DSN, NULL },
	{ "ENHANCEDSTATUSCODES", SMTP_EXT_ENHANCEDSTATUSCODES, NULL },
	{ "LIMITS", SMTP_EXT_LIMITS, on_limits },
	{ "FUTURERELEASE", SMTP_EXT_FUTURERELEASE, NULL },
	{ "DELIVERBY", SMTP_EXT_DELIVERBY, on_deliverby },
	{ "MT-PRIORITY", SMTP_EXT_MT_PRIORITY, NULL },
	{ "XRELAIS", SMTP_EXT_XRELAIS, NULL },
	{ "STARTTLS", SMTP_EXT_STARTTLS, NULL },
	{ "AUTH", SMTP_EXT_AUTH, on_auth },
	{ "REQUIRETLS", SMTP_EXT_REQUIRETLS, NULL },
};

static const struct {
	const char *name;
	unsigned mechanism;
} mechanisms[] = {
	{ "PLAIN", SMTP_MECHANISM_PLAIN },
	{ "LOGIN", SMTP_MECHANISM_LOGIN },
	{ "CRAM-MD5", SMTP_MECHANISM_CRAM_MD5 },
	{ "SCRAM-SHA-1", SMTP_MECHANISM_SCRAM_SHA_1 },
	{ "SCRAM-SHA-256", SMTP_MECHANISM_SCRAM_SHA_256 },
	{ "XOAUTH2", SMTP_MECHANISM_XOAUTH2 },
	{ "OAUTHBEARER", SMTP_MECHANISM_OAUTHBEARER },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Words end at a space, and the first one also at the `=` of `AUTH=`. */
static bool next_word(struct words *words, char also, struct word *ret_word)
{
	while (words->left > 0 && (*words->at == ' ' || *words->at == '\t' ||
	                           *words->at == also)) {
		words->at++;
		words->left--;
	}
	ret_word->text = words->at;
	ret_word->len = 0;
	while (words->left > 0 && *words->at != ' ' && *words->at != '\t' &&
	       *words->at != also) {
		words->at++;
		words->left--;
		ret_word->len++;
	}
	return ret_word->len > 0;
}

static bool word_is(const struct word *word, const char *name)
{
	return strlen(name) == word->len &&
	       strncasecmp(word->text, name, word->len) == 0;
}

/* Digits only; 0 for anything else. Beyond 64 bits is as good as no limit. */
static uint64_t parse_number(const char *text, size_t len)
{
	uint64_t number = 0;

	for (size_t i = 0; i < len; i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');

		if (text[i] < '0' || text[i] > '9')
			return 0;
		if (number > (UINT64_MAX - digit) / 10)
			return 0;
		number = number * 10 + digit;
	}
	return number;
}

static uint32_t parse_number32(const char *text, size_t len)
{
	uint64_t number = parse_number(text, len);

	return number > UINT32_MAX ? 0 : (uint32_t)number;
}

void smtp_capabilities_parse(struct smtp_capabilities *ret_capabilities,
                             const struct smtp_reply *reply)
{
	struct smtp_capabilities caps = { .extensions = 0 };
	size_t cursor = 0;
	const char *line;
	size_t len;

	/* The first line is the greeting, whatever it says. */
	if (smtp_reply_next_line(reply, &cursor, &line, &len)) {
		while (smtp_reply_next_line(reply, &cursor, &line, &len))
			parse_line(&caps, &(struct words){ line, len });
	}
	*ret_capabilities = caps;
}

static void parse_line(struct smtp_capabilities *caps, struct words *words)
{
	struct word name;

	if (!next_word(words, '=', &name))
		return;
	for (size_t i = 0; i < COUNT(keywords); i++) {
		if (!word_is(&name, keywords[i].name))
			continue;
		caps->extensions |= keywords[i].extension;
		if (keywords[i].on_parameters)
			keywords[i].on_parameters(caps, words);
	}
}

/* RFC 1870 3: `SIZE` and `SIZE 0` state no limit. */
static void on_size(struct smtp_capabilities *caps, struct words *words)
{
	struct word word;

	if (next_word(words, ' ', &word))
		caps->size_max_bytes = parse_number(word.text, word.len);
}

static void on_auth(struct smtp_capabilities *caps, struct words *words)
{
	struct word word;

	while (next_word(words, '=', &word))
		caps->mechanisms |= smtp_mechanism_parse(word.text, word.len);
}

static void on_limits(struct smtp_capabilities *caps, struct words *words)
{
	struct word word;

	while (next_word(words, ' ', &word)) {
		const char *equals = memchr(word.text, '=', word.len);
		struct word name = { word.text, 0 };
		uint32_t value;

		if (!equals)
			continue;
		name.len = (size_t)(equals - word.text);
		value = parse_number32(equals + 1, word.len - name.len - 1);
		if (word_is(&name, "RCPTMAX"))
			caps->rcpt_max = value;
		else if (word_is(&name, "MAILMAX"))
			caps->mail_max = value;
	}
}

static void on_deliverby(struct smtp_capabilities *caps, struct words *words)
{
	struct word word;

	if (next_word(words, ' ', &word))
		caps->by_min_s = parse_number32(word.text, word.len);
}

bool smtp_capabilities_have(const struct smtp_capabilities *capabilities,
                            unsigned extension)
{
	return (capabilities->extensions & extension) != 0;
}

const char *smtp_mechanism_name(unsigned mechanism)
{
	for (size_t i = 0; i < COUNT(mechanisms); i++) {
		if (mechanisms[i].mechanism == mechanism)
			return mechanisms[i].name;
	}
	return NULL;
}

unsigned smtp_mechanism_parse(const char *name, size_t len)
{
	struct word word = { name, len };

	for (size_t i = 0; i < COUNT(mechanisms); i++) {
		if (word_is(&word, mechanisms[i].name))
			return mechanisms[i].mechanism;
	}
	return 0;
}
