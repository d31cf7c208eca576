/*
 * relay_url - `smtp+starttls://user@host:587`, taken apart
 */
#include "config.h"

#include "relay_url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/xalloc.h"
#include "settings_value.h"

struct scheme {
	const char *prefix;
	enum relay_kind kind;
	bool has_security;
	enum relay_security security;
};

static const struct scheme schemes[] = {
	{ "smtp://", RELAY_SMTP, false, RELAY_CLEAR },
	{ "smtp+starttls://", RELAY_SMTP, true, RELAY_STARTTLS },
	{ "smtps://", RELAY_SMTP, true, RELAY_TLS },
	{ "lmtp://", RELAY_LMTP, false, RELAY_CLEAR },
	{ "maildir:", RELAY_MAILDIR, false, RELAY_CLEAR },
	{ "direct:", RELAY_DIRECT, false, RELAY_CLEAR },
};

static const char *parse_rest(struct relay_url *url, const char *rest);
static const char *parse_login(struct relay_url *url, const char *login,
                               size_t len);
static const char *parse_host(struct relay_url *url, const char *rest);
static const char *parse_port(struct relay_url *url, const char *text);
static char *unescape(const char *text, size_t len);
static int hex_digit(char c);

int relay_url_parse(struct relay_url *ret, const char *text,
                    const char **ret_problem)
{
	struct relay_url url = { 0 };
	const char *problem = NULL;
	size_t i, len;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		len = strlen(schemes[i].prefix);
		if (strncmp(text, schemes[i].prefix, len) == 0)
			break;
	}
	if (i == sizeof(schemes) / sizeof(schemes[0])) {
		*ret_problem = "does not start with smtp://, smtp+starttls://, "
			       "smtps://, lmtp://, maildir: or direct:";
		return -EINVAL;
	}
	url.kind = schemes[i].kind;
	url.has_security = schemes[i].has_security;
	url.security = schemes[i].security;
	problem = parse_rest(&url, text + len);
	if (problem) {
		relay_url_done(&url);
		*ret_problem = problem;
		return -EINVAL;
	}
	*ret = url;
	return 0;
}

void relay_url_done(struct relay_url *url)
{
	if (url->password)
		explicit_bzero(url->password, strlen(url->password));
	free(url->password);
	free(url->username);
	free(url->host);
	free(url->path);
	memset(url, 0, sizeof(*url));
}

static const char *parse_rest(struct relay_url *url, const char *rest)
{
	const char *at;

	if (url->kind == RELAY_DIRECT)
		return *rest ? "has something after direct:" : NULL;
	if (url->kind == RELAY_MAILDIR ||
	    (url->kind == RELAY_LMTP && *rest == '/')) {
		if (rest[0] != '/' || rest[1] == '\0')
			return "needs the full path of a folder, as in "
			       "maildir:/var/lib/relais/captured";
		url->path = xstrdup(rest);
		return NULL;
	}
	at = strrchr(rest, '@');
	if (at) {
		const char *problem =
		    parse_login(url, rest, (size_t)(at - rest));

		if (problem)
			return problem;
		rest = at + 1;
	}
	return parse_host(url, rest);
}

static const char *parse_login(struct relay_url *url, const char *login,
                               size_t len)
{
	const char *colon = memchr(login, ':', len);
	size_t user_len = colon ? (size_t)(colon - login) : len;

	if (user_len == 0)
		return "has no user name before the `@`";
	url->username = unescape(login, user_len);
	if (colon)
		url->password = unescape(colon + 1, len - user_len - 1);
	if (!url->username || (colon && !url->password))
		return "has a `%` that is not followed by two hex digits "
		       "(write `%` itself as %25)";
	return NULL;
}

static const char *parse_host(struct relay_url *url, const char *rest)
{
	size_t len = strcspn(rest, ":/?#");
	bool is_bracketed = *rest == '[';
	const char *start = rest, *end;
	unsigned char bytes[16];

	if (is_bracketed) {
		end = strchr(rest, ']');
		if (!end)
			return "has a `[` without a `]`";
		start = rest + 1;
		len = (size_t)(end - start);
		rest = end + 1;
	} else {
		rest += len;
	}
	url->host = xmalloc(len + 1);
	memcpy(url->host, start, len);
	url->host[len] = '\0';
	if (is_bracketed) {
		if (inet_pton(AF_INET6, url->host, bytes) != 1 &&
		    inet_pton(AF_INET, url->host, bytes) != 1)
			return "has no IP address between its brackets";
	} else if (len == 0) {
		return "names no host";
	} else if (!settings_value_is_host(url->host)) {
		return "has a host name with characters other than letters, "
		       "digits, `-` and `.` (international names are written "
		       "in their xn-- form)";
	}
	if (*rest == ':') {
		const char *problem = parse_port(url, rest + 1);

		if (problem)
			return problem;
		rest += 1 + strspn(rest + 1, "0123456789");
	}
	if (*rest != '\0' && strcmp(rest, "/") != 0)
		return "has something after host and port";
	return NULL;
}

static const char *parse_port(struct relay_url *url, const char *text)
{
	size_t len = strspn(text, "0123456789");
	unsigned long port = 0;
	size_t i;

	for (i = 0; i < len && port <= UINT16_MAX; i++)
		port = port * 10 + (unsigned long)(text[i] - '0');
	if (port == 0 || port > UINT16_MAX)
		return "has a port that is not 1 to 65535";
	url->port = (uint16_t)port;
	return NULL;
}

/* NULL for a wrong escape, or one that hides a NUL. */
static char *unescape(const char *text, size_t len)
{
	char *plain = xmalloc(len + 1);
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		int high, low;

		if (text[i] != '%') {
			plain[n++] = text[i];
			continue;
		}
		high = i + 1 < len ? hex_digit(text[i + 1]) : -1;
		low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
		if (high < 0 || low < 0 || high + low == 0) {
			explicit_bzero(plain, n);
			free(plain);
			return NULL;
		}
		plain[n++] = (char)(high * 16 + low);
		i += 2;
	}
	plain[n] = '\0';
	return plain;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found;

	if (c >= 'A' && c <= 'F')
		c = (char)(c - 'A' + 'a');
	found = c ? strchr(digits, c) : NULL;
	return found ? (int)(found - digits) : -1;
}
