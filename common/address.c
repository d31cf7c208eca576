#include "config.h"

#include "address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define LABEL_MAX 63

static int check_bytes(const char *text, size_t len, unsigned flags);
static size_t local_part_len(const char *text, size_t len);
static bool is_domain(const char *text, size_t len);
static bool is_address_literal(const char *text, size_t len);
static bool skip_source_route(const char *text, size_t len, size_t *at);
static size_t canonical_quoted(const char *local, size_t len, char *out);

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z');
}

/* Part of a character beyond ASCII; check_bytes() has seen that it is whole. */
static bool is_beyond_ascii(char c)
{
	return (unsigned char)c >= 128;
}

/* RFC 5322 3.2.3 and RFC 6532 3.2 */
static bool is_atext(char c)
{
	return is_alnum(c) || is_beyond_ascii(c) ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

int address_check(const char *text, size_t len, unsigned flags)
{
	size_t local_len;
	size_t domain_len;
	int r;

	if (len >= ADDRESS_SIZE)
		return -EMSGSIZE;
	r = check_bytes(text, len, flags);
	if (r < 0)
		return r;
	local_len = local_part_len(text, len);
	if (local_len == 0)
		return -EINVAL;
	if (local_len > ADDRESS_LOCAL_MAX)
		return -EMSGSIZE;
	if (local_len == len)
		return flags & ADDRESS_BARE ? 0 : -EINVAL;
	if (text[local_len] != '@')
		return -EINVAL;
	domain_len = len - local_len - 1;
	if (domain_len > ADDRESS_DOMAIN_MAX)
		return -EMSGSIZE;
	if (!is_domain(text + local_len + 1, domain_len) &&
	    !is_address_literal(text + local_len + 1, domain_len))
		return -EINVAL;
	return 0;
}

/* The length of the UTF-8 character at the start of text; 0: there is none. */
static size_t utf8_len(const unsigned char *text, size_t len)
{
	unsigned char second;
	size_t n;

	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		n = 2;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		n = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Not: longer forms than needed, surrogates, beyond U+10FFFF, and the
	   control characters U+0080 to U+009F. */
	second = text[1];
	if ((text[0] == 0xe0 && second < 0xa0) ||
	    (text[0] == 0xed && second > 0x9f) ||
	    (text[0] == 0xf0 && second < 0x90) ||
	    (text[0] == 0xf4 && second > 0x8f) ||
	    (text[0] == 0xc2 && second < 0xa0))
		return 0;
	return n;
}

static int check_bytes(const char *text, size_t len, unsigned flags)
{
	for (size_t i = 0; i < len;) {
		const unsigned char *at = (const unsigned char *)text + i;
		size_t n;

		if (*at < ' ' || *at == 127)
			return -EINVAL;
		n = *at < 128 ? 1 : utf8_len(at, len - i);
		if (n == 0 || (n > 1 && !(flags & ADDRESS_UTF8)))
			return -EILSEQ;
		i += n;
	}
	return 0;
}

bool address_is_utf8(const char *text, size_t len)
{
	return check_bytes(text, len, ADDRESS_UTF8) == 0;
}

/* RFC 5321 4.1.2: Dot-string or Quoted-string; 0 if it is neither. */
static size_t local_part_len(const char *text, size_t len)
{
	size_t i = 0;

	if (len > 0 && text[0] == '"') {
		for (i = 1; i < len && text[i] != '"'; i++) {
			if (text[i] == '\\' && ++i == len)
				return 0;
		}
		return i < len ? i + 1 : 0;
	}
	for (;;) {
		size_t atom_start = i;

		while (i < len && is_atext(text[i]))
			i++;
		if (i == atom_start)
			return 0;
		if (i == len || text[i] != '.')
			return i;
		i++;
	}
}

/* Labels of letters, digits, inner hyphens, and underscores, which are none of
   RFC 5321 but are in the names of hosts. */
static bool is_domain(const char *text, size_t len)
{
	size_t start = 0;
	bool is_ascii = true;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && text[i] != '.') {
			if (is_beyond_ascii(text[i]))
				is_ascii = false;
			else if (!is_alnum(text[i]) && text[i] != '-' &&
			         text[i] != '_')
				return false;
			continue;
		}
		/* The limit of other labels is that of their A-label. */
		if (i == start || (is_ascii && i - start > LABEL_MAX))
			return false;
		if (text[start] == '-' || text[i - 1] == '-')
			return false;
		start = i + 1;
		is_ascii = true;
	}
	return true;
}

/* RFC 5321 4.1.3: [192.0.2.1] or [IPv6:2001:db8::1] */
static bool is_address_literal(const char *text, size_t len)
{
	static const char tag[] = "IPv6:";
	char host[INET6_ADDRSTRLEN];
	struct in6_addr address;
	int family = AF_INET;

	if (len < 2 || text[0] != '[' || text[len - 1] != ']')
		return false;
	text++;
	len -= 2;
	if (len > strlen(tag) && strncasecmp(text, tag, strlen(tag)) == 0) {
		family = AF_INET6;
		text += strlen(tag);
		len -= strlen(tag);
	}
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	return inet_pton(family, host, &address) == 1;
}

int address_parse_path(const char *text, size_t len, unsigned flags,
                       const char **ret_mailbox, size_t *ret_mailbox_len,
                       size_t *ret_used)
{
	size_t start = 1;
	size_t end;
	bool is_quoted = false;
	int r;

	if (len < 2 || text[0] != '<')
		return -EINVAL;
	if (!skip_source_route(text, len, &start))
		return -EINVAL;
	for (end = start; end < len && (is_quoted || text[end] != '>'); end++) {
		if (text[end] == '"')
			is_quoted = !is_quoted;
		else if (text[end] == '\\' && is_quoted && end + 1 < len)
			end++;
	}
	if (end >= len)
		return -EINVAL;
	if (end == 1 && (flags & ADDRESS_NULL))
		r = 0;
	else
		r = address_check(text + start, end - start, flags);
	if (r < 0)
		return r;
	*ret_mailbox = text + start;
	*ret_mailbox_len = end - start;
	*ret_used = end + 1;
	return 0;
}

/* A-d-l: "@" domain *("," "@" domain) ":"; no route is well, too. */
static bool skip_source_route(const char *text, size_t len, size_t *at)
{
	size_t i = *at;

	if (i >= len || text[i] != '@')
		return true;
	for (;;) {
		size_t start = ++i;
		bool is_literal = i < len && text[i] == '[';

		while (i < len && text[i] != ',' && text[i] != '>' &&
		       (is_literal || text[i] != ':')) {
			if (text[i] == ']')
				is_literal = false;
			i++;
		}
		if (i >= len || text[i] == '>' ||
		    (!is_domain(text + start, i - start) &&
		     !is_address_literal(text + start, i - start)))
			return false;
		if (text[i++] == ':')
			break;
		if (i >= len || text[i] != '@')
			return false;
	}
	*at = i;
	return true;
}

size_t address_local_len(const char *mailbox)
{
	return local_part_len(mailbox, strlen(mailbox));
}

const char *address_domain(const char *mailbox)
{
	size_t local_len = address_local_len(mailbox);

	return mailbox[local_len] == '@' ? mailbox + local_len + 1 : NULL;
}

void address_canonical(const char *mailbox, char out[ADDRESS_SIZE])
{
	size_t local_len = address_local_len(mailbox);
	size_t n = local_len;

	assert(strlen(mailbox) < ADDRESS_SIZE);
	if (mailbox[0] == '"')
		n = canonical_quoted(mailbox, local_len, out);
	else
		memcpy(out, mailbox, local_len);
	for (const char *at = mailbox + local_len; *at; at++)
		out[n++] = *at >= 'A' && *at <= 'Z' ? (char)(*at + 32) : *at;
	out[n] = '\0';
}

/* RFC 5321 4.1.2: quotes and backslashes are no part of the meaning. */
static size_t canonical_quoted(const char *local, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 1; i + 1 < len; i++) {
		if (local[i] == '\\')
			i++;
		out[n++] = local[i];
	}
	if (n > 0 && out[0] != '"' && local_part_len(out, n) == n)
		return n;

	n = 0;
	out[n++] = '"';
	for (size_t i = 1; i + 1 < len; i++) {
		if (local[i] == '\\')
			i++;
		if (local[i] == '\\' || local[i] == '"')
			out[n++] = '\\';
		out[n++] = local[i];
	}
	out[n++] = '"';
	return n;
}

bool address_is_same(const char *mailbox, const char *other)
{
	char one[ADDRESS_SIZE];
	char two[ADDRESS_SIZE];

	address_canonical(mailbox, one);
	address_canonical(other, two);
	return strcmp(one, two) == 0;
}
