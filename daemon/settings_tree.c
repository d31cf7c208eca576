#include "config.h"

#include "settings_tree.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "runtime/xalloc.h"

/* A file of settings is no larger; grown once, no secret is left behind. */
#define TEXT_SIZE (SETTINGS_YAML_SIZE_MAX + 1024)

static void write_node(struct buffer *out, const struct settings_node *node);
static void write_scalar(struct buffer *out, const char *text, bool is_quoted);
static bool is_plain(const char *text);
static size_t write_character(struct buffer *out, const unsigned char *text);
static void put(struct buffer *out, const char *text);

struct settings_node *settings_node_new(enum settings_node_kind kind,
                                        const char *text,
                                        const struct settings_place *place)
{
	struct settings_node *node = xcalloc(1, sizeof(*node));

	node->kind = kind;
	node->place = *place;
	node->key_place = *place;
	if (kind == SETTINGS_NODE_SCALAR)
		node->text = xstrdup(text);
	return node;
}

void settings_node_add_take(struct settings_node *parent, const char *key,
                            struct settings_node *child)
{
	struct settings_node **link = &parent->first;

	while (*link)
		link = &(*link)->next;
	*link = child;
	child->next = NULL;
	parent->child_count++;
	if (key && key != child->key) {
		free(child->key);
		child->key = xstrdup(key);
	}
}

static struct settings_node **find_link(struct settings_node *mapping,
                                        const char *key)
{
	struct settings_node **link = &mapping->first;

	while (*link && (!(*link)->key || strcmp((*link)->key, key) != 0))
		link = &(*link)->next;
	return link;
}

struct settings_node *settings_node_remove(struct settings_node *mapping,
                                           const char *key)
{
	struct settings_node **link = find_link(mapping, key);
	struct settings_node *child = *link;

	if (!child)
		return NULL;
	*link = child->next;
	child->next = NULL;
	mapping->child_count--;
	return child;
}

void settings_node_merge(struct settings_node *base,
                         struct settings_node *change)
{
	struct settings_node *child, *old;

	while ((child = change->first)) {
		change->first = child->next;
		change->child_count--;
		child->next = NULL;
		old = *find_link(base, child->key);
		if (child->kind == SETTINGS_NODE_MAPPING && old &&
		    old->kind == SETTINGS_NODE_MAPPING) {
			settings_node_merge(old, child);
			settings_node_free(child);
			continue;
		}
		settings_node_free(settings_node_remove(base, child->key));
		if (settings_node_is_empty(child))
			settings_node_free(child);
		else
			settings_node_add_take(base, child->key, child);
	}
}

static bool is_same_mapping(const struct settings_node *a,
                            const struct settings_node *b)
{
	const struct settings_node *child, *other;

	if (a->child_count != b->child_count)
		return false;
	for (child = a->first; child; child = child->next) {
		for (other = b->first; other; other = other->next)
			if (strcmp(other->key, child->key) == 0)
				break;
		if (!other || !settings_node_is_same(child, other))
			return false;
	}
	return true;
}

bool settings_node_is_same(const struct settings_node *a,
                           const struct settings_node *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case SETTINGS_NODE_SCALAR:
		return strcmp(a->text, b->text) == 0 &&
		       settings_node_is_empty(a) == settings_node_is_empty(b);
	case SETTINGS_NODE_MAPPING:
		return is_same_mapping(a, b);
	case SETTINGS_NODE_SEQUENCE:
		if (a->child_count != b->child_count)
			return false;
		for (a = a->first, b = b->first; a; a = a->next, b = b->next)
			if (!settings_node_is_same(a, b))
				return false;
		return true;
	case SETTINGS_NODE_BROKEN:
		break;
	}
	return false;
}

/* ------------------------------------------------------------------ write */

char *settings_node_write(const struct settings_node *mapping, unsigned indent)
{
	const struct settings_node *child;
	struct buffer out;
	char *text;
	unsigned i;

	buffer_init(&out, 0);
	if (buffer_reserve(&out, TEXT_SIZE) < 0)
		abort();
	for (child = mapping->first; child; child = child->next) {
		for (i = 0; i < indent; i++)
			put(&out, " ");
		write_scalar(&out, child->key, false);
		put(&out, ": ");
		write_node(&out, child);
		put(&out, "\n");
	}
	if (buffer_take(&out, &text, NULL) < 0)
		abort();
	return text;
}

/* What is inside a value is written in one line: [a, b], {a: b}. */
static void write_node(struct buffer *out, const struct settings_node *node)
{
	bool is_map = node->kind == SETTINGS_NODE_MAPPING;
	const struct settings_node *child;

	if (node->kind == SETTINGS_NODE_SCALAR) {
		write_scalar(out, node->text, node->is_quoted);
		return;
	}
	put(out, is_map ? "{" : "[");
	for (child = node->first; child; child = child->next) {
		if (is_map) {
			write_scalar(out, child->key, false);
			put(out, ": ");
		}
		write_node(out, child);
		if (child->next)
			put(out, ", ");
	}
	put(out, is_map ? "}" : "]");
}

static void write_scalar(struct buffer *out, const char *text, bool is_quoted)
{
	const unsigned char *at = (const unsigned char *)text;

	if (*text == '\0' && !is_quoted)
		return;
	if (!is_quoted && is_plain(text)) {
		put(out, text);
		return;
	}
	put(out, "\"");
	while (*at)
		at += write_character(out, at);
	put(out, "\"");
}

/* Means itself in YAML, wherever it stands. */
static bool is_plain(const char *text)
{
	const char *c = text;

	if (!isalnum((unsigned char)*c) && *c != '/')
		return false;
	while (isalnum((unsigned char)*c) || (*c && strchr("._/%+-", *c)))
		c++;
	return *c == '\0';
}

/* Octets of the character at `text`, which is UTF-8. */
static size_t length_of(const unsigned char *text)
{
	size_t len = *text < 0x80 ? 1 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;
	size_t i;

	for (i = 1; i < len; i++)
		if ((text[i] & 0xc0) != 0x80)
			return i;
	return len;
}

/* What libyaml does not read as it is: controls, C1, marks of order. */
static bool needs_escape(const unsigned char *text, size_t len)
{
	if (len == 1)
		return *text < 0x20 || *text == 0x7f;
	if (len == 2)
		return text[0] == 0xc2 && text[1] < 0xa0;
	return len == 3 && (memcmp(text, "\xef\xbb\xbf", 3) == 0 ||
	                    memcmp(text, "\xef\xbf\xbe", 3) == 0 ||
	                    memcmp(text, "\xef\xbf\xbf", 3) == 0 ||
	                    memcmp(text, "\xe2\x80\xa8", 3) == 0 ||
	                    memcmp(text, "\xe2\x80\xa9", 3) == 0);
}

static unsigned code_of(const unsigned char *text, size_t len)
{
	if (len == 1)
		return *text;
	if (len == 2)
		return (text[0] & 0x1fu) << 6 | (text[1] & 0x3fu);
	return (text[0] & 0x0fu) << 12 | (text[1] & 0x3fu) << 6 |
	       (text[2] & 0x3fu);
}

static size_t write_character(struct buffer *out, const unsigned char *text)
{
	size_t len = length_of(text);
	int r;

	if (*text == '"' || *text == '\\')
		r = buffer_appendf(out, "\\%c", *text);
	else if (needs_escape(text, len))
		r = buffer_appendf(out, "\\u%04x", code_of(text, len));
	else
		r = buffer_append(out, text, len);
	if (r < 0)
		abort();
	return len;
}

static void put(struct buffer *out, const char *text)
{
	if (buffer_append_string(out, text) < 0)
		abort();
}
