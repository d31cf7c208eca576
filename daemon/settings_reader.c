/*
 * settings_reader - walks a mapping along a table of keys
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/xalloc.h"
#include "settings_table.h"

#define WORD_MAX 64

static void read_mapping(struct settings_reader *reader,
                         const struct settings_key *keys, const char *path,
                         const struct settings_node *mapping, void *base);
static const struct settings_key *find_key(const struct settings_key *keys,
                                           const char *path);
static bool is_group(const struct settings_key *keys, const char *path);
static void report_unknown(struct settings_reader *reader,
                           const struct settings_key *keys, const char *path,
                           const struct settings_node *node);
static char *path_of(const struct settings_reader *reader,
                     const struct settings_key *key);
static size_t distance(const char *a, const char *b);
static size_t smallest(size_t a, size_t b, size_t c);

void settings_reader_set_defaults(struct settings_reader *reader,
                                  const struct settings_key *keys, void *base)
{
	reader->is_default = true;
	for (; keys->path; keys++) {
		struct settings_node *node = NULL;

		if (!keys->initial)
			continue;
		if (settings_yaml_parse_value(&node, "default", keys->initial,
		                              reader->errors) < 0)
			continue;
		keys->type->read(reader, keys, node,
		                 (char *)base + keys->offset);
		settings_node_free(node);
	}
	reader->is_default = false;
}

void settings_reader_read(struct settings_reader *reader,
                          const struct settings_key *keys,
                          const struct settings_node *mapping, void *base)
{
	if (mapping->kind == SETTINGS_NODE_BROKEN)
		return;
	if (mapping->kind != SETTINGS_NODE_MAPPING) {
		settings_reader_error(reader, NULL, mapping,
		                      "expected a map, as in `{%s: …}`",
		                      keys->path);
		return;
	}
	read_mapping(reader, keys, "", mapping, base);
}

static void read_mapping(struct settings_reader *reader,
                         const struct settings_key *keys, const char *path,
                         const struct settings_node *mapping, void *base)
{
	const struct settings_node *node;

	for (node = mapping->first; node; node = node->next) {
		const struct settings_key *key;
		char *name;

		if (node->kind == SETTINGS_NODE_BROKEN)
			continue;
		name = xasprintf("%s%s%s", path, *path ? "." : "", node->key);
		key = find_key(keys, name);
		if (key && !settings_node_is_empty(node)) {
			key->type->read(reader, key, node,
			                (char *)base + key->offset);
		} else if (!key && is_group(keys, name)) {
			if (node->kind == SETTINGS_NODE_MAPPING)
				read_mapping(reader, keys, name, node, base);
			else if (!settings_node_is_empty(node))
				settings_errors_add(
				    reader->errors, &node->place,
				    "%s%s: expected a map of keys below it",
				    reader->prefix, name);
		} else if (!key) {
			report_unknown(reader, keys, path, node);
		}
		free(name);
	}
}

static const struct settings_key *find_key(const struct settings_key *keys,
                                           const char *path)
{
	for (; keys->path; keys++)
		if (strcmp(keys->path, path) == 0)
			return keys;
	return NULL;
}

/* Is there any key `path.…`? */
static bool is_group(const struct settings_key *keys, const char *path)
{
	size_t len = strlen(path);

	for (; keys->path; keys++)
		if (strncmp(keys->path, path, len) == 0 &&
		    keys->path[len] == '.')
			return true;
	return false;
}

/* The candidates are the words that could stand at this place. */
static void report_unknown(struct settings_reader *reader,
                           const struct settings_key *keys, const char *path,
                           const struct settings_node *node)
{
	static const char *const none[] = { NULL };
	const char *words[WORD_MAX + 1];
	char *copies[WORD_MAX];
	size_t count = 0, i, len = strlen(path);
	const char *nearest;

	for (; keys->path && count < WORD_MAX; keys++) {
		const char *rest = keys->path;

		if (len > 0) {
			if (strncmp(rest, path, len) != 0 || rest[len] != '.')
				continue;
			rest += len + 1;
		}
		copies[count] = xstrdup(rest);
		copies[count][strcspn(rest, ".")] = '\0';
		words[count] = copies[count];
		count++;
	}
	words[count] = NULL;
	nearest = settings_nearest_word(node->key, count ? words : none);
	settings_errors_add(reader->errors, &node->key_place,
	                    "%s%s%s%s: is not a known key%s%s%s",
	                    reader->prefix, path, *path ? "." : "", node->key,
	                    nearest ? "; did you mean `" : "",
	                    nearest ? nearest : "", nearest ? "`?" : "");
	for (i = 0; i < count; i++)
		free(copies[i]);
}

size_t settings_reader_enter(struct settings_reader *reader, const char *name)
{
	size_t len = strlen(reader->prefix);

	(void)snprintf(reader->prefix + len, sizeof(reader->prefix) - len, "%s",
	               name);
	return len;
}

void settings_reader_leave(struct settings_reader *reader, size_t length)
{
	reader->prefix[length] = '\0';
}

void settings_reader_error(struct settings_reader *reader,
                           const struct settings_key *key,
                           const struct settings_node *node, const char *format,
                           ...)
{
	char *path = path_of(reader, key);
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	settings_errors_add(reader->errors, &node->place, "%s%s%s", path,
	                    *path ? ": " : "", text);
	free(path);
}

void settings_reader_warn(struct settings_reader *reader,
                          const struct settings_key *key,
                          const struct settings_node *node, const char *format,
                          ...)
{
	char *path = path_of(reader, key);
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!reader->is_default)
		settings_errors_warn(reader->errors, &node->place, "%s%s%s",
		                     path, *path ? ": " : "", text);
	free(path);
}

/* `relays.office.` without a key is about `relays.office`. */
static char *path_of(const struct settings_reader *reader,
                     const struct settings_key *key)
{
	char *path = xasprintf("%s%s", reader->prefix, key ? key->path : "");
	size_t len = strlen(path);

	if (len > 0 && path[len - 1] == '.')
		path[len - 1] = '\0';
	return path;
}

const char *settings_reader_text(struct settings_reader *reader,
                                 const struct settings_key *key,
                                 const struct settings_node *node,
                                 const char *expected)
{
	if (node->kind == SETTINGS_NODE_SCALAR)
		return node->text;
	if (node->kind != SETTINGS_NODE_BROKEN)
		settings_reader_error(
		    reader, key, node, "is a %s; expected %s",
		    node->kind == SETTINGS_NODE_MAPPING ? "map" : "list",
		    expected);
	return NULL;
}

bool settings_reader_is_list(struct settings_reader *reader,
                             const struct settings_key *key,
                             const struct settings_node *node,
                             const char *expected)
{
	if (node->kind == SETTINGS_NODE_SEQUENCE)
		return true;
	if (node->kind != SETTINGS_NODE_BROKEN)
		settings_reader_error(reader, key, node, "expected %s",
		                      expected);
	return false;
}

uint32_t settings_reader_refer(struct settings_reader *reader,
                               const struct settings_key *key,
                               const struct settings_node *node,
                               const char *name)
{
	struct settings_reference *reference;

	reader->references =
	    xrealloc(reader->references, (reader->reference_count + 1) *
	                                     sizeof(*reader->references));
	reference = &reader->references[reader->reference_count++];
	reference->place = node->place;
	reference->path = path_of(reader, key);
	reference->relay = xstrdup(name);
	return settings_relay_id(name);
}

const char *settings_nearest_word(const char *word, const char *const *words)
{
	const char *nearest = NULL;
	size_t best = strlen(word) / 3 + 2, d;

	for (; *words; words++) {
		d = distance(word, *words);
		if (d < best) {
			best = d;
			nearest = *words;
		}
	}
	return nearest;
}

/* Levenshtein's; words too long to be a slip are just far away. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], above_left, above, i, j;
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return WORD_MAX;
	for (j = 0; j <= b_len; j++)
		row[j] = j;
	for (i = 1; i <= a_len; i++) {
		above_left = row[0];
		row[0] = i;
		for (j = 1; j <= b_len; j++) {
			above = row[j];
			row[j] = smallest(above + 1, row[j - 1] + 1,
			                  above_left + (a[i - 1] != b[j - 1]));
			above_left = above;
		}
	}
	return row[b_len];
}

static size_t smallest(size_t a, size_t b, size_t c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}
