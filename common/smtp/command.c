#include "config.h"

#include "smtp/command.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "smtp/extensions.h"
#include "smtp/parameters.h"

/* RFC 1035: a name has at most 255 octets; so much for whatever is said. */
#define HELO_MAX 255

static const struct {
	const char *name;
	enum smtp_verb verb;
} verbs[] = {
	{ "HELO", SMTP_VERB_HELO },
	{ "EHLO", SMTP_VERB_EHLO },
	{ "LHLO", SMTP_VERB_LHLO },
	{ "MAIL", SMTP_VERB_MAIL },
	{ "RCPT", SMTP_VERB_RCPT },
	{ "DATA", SMTP_VERB_DATA },
	{ "BDAT", SMTP_VERB_BDAT },
	{ "RSET", SMTP_VERB_RSET },
	{ "NOOP", SMTP_VERB_NOOP },
	{ "VRFY", SMTP_VERB_VRFY },
	{ "EXPN", SMTP_VERB_EXPN },
	{ "HELP", SMTP_VERB_HELP },
	{ "XKEY", SMTP_VERB_XKEY },
	{ "QUIT", SMTP_VERB_QUIT },
	{ "GET", SMTP_VERB_FOREIGN },
	{ "HEAD", SMTP_VERB_FOREIGN },
	{ "POST", SMTP_VERB_FOREIGN },
	{ "PUT", SMTP_VERB_FOREIGN },
	{ "DELETE", SMTP_VERB_FOREIGN },
	{ "CONNECT", SMTP_VERB_FOREIGN },
	{ "OPTIONS", SMTP_VERB_FOREIGN },
	{ "TRACE", SMTP_VERB_FOREIGN },
	{ "PATCH", SMTP_VERB_FOREIGN },
	/* the preface of HTTP/2 */
	{ "PRI", SMTP_VERB_FOREIGN },
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static bool skip_word(const char **text, size_t *len, const char *word);
static bool parse_path(const char **text, size_t *len, unsigned flags,
                       const char **ret_mailbox, size_t *ret_mailbox_len);
static bool is_ascii(const char *text);

enum smtp_verb smtp_command_verb(const char *line, size_t len,
                                 const char **ret_argument,
                                 size_t *ret_argument_len)
{
	const char *space = memchr(line, ' ', len);
	size_t verb_len = space ? (size_t)(space - line) : len;
	const char *argument = line + verb_len;

	len -= verb_len;
	while (len > 0 && *argument == ' ') {
		argument++;
		len--;
	}
	while (len > 0 && argument[len - 1] == ' ')
		len--;
	*ret_argument = argument;
	*ret_argument_len = len;

	for (size_t i = 0; i < VERB_COUNT; i++) {
		const char *name = verbs[i].name;

		if (verb_len > 0 && (*line & ~0x20) == *name &&
		    strlen(name) == verb_len &&
		    strncasecmp(name, line, verb_len) == 0)
			return verbs[i].verb;
	}
	return SMTP_VERB_UNKNOWN;
}

const char *smtp_verb_name(enum smtp_verb verb)
{
	for (size_t i = 0; i < VERB_COUNT; i++) {
		if (verbs[i].verb == verb && verb != SMTP_VERB_FOREIGN)
			return verbs[i].name;
	}
	return "";
}

bool smtp_command_parse_helo(const char *argument, size_t len,
                             struct smtp_answer *ret_answer)
{
	bool is_good = len > 0 && len <= HELO_MAX;

	for (size_t i = 0; i < len && is_good; i++)
		is_good = argument[i] > ' ' && argument[i] < 127;
	if (!is_good)
		*ret_answer = smtp_answer(501, "5.5.4",
		                          "One name of the client is expected");
	return is_good;
}

bool smtp_command_parse_mail(const char *argument, size_t len,
                             unsigned extensions, struct arena *arena,
                             const char **ret_sender,
                             struct smtp_mail_params *ret_params,
                             struct smtp_answer *ret_answer)
{
	unsigned flags = ADDRESS_NULL | ADDRESS_BARE;
	const char *mailbox;
	size_t mailbox_len;

	if (extensions & SMTP_EXT_SMTPUTF8)
		flags |= ADDRESS_UTF8;
	if (!skip_word(&argument, &len, "FROM:")) {
		*ret_answer = smtp_answer(
		    501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]");
		return false;
	}
	if (!parse_path(&argument, &len, flags, &mailbox, &mailbox_len)) {
		*ret_answer = smtp_answer(501, "5.1.7", "Bad sender address");
		return false;
	}
	if (!smtp_parameters_parse_mail(argument, len, extensions, arena,
	                                ret_params, ret_answer))
		return false;
	*ret_sender = arena_copy(arena, mailbox, mailbox_len);
	if (!*ret_sender) {
		*ret_answer = smtp_answer(452, "4.3.1", "Out of memory");
		return false;
	}
	if (!ret_params->is_smtputf8 && !is_ascii(*ret_sender)) {
		*ret_answer = smtp_answer(550, "5.6.7",
		                          "This sender address needs SMTPUTF8");
		return false;
	}
	return true;
}

bool smtp_command_parse_rcpt(const char *argument, size_t len,
                             unsigned extensions, bool is_smtputf8,
                             struct arena *arena,
                             struct smtp_recipient *ret_recipient,
                             struct smtp_answer *ret_answer)
{
	unsigned flags = ADDRESS_BARE;
	const char *mailbox;
	size_t mailbox_len;

	if (extensions & SMTP_EXT_SMTPUTF8)
		flags |= ADDRESS_UTF8;
	if (!skip_word(&argument, &len, "TO:")) {
		*ret_answer = smtp_answer(
		    501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]");
		return false;
	}
	if (!parse_path(&argument, &len, flags, &mailbox, &mailbox_len)) {
		*ret_answer =
		    smtp_answer(501, "5.1.3", "Bad recipient address");
		return false;
	}
	if (!smtp_parameters_parse_rcpt(argument, len, extensions, arena,
	                                &ret_recipient->params, ret_answer))
		return false;
	ret_recipient->address = arena_copy(arena, mailbox, mailbox_len);
	if (!ret_recipient->address) {
		*ret_answer = smtp_answer(452, "4.5.3", "Too many recipients");
		return false;
	}
	if (!is_smtputf8 && !is_ascii(ret_recipient->address)) {
		*ret_answer = smtp_answer(
		    553, "5.6.7", "This recipient address needs SMTPUTF8");
		return false;
	}
	return true;
}

/* Skips the word in front, whatever its case, and spaces behind it, which RFC
   5321 3.3 forbids but many send. */
static bool skip_word(const char **text, size_t *len, const char *word)
{
	size_t word_len = strlen(word);

	if (*len < word_len || strncasecmp(*text, word, word_len) != 0)
		return false;
	*text += word_len;
	*len -= word_len;
	while (*len > 0 && **text == ' ') {
		(*text)++;
		(*len)--;
	}
	return true;
}

/* A path, and the end or a space behind it. */
static bool parse_path(const char **text, size_t *len, unsigned flags,
                       const char **ret_mailbox, size_t *ret_mailbox_len)
{
	size_t used;

	if (address_parse_path(*text, *len, flags, ret_mailbox, ret_mailbox_len,
	                       &used) < 0)
		return false;
	*text += used;
	*len -= used;
	return *len == 0 || **text == ' ';
}

static bool is_ascii(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text > 127)
			return false;
	}
	return true;
}

/* RFC 3030 2: "BDAT" SP chunk-size [ SP "LAST" ] */
bool smtp_command_parse_bdat(const char *argument, size_t len,
                             uint64_t *ret_size_bytes, bool *ret_is_last,
                             struct smtp_answer *ret_answer)
{
	uint64_t size = 0;
	size_t i = 0;

	/* 18 digits always fit. */
	for (; i < len && i < 18 && argument[i] >= '0' && argument[i] <= '9';
	     i++)
		size = size * 10 + (uint64_t)(argument[i] - '0');
	if (i == 0 || (i < len && argument[i] != ' '))
		goto bad;
	while (i < len && argument[i] == ' ')
		i++;
	*ret_is_last =
	    len - i == 4 && strncasecmp(argument + i, "LAST", 4) == 0;
	if (i < len && !*ret_is_last)
		goto bad;
	*ret_size_bytes = size;
	return true;
bad:
	*ret_answer = smtp_answer(501, "5.5.4", "Syntax: BDAT octets [LAST]");
	return false;
}

bool smtp_command_parse_xkey(const char *argument, size_t len,
                             struct arena *arena, const char **ret_key,
                             struct smtp_answer *ret_answer)
{
	if (smtp_parameters_decode(argument, len, SMTP_KEY_MAX, arena, ret_key))
		return true;
	*ret_answer = smtp_answer(501, "5.5.4", "Syntax: XKEY key, as xtext");
	return false;
}
