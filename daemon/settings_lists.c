/*
 * settings_lists - how the lists and maps of settings are read
 */
#include "config.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "aliases.h"
#include "command_helper.h"
#include "runtime/xalloc.h"
#include "settings_table.h"
#include "settings_value.h"
#include "template_word.h"

static void add_word(struct settings_words *words, const char *word);
static bool is_map(struct settings_reader *reader,
                   const struct settings_key *key,
                   const struct settings_node *node, const char *expected);
static bool is_server(const char *text);
static bool is_header_name(const char *text);
static bool is_ours(const char *name);

/* A list of words, or a single one. */
static void read_words(struct settings_reader *reader,
                       const struct settings_key *key,
                       const struct settings_node *node, void *field)
{
	struct settings_words *words = field;
	const struct settings_node *item = node;
	const char *text;

	settings_words_done(words);
	if (node->kind == SETTINGS_NODE_SEQUENCE)
		item = node->first;
	for (; item; item = item->next) {
		text =
		    settings_reader_text(reader, key, item, "a list of words");
		if (text && *text)
			add_word(words, text);
		else if (text)
			settings_reader_error(reader, key, item, "is empty");
		if (item == node)
			break;
	}
}

const struct settings_type settings_type_words = { "list", read_words };

static void read_command(struct settings_reader *reader,
                         const struct settings_key *key,
                         const struct settings_node *node, void *field)
{
	struct settings_words *words = field;
	size_t size = 0, i;

	if (!settings_reader_is_list(
		reader, key, node,
		"a list of words, as in [/usr/bin/pass, show, relay]"))
		return;
	read_words(reader, key, node, field);
	if (words->count == 0 || words->word[0][0] != '/')
		settings_reader_error(
		    reader, key, node,
		    "expected the program's full path as first word");
	for (i = 0; i < words->count; i++)
		size += strlen(words->word[i]) + 1;
	if (size > COMMAND_WORDS_MAX)
		settings_reader_error(reader, key, node,
		                      "is longer than %d bytes",
		                      COMMAND_WORDS_MAX);
}

const struct settings_type settings_type_command = { "command", read_command };

static void read_rates(struct settings_reader *reader,
                       const struct settings_key *key,
                       const struct settings_node *node, void *field)
{
	struct relay_limits *limits =
	    (struct relay_limits *)((char *)field -
	                            offsetof(struct relay_limits, rates));
	const struct settings_node *item = node;

	if (node->kind == SETTINGS_NODE_SEQUENCE)
		item = node->first;
	limits->rate_count = 0;
	for (; item; item = item->next) {
		struct settings_rate rate = { 0, 0 };

		settings_type_rate.read(reader, key, item, &rate);
		if (limits->rate_count == SETTINGS_RATES_MAX) {
			settings_reader_error(
			    reader, key, item,
			    "is one rate too many; expected at most %d",
			    SETTINGS_RATES_MAX);
			return;
		}
		if (rate.count > 0)
			limits->rates[limits->rate_count++] = rate;
		if (item == node)
			break;
	}
}

const struct settings_type settings_type_rates = { "rate", read_rates };

static void read_servers(struct settings_reader *reader,
                         const struct settings_key *key,
                         const struct settings_node *node, void *field)
{
	struct settings_words *words = field;
	size_t i;

	read_words(reader, key, node, field);
	for (i = 0; i < words->count; i++)
		if (!is_server(words->word[i]))
			settings_reader_error(
			    reader, key, node,
			    "`%.80s` is no server; expected ADDRESS, "
			    "ADDRESS:PORT or [IPV6]:PORT",
			    words->word[i]);
}

const struct settings_type settings_type_servers = { "list", read_servers };

/* It may be meant as it is, and then goes as it is. */
static void warn_of_unknown_words(struct settings_reader *reader,
                                  const struct settings_key *key,
                                  const struct settings_node *node,
                                  const char *template)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_-";
	const char *at = template;

	while ((at = strchr(at, '{'))) {
		size_t len = strspn(++at, letters);

		if (len == 0 || at[len] != '}' ||
		    template_word_find(at, len) != TEMPLATE_WORDS)
			continue;
		settings_errors_warn(
		    reader->errors, &node->place,
		    "%s%s.%s: `{%.*s}` is not replaced; known are {queue_id}, "
		    "{submitter}, {relay}, {tag}, {envelope_id}, {date} and "
		    "{hostname}",
		    reader->prefix, key->path, node->key, (int)len, at);
	}
}

static void read_headers(struct settings_reader *reader,
                         const struct settings_key *key,
                         const struct settings_node *node, void *field)
{
	struct relay_settings *relay =
	    (struct relay_settings *)((char *)field -
	                              offsetof(struct relay_settings, headers));
	const struct settings_node *item;

	if (!is_map(reader, key, node, "a map from header names to values"))
		return;
	for (item = node->first; item; item = item->next) {
		struct relay_header *header;
		char *value = NULL;

		if (item->kind == SETTINGS_NODE_BROKEN)
			continue;
		if (!is_header_name(item->key) || is_ours(item->key)) {
			settings_reader_error(
			    reader, key, item,
			    "`%.80s` cannot be added; expected the name of a "
			    "header field that relais does not write itself",
			    item->key);
			continue;
		}
		settings_type_text.read(reader, key, item, &value);
		if (!value)
			continue;
		relay->headers =
		    xrealloc(relay->headers, (relay->header_count + 1) *
		                                 sizeof(*relay->headers));
		header = &relay->headers[relay->header_count++];
		header->name = xstrdup(item->key);
		header->value = value;
		warn_of_unknown_words(reader, key, item, value);
	}
}

const struct settings_type settings_type_headers = { "map", read_headers };

static void read_aliases(struct settings_reader *reader,
                         const struct settings_key *key,
                         const struct settings_node *node, void *field)
{
	struct settings *settings = &reader->main->settings;
	const struct settings_node *item;

	(void)field;
	if (!is_map(reader, key, node, "a map from names to addresses"))
		return;
	for (item = node->first; item; item = item->next) {
		struct settings_words targets = { NULL, 0 };
		size_t i;

		if (item->kind == SETTINGS_NODE_BROKEN)
			continue;
		read_words(reader, key, item, &targets);
		for (i = 0; i < targets.count; i++)
			if (address_check(targets.word[i],
			                  strlen(targets.word[i]),
			                  ADDRESS_UTF8 | ADDRESS_BARE) < 0)
				settings_reader_error(
				    reader, key, item,
				    "`%.80s` is neither a name nor an address",
				    targets.word[i]);
		if (strchr(item->key, '@'))
			settings_reader_error(
			    reader, key, item,
			    "`%.80s` has a domain; expected a bare name",
			    item->key);
		aliases_add_take(settings, item->key, &targets);
	}
}

const struct settings_type settings_type_aliases = { "map", read_aliases };

static void read_relay(struct settings_reader *reader,
                       const struct settings_key *key,
                       const struct settings_node *node, void *field)
{
	const char *text =
	    settings_reader_text(reader, key, node, "the name of a relay");

	if (text)
		*(uint32_t *)field =
		    settings_reader_refer(reader, key, node, text);
}

const struct settings_type settings_type_relay = { "relay", read_relay };

/* One of the administrator's goes before one that was generated. */
static void read_default_relay(struct settings_reader *reader,
                               const struct settings_key *key,
                               const struct settings_node *node, void *field)
{
	const char *text =
	    settings_reader_text(reader, key, node, "the name of a relay");
	char **name = field;

	if (!text)
		return;
	if (*name && reader->managed == RELAY_MANAGED_API)
		return;
	if (*name) {
		settings_reader_error(reader, key, node,
		                      "is given in another file, too (`%.80s`)",
		                      *name);
		return;
	}
	*name = xstrdup(text);
	reader->main->settings.default_relay_file = xstrdup(node->place.file);
	(void)settings_reader_refer(reader, key, node, text);
}

const struct settings_type settings_type_default_relay = { "relay",
	                                                   read_default_relay };

/* A map from the names of relays that are gone to those of others. */
static void read_heirs(struct settings_reader *reader,
                       const struct settings_key *key,
                       const struct settings_node *node, void *field)
{
	struct settings *settings = &reader->main->settings;
	const struct settings_node *item;
	struct relay_heir *heir;

	(void)field;
	if (!is_map(reader, key, node, "a map from relays to relays"))
		return;
	for (item = node->first; item; item = item->next) {
		if (item->kind == SETTINGS_NODE_BROKEN)
			continue;
		settings->heirs =
		    xrealloc(settings->heirs, (settings->heir_count + 1) *
		                                  sizeof(*settings->heirs));
		heir = &settings->heirs[settings->heir_count++];
		heir->relay = settings_relay_id(item->key);
		heir->heir = 0;
		read_relay(reader, key, item, &heir->heir);
	}
}

const struct settings_type settings_type_heirs = { "map", read_heirs };

/* An array of ids, followed in its struct by the count. */
static void read_relay_list(struct settings_reader *reader,
                            const struct settings_key *key,
                            const struct settings_node *node, void *field)
{
	struct {
		uint32_t *ids;
		size_t count;
	} *list = field;
	const struct settings_node *item;
	uint32_t id;

	static_assert(offsetof(struct relay_settings, fallback_count) ==
	                  offsetof(struct relay_settings, fallback) +
	                      sizeof(void *),
	              "an array and its count");
	static_assert(offsetof(struct submitter_rule, relay_count) ==
	                  offsetof(struct submitter_rule, relays) +
	                      sizeof(void *),
	              "an array and its count");
	if (!settings_reader_is_list(reader, key, node, "a list of relays"))
		return;
	for (item = node->first; item; item = item->next) {
		id = 0;
		read_relay(reader, key, item, &id);
		list->ids =
		    xrealloc(list->ids, (list->count + 1) * sizeof(*list->ids));
		list->ids[list->count++] = id;
	}
}

const struct settings_type settings_type_relay_list = { "list",
	                                                read_relay_list };

static void read_submitter_relays(struct settings_reader *reader,
                                  const struct settings_key *key,
                                  const struct settings_node *node, void *field)
{
	struct submitter_rule *rule =
	    (struct submitter_rule *)((char *)field -
	                              offsetof(struct submitter_rule, relays));

	if (node->kind == SETTINGS_NODE_SCALAR &&
	    strcmp(node->text, "any") == 0)
		rule->any_relay = true;
	else
		read_relay_list(reader, key, node, field);
}

const struct settings_type settings_type_submitter_relays = {
	"list", read_submitter_relays
};

static void add_word(struct settings_words *words, const char *word)
{
	words->word =
	    xrealloc(words->word, (words->count + 2) * sizeof(*words->word));
	words->word[words->count++] = xstrdup(word);
	words->word[words->count] = NULL;
}

static bool is_map(struct settings_reader *reader,
                   const struct settings_key *key,
                   const struct settings_node *node, const char *expected)
{
	if (node->kind == SETTINGS_NODE_MAPPING)
		return true;
	if (node->kind != SETTINGS_NODE_BROKEN)
		settings_reader_error(reader, key, node, "expected %s",
		                      expected);
	return false;
}

static bool is_server(const char *text)
{
	char *copy = xstrdup(text), *address = copy, *port = NULL;
	unsigned char bytes[16];
	uint64_t number = 53;
	bool is_good;

	if (*copy == '[') {
		address = copy + 1;
		port = strchr(address, ']');
		if (port)
			*port++ = '\0';
		if (port && *port != ':')
			port = NULL;
	} else if (strchr(copy, ':') == strrchr(copy, ':')) {
		port = strchr(copy, ':');
	}
	if (port)
		*port++ = '\0';
	is_good = inet_pton(AF_INET, address, bytes) == 1 ||
	          inet_pton(AF_INET6, address, bytes) == 1;
	if (port && settings_value_count(port, &number) < 0)
		is_good = false;
	free(copy);
	return is_good && number > 0 && number <= UINT16_MAX;
}

/* RFC 5322 3.6.8 */
static bool is_header_name(const char *text)
{
	const unsigned char *p;

	for (p = (const unsigned char *)text; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == ':')
			return false;
	return text[0] != '\0' && strlen(text) <= 76;
}

/* What has a meaning to relais cannot also be decoration. */
static bool is_ours(const char *name)
{
	static const char *const names[] = { "Received",
		                             "Return-Path",
		                             "Bcc",
		                             "Resent-Bcc",
		                             "From",
		                             "To",
		                             "Cc",
		                             "Sender",
		                             "Date",
		                             "Reply-To",
		                             "X-Original-From",
		                             "DKIM-Signature",
		                             "Message-ID",
		                             "Content-Type",
		                             "Content-Transfer-Encoding",
		                             "MIME-Version",
		                             NULL };
	size_t i;

	for (i = 0; names[i]; i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return strncasecmp(name, "X-Relais-", 9) == 0;
}
