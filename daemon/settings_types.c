/*
 * settings_types - how the words, names and switches of settings are read
 *
 * Each message says what the value is, and what was expected; a value that
 * may be a secret is never repeated.
 */
#include "config.h"

#include <arpa/inet.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "runtime/xalloc.h"
#include "settings_table.h"
#include "settings_value.h"

#define VALUE_SHOWN_MAX 80
#define NSS_BUFFER_SIZE 65536

static void set_text(char **field, const char *text);
static bool has_control(const char *text);

static void read_boolean(struct settings_reader *reader,
                         const struct settings_key *key,
                         const struct settings_node *node, void *field)
{
	const char *text = settings_reader_text(reader, key, node, "on or off");

	if (!text || settings_value_boolean(text, field) == 0)
		return;
	if (strcasecmp(text, "yes") == 0 || strcasecmp(text, "no") == 0)
		settings_reader_error(
		    reader, key, node, "`%s` is not used here; expected `%s`",
		    text, strcasecmp(text, "yes") == 0 ? "on" : "off");
	else
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` is no boolean; expected on, off, true or false",
		    VALUE_SHOWN_MAX, text);
}

const struct settings_type settings_type_boolean = { "on | off", read_boolean };

static void read_text(struct settings_reader *reader,
                      const struct settings_key *key,
                      const struct settings_node *node, void *field)
{
	const char *text = settings_reader_text(reader, key, node, "a text");

	if (!text)
		return;
	if (has_control(text))
		settings_reader_error(
		    reader, key, node,
		    "contains a line end or control character");
	else
		set_text(field, text);
}

const struct settings_type settings_type_text = { "text", read_text };

static void read_secret(struct settings_reader *reader,
                        const struct settings_key *key,
                        const struct settings_node *node, void *field)
{
	reader->has_secret = true;
	read_text(reader, key, node, field);
}

const struct settings_type settings_type_secret = { "secret", read_secret };

static void read_name(struct settings_reader *reader,
                      const struct settings_key *key,
                      const struct settings_node *node, void *field)
{
	const char *text = settings_reader_text(reader, key, node, "a name");

	if (!text)
		return;
	if (*text == '\0' || has_control(text) || strpbrk(text, "/ "))
		settings_reader_error(reader, key, node,
		                      "`%.*s` is no name; expected one word",
		                      VALUE_SHOWN_MAX, text);
	else
		set_text(field, text);
}

const struct settings_type settings_type_name = { "name", read_name };

static void read_ehlo_name(struct settings_reader *reader,
                           const struct settings_key *key,
                           const struct settings_node *node, void *field)
{
	const char *text =
	    settings_reader_text(reader, key, node, "a host name");

	if (!text)
		return;
	if (!settings_value_is_ehlo_name(text))
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` is no host name; expected letters, digits, `-` "
		    "and dots, or an address in brackets",
		    VALUE_SHOWN_MAX, text);
	else
		set_text(field, text);
}

const struct settings_type settings_type_ehlo_name = { "host name",
	                                               read_ehlo_name };

static void read_host(struct settings_reader *reader,
                      const struct settings_key *key,
                      const struct settings_node *node, void *field)
{
	const char *text =
	    settings_reader_text(reader, key, node, "a host name");
	unsigned char address[16];

	if (!text)
		return;
	if (!settings_value_is_host(text) &&
	    inet_pton(AF_INET6, text, address) != 1)
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` is no host; expected a name or an IP address, "
		    "without a port",
		    VALUE_SHOWN_MAX, text);
	else
		set_text(field, text);
}

const struct settings_type settings_type_host = { "host", read_host };

static void read_address(struct settings_reader *reader,
                         const struct settings_key *key,
                         const struct settings_node *node, void *field)
{
	const char *text =
	    settings_reader_text(reader, key, node, "an address");

	if (!text)
		return;
	if (address_check(text, strlen(text), ADDRESS_UTF8) < 0)
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` is no address; expected one like user@example.com",
		    VALUE_SHOWN_MAX, text);
	else
		set_text(field, text);
}

const struct settings_type settings_type_address = { "address", read_address };

/* bounces.to and bounces.from: their defaults are words, stored as NULL. */
static void read_sender(struct settings_reader *reader,
                        const struct settings_key *key,
                        const struct settings_node *node, void *field)
{
	const char *text =
	    settings_reader_text(reader, key, node, "an address");

	if (!text)
		return;
	if (strcmp(key->initial, text) == 0 ||
	    (strcmp(text, "<>") == 0 && strstr(key->initial, "<>")))
		set_text(field, NULL);
	else
		read_address(reader, key, node, field);
}

const struct settings_type settings_type_sender = { "address", read_sender };

static void read_path(struct settings_reader *reader,
                      const struct settings_key *key,
                      const struct settings_node *node, void *field)
{
	const char *text =
	    settings_reader_text(reader, key, node, "a full path");

	if (!text)
		return;
	if (text[0] != '/' || has_control(text))
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` is no full path; expected one that starts with /",
		    VALUE_SHOWN_MAX, text);
	else
		set_text(field, text);
}

const struct settings_type settings_type_path = { "path", read_path };

/* A relative one starts where the settings file is. */
static void read_file(struct settings_reader *reader,
                      const struct settings_key *key,
                      const struct settings_node *node, void *field)
{
	const char *text = settings_reader_text(reader, key, node, "a path");
	char *path;

	if (!text)
		return;
	if (text[0] == '\0' || has_control(text)) {
		settings_reader_error(reader, key, node, "is no path");
		return;
	}
	if (text[0] == '/')
		path = xstrdup(text);
	else
		path = xasprintf("%s/%s", reader->directory, text);
	set_text(field, path);
	free(path);
}

const struct settings_type settings_type_file = { "file", read_file };

/* RFC 8414 3 and others want TLS wherever tokens pass. */
static void read_https_url(struct settings_reader *reader,
                           const struct settings_key *key,
                           const struct settings_node *node, void *field)
{
	static const char start[] = "https://";
	const char *text = settings_reader_text(reader, key, node, "an URL");
	const char *c = text;

	if (!text)
		return;
	while (*c > ' ' && *c < 0x7f && !strchr("\"#<>@\\^`{|}", *c))
		c++;
	if (strncmp(text, start, strlen(start)) != 0 || *c ||
	    strcspn(text + strlen(start), "/?:") == 0)
		settings_reader_error(
		    reader, key, node,
		    "`%.*s` is no URL; expected https://HOST/PATH",
		    VALUE_SHOWN_MAX, text);
	else
		set_text(field, text);
}

const struct settings_type settings_type_https_url = { "URL", read_https_url };

/* All enums are stored as unsigned int. */
static void read_choice(struct settings_reader *reader,
                        const struct settings_key *key,
                        const struct settings_node *node, void *field)
{
	const struct settings_choice *choice;
	char list[128] = "";
	const char *text;

	for (choice = key->choices; choice->word; choice++) {
		if (choice > key->choices)
			strcat(list, choice[1].word ? ", " : " or ");
		strcat(list, choice->word);
	}
	text = settings_reader_text(reader, key, node, list);
	if (!text)
		return;
	for (choice = key->choices; choice->word; choice++) {
		if (strcmp(choice->word, text) != 0)
			continue;
		*(unsigned *)field = choice->value;
		return;
	}
	settings_reader_error(reader, key, node,
	                      "`%.*s` is unknown; expected %s", VALUE_SHOWN_MAX,
	                      text, list);
}

const struct settings_type settings_type_choice = { "choice", read_choice };

/*
 * Who does not exist (yet) never submits, so the rule just never fits:
 * the user may belong to a package that is installed tomorrow.
 */
static void read_user(struct settings_reader *reader,
                      const struct settings_key *key,
                      const struct settings_node *node, void *field)
{
	const char *text = settings_reader_text(reader, key, node, "a user");
	struct passwd entry, *found = NULL;
	uint64_t number;
	char *buffer;

	if (!text)
		return;
	if (settings_value_count(text, &number) == 0 && number < UINT32_MAX) {
		*(uid_t *)field = (uid_t)number;
		return;
	}
	buffer = xmalloc(NSS_BUFFER_SIZE);
	(void)getpwnam_r(text, &entry, buffer, NSS_BUFFER_SIZE, &found);
	if (!found)
		settings_reader_warn(reader, key, node,
		                     "there is no user `%.*s` on this host",
		                     VALUE_SHOWN_MAX, text);
	*(uid_t *)field = found ? found->pw_uid : (uid_t)-1;
	free(buffer);
}

const struct settings_type settings_type_user = { "user", read_user };

static void read_group(struct settings_reader *reader,
                       const struct settings_key *key,
                       const struct settings_node *node, void *field)
{
	const char *text = settings_reader_text(reader, key, node, "a group");
	struct group entry, *found = NULL;
	uint64_t number;
	char *buffer;

	if (!text)
		return;
	if (settings_value_count(text, &number) == 0 && number < UINT32_MAX) {
		*(gid_t *)field = (gid_t)number;
		return;
	}
	buffer = xmalloc(NSS_BUFFER_SIZE);
	(void)getgrnam_r(text, &entry, buffer, NSS_BUFFER_SIZE, &found);
	if (!found)
		settings_reader_warn(reader, key, node,
		                     "there is no group `%.*s` on this host",
		                     VALUE_SHOWN_MAX, text);
	*(gid_t *)field = found ? found->gr_gid : (gid_t)-1;
	free(buffer);
}

const struct settings_type settings_type_group = { "group", read_group };

/* Replaces what was there, which may be a secret. */
static void set_text(char **field, const char *text)
{
	if (*field)
		explicit_bzero(*field, strlen(*field));
	free(*field);
	*field = text ? xstrdup(text) : NULL;
}

static bool has_control(const char *text)
{
	const unsigned char *p;

	for (p = (const unsigned char *)text; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			return true;
	return false;
}
