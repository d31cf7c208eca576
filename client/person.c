#include "config.h"

#include "person.h"

#include <ctype.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "address.h"

/* RFC 2047 2: an encoded word has at most 75 characters. 12 are its frame, and
   an octet is at most 3. */
#define ENCODED_OCTETS 21

static void copy_full_name(struct person *person, const char *gecos);
static int append_quoted(struct buffer *out, const char *name);
static int append_encoded(struct buffer *out, const char *name, size_t len);

void person_look_up(struct person *person)
{
	const struct passwd *entry = getpwuid(geteuid());

	(void)snprintf(person->login, sizeof(person->login), "uid%lu",
	               (unsigned long)geteuid());
	person->full_name[0] = '\0';
	if (!entry)
		return;
	if (strlen(entry->pw_name) < sizeof(person->login) &&
	    address_check(entry->pw_name, strlen(entry->pw_name),
	                  ADDRESS_BARE) == 0)
		memcpy(person->login, entry->pw_name,
		       strlen(entry->pw_name) + 1);
	copy_full_name(person, entry->pw_gecos ? entry->pw_gecos : "");
}

/* Up to the first comma; & stands for the login name, capitalised. */
static void copy_full_name(struct person *person, const char *gecos)
{
	char *out = person->full_name;
	const size_t room = sizeof(person->full_name) - 1;
	size_t len = 0;

	for (; *gecos && *gecos != ','; gecos++) {
		size_t part = *gecos == '&' ? strlen(person->login) : 1;

		if (part > room - len) {
			/* Half a name is none. */
			len = 0;
			break;
		}
		memcpy(out + len, *gecos == '&' ? person->login : gecos, part);
		if (*gecos == '&' && out[len] >= 'a' && out[len] <= 'z')
			out[len] = (char)(out[len] - 'a' + 'A');
		len += part;
	}
	out[len] = '\0';
}

int person_append_from(struct buffer *out, const char *name,
                       const char *address)
{
	size_t len = strlen(name);
	bool is_ascii = true;
	int r;

	for (size_t i = 0; i < len; i++)
		is_ascii = is_ascii && (unsigned char)name[i] < 128;
	r = buffer_append_string(out, "From: ");
	if (r == 0 && len > 0 && is_ascii)
		r = append_quoted(out, name);
	else if (r == 0 && len > 0 && address_is_utf8(name, len))
		r = append_encoded(out, name, len);
	if (r == 0)
		r = buffer_appendf(out, "<%s>\r\n", address);
	return r;
}

/* A quoted-string, or the atoms themselves; control characters are left out. */
static int append_quoted(struct buffer *out, const char *name)
{
	bool needs_quotes = strpbrk(name, "()<>[]:;@\\,.\"") != NULL;
	int r = 0;

	if (needs_quotes)
		r = buffer_append_string(out, "\"");
	for (; *name && r == 0; name++) {
		if ((unsigned char)*name < ' ' || *name == 127)
			continue;
		if (*name == '"' || *name == '\\')
			r = buffer_append_string(out, "\\");
		if (r == 0)
			r = buffer_append(out, name, 1);
	}
	if (r == 0)
		r = buffer_append_string(out, needs_quotes ? "\" " : " ");
	return r;
}

/* Words of whole characters, each on a line of its own. */
static int append_encoded(struct buffer *out, const char *name, size_t len)
{
	size_t at = 0;
	int r = 0;

	while (at < len && r == 0) {
		size_t end =
		    at + ENCODED_OCTETS < len ? at + ENCODED_OCTETS : len;

		while (end < len && ((unsigned char)name[end] & 0xc0) == 0x80)
			end--;
		r = buffer_append_string(out, "=?UTF-8?Q?");
		for (; at < end && r == 0; at++) {
			unsigned char c = (unsigned char)name[at];

			if (c == ' ')
				r = buffer_append_string(out, "_");
			else if (c < 128 && isalnum(c))
				r = buffer_append(out, &c, 1);
			else
				r = buffer_appendf(out, "=%02X", c);
		}
		if (r == 0)
			r = buffer_append_string(out,
			                         at < len ? "?=\r\n " : "?= ");
	}
	return r;
}
