#include "config.h"

#include "receive/authorship.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "address_list.h"
#include "header.h"
#include "pattern.h"
#include "settings.h"

/* Display names are shown in part; what is longer is looked at so far. */
#define NAME_MAX_OCTETS 1024

static const char *const author_fields[] = {
	"From", "Sender", "Resent-From", "Resent-Sender", NULL,
};

static bool is_field_allowed(const struct submitter_rule *rule,
                             const struct settings *settings,
                             const struct header_field *field);
static bool is_name_allowed(const struct submitter_rule *rule,
                            const struct settings *settings, const char *name,
                            size_t len);
static size_t decode_words(const char *text, size_t len, char *out);

bool authorship_is_allowed(const struct submitter_rule *rule,
                           const struct settings *settings, const char *sender)
{
	char whole[ADDRESS_SIZE + ADDRESS_DOMAIN_MAX + 2];
	size_t i;

	if (rule->senders.count == 0 || *sender == '\0')
		return true;
	/* A bare name gets our domain later, and counts as that now. */
	if (address_domain(sender) == NULL) {
		(void)snprintf(whole, sizeof(whole), "%s@%s", sender,
		               settings->domain);
		sender = whole;
	}
	for (i = 0; i < rule->senders.count; i++)
		if (pattern_matches_address(rule->senders.word[i], sender))
			return true;
	return false;
}

bool authorship_check_header(const struct submitter_rule *rule,
                             const struct settings *settings,
                             const char *header, size_t len,
                             struct smtp_answer *ret_answer)
{
	struct header_walk walk;
	struct header_field field;

	if (rule->senders.count == 0)
		return true;
	header_walk_init(&walk, header, len);
	while (header_walk_next(&walk, &field)) {
		if (!header_field_is_any(&field, author_fields) ||
		    is_field_allowed(rule, settings, &field))
			continue;
		*ret_answer = smtp_answer(
		    550, "5.7.1",
		    "You may not send under this From or Sender; see "
		    "`submitters` in relais.yaml(5)");
		return false;
	}
	return true;
}

/* What can't be read as addresses may be read as another's by somebody. */
static bool is_field_allowed(const struct submitter_rule *rule,
                             const struct settings *settings,
                             const struct header_field *field)
{
	struct address_list list;
	unsigned count = 0;
	int r;

	address_list_init(&list, field->body, field->body_len,
	                  ADDRESS_UTF8 | ADDRESS_BARE);
	while ((r = address_list_next(&list)) == 0) {
		count++;
		if (!authorship_is_allowed(rule, settings, list.mailbox) ||
		    !is_name_allowed(rule, settings, list.name, list.name_len))
			return false;
	}
	return r == -ENOENT && count > 0;
}

/* ----------------------------------------------------------- display names */

static bool is_local_octet(char c)
{
	return isalnum((unsigned char)c) || (c & 0x80) != 0 ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

static bool is_domain_octet(char c)
{
	return isalnum((unsigned char)c) || (c & 0x80) != 0 || c == '-' ||
	       c == '.';
}

/* Each thing around an "@" that a reader would take for an address. */
static bool is_name_allowed(const struct submitter_rule *rule,
                            const struct settings *settings, const char *name,
                            size_t len)
{
	char text[NAME_MAX_OCTETS + 1], shown[NAME_MAX_OCTETS + 1];
	const char *at;

	if (len > NAME_MAX_OCTETS)
		len = NAME_MAX_OCTETS;
	text[decode_words(name, len, text)] = '\0';
	for (at = strchr(text, '@'); at != NULL; at = strchr(at + 1, '@')) {
		const char *start = at, *end = at + 1;

		while (start > text && is_local_octet(start[-1]))
			start--;
		while (is_domain_octet(*end))
			end++;
		while (end > at + 1 && end[-1] == '.')
			end--;
		if (start == at || end == at + 1)
			continue;
		(void)snprintf(shown, sizeof(shown), "%.*s", (int)(end - start),
		               start);
		if (!authorship_is_allowed(rule, settings, shown))
			return false;
	}
	return true;
}

static int digit_of(char c, int base)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char hex[] = "0123456789ABCDEF";
	const char *found;

	if (c == '\0')
		return -1;
	found = base == 64 ? strchr(base64, c)
	                   : strchr(hex, toupper((unsigned char)c));
	if (found == NULL)
		return -1;
	return (int)(found - (base == 64 ? base64 : hex));
}

static size_t decode_q(const char *text, size_t len, char *out)
{
	size_t i, used = 0;

	for (i = 0; i < len; i++) {
		int high = -1, low = -1;

		if (text[i] == '=' && i + 2 < len) {
			high = digit_of(text[i + 1], 16);
			low = digit_of(text[i + 2], 16);
		}
		if (high >= 0 && low >= 0) {
			out[used++] = (char)(high * 16 + low);
			i += 2;
		} else {
			out[used++] = text[i] == '_' ? ' ' : text[i];
		}
	}
	return used;
}

static size_t decode_b(const char *text, size_t len, char *out)
{
	unsigned bits = 0, count = 0;
	size_t i, used = 0;

	for (i = 0; i < len; i++) {
		int digit = digit_of(text[i], 64);

		if (digit < 0)
			continue;
		bits = (bits << 6 | (unsigned)digit) & 0xffff;
		count += 6;
		if (count >= 8) {
			count -= 8;
			out[used++] = (char)(bits >> count & 0xff);
		}
	}
	return used;
}

/* RFC 2047: "=?charset?B|Q?text?="; the octets of the text, 0 if it is none. */
static size_t decode_word(const char *text, size_t len, char *out,
                          size_t *ret_used)
{
	const char *end = text + len, *encoding, *content, *stop;

	*ret_used = 0;
	if (len < 8 || memcmp(text, "=?", 2) != 0)
		return 0;
	encoding = memchr(text + 2, '?', len - 2);
	if (encoding == NULL || end - encoding < 5 || encoding[2] != '?')
		return 0;
	content = encoding + 3;
	for (stop = content; stop + 1 < end; stop++)
		if (stop[0] == '?' && stop[1] == '=')
			break;
	if (stop + 1 >= end)
		return 0;
	*ret_used = (size_t)(stop + 2 - text);
	return toupper((unsigned char)encoding[1]) == 'B'
	           ? decode_b(content, (size_t)(stop - content), out)
	           : decode_q(content, (size_t)(stop - content), out);
}

/* No encoded word is shorter than what it stands for. Quoting marks and NULs
 * go, and so does the space between two encoded words (RFC 2047 6.2). */
static size_t decode_words(const char *text, size_t len, char *out)
{
	size_t i = 0, used = 0, kept = 0, skipped, word;
	bool was_word = false;

	while (i < len) {
		word = decode_word(text + i, len - i, out + used, &skipped);
		if (skipped > 0) {
			if (was_word)
				(void)memmove(out + kept, out + used, word);
			used = (was_word ? kept : used) + word;
			kept = used;
			was_word = true;
			i += skipped;
			continue;
		}
		if (text[i] != '\\' && text[i] != '"')
			out[used++] = text[i];
		if (!isspace((unsigned char)text[i]))
			was_word = false;
		i++;
	}
	for (i = word = 0; i < used; i++)
		if (out[i] != '\0')
			out[word++] = out[i];
	return word;
}
