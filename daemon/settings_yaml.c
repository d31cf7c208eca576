/*
 * settings_yaml - the strict part of YAML that settings are written in
 *
 * libyaml's events, not its documents: each `[` is delivered as it is parsed,
 * so the depth limit bites before libyaml's quadratic nesting does.
 */
#include "config.h"

#include "settings_yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "runtime/xalloc.h"

struct reader {
	yaml_parser_t parser;
	const char *file;
	const char *bytes;
	size_t len;
	struct settings_errors *errors;
};

static int read_document(struct reader *reader, struct settings_node **ret);
static int read_event(struct reader *reader, yaml_event_t *event);
static int read_node(struct reader *reader, yaml_event_t *event, int depth,
                     struct settings_node **ret);
static int read_sequence(struct reader *reader, struct settings_node *node,
                         int depth);
static int read_mapping(struct reader *reader, struct settings_node *node,
                        int depth);
static int read_scalar(struct reader *reader, const yaml_event_t *event,
                       struct settings_node *node);
static int check_key(struct reader *reader, const struct settings_node *mapping,
                     const struct settings_node *key);
static void append(struct settings_node *parent, struct settings_node ***tail,
                   struct settings_node *child);
static struct settings_node *node_new(struct reader *reader,
                                      const yaml_event_t *event);
static void refuse_decoration(struct reader *reader, const yaml_event_t *event);
static void report_syntax(struct reader *reader);
static struct settings_place place_of(const struct reader *reader,
                                      const yaml_mark_t *mark);
static struct settings_place place_of_offset(const struct reader *reader,
                                             size_t offset);

static void delete_event(yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		explicit_bzero(event->data.scalar.value,
		               event->data.scalar.length);
	yaml_event_delete(event);
}

/* What it has read is in its buffers, passwords too. */
static void delete_parser(yaml_parser_t *parser)
{
	explicit_bzero(
	    parser->raw_buffer.start,
	    (size_t)(parser->raw_buffer.end - parser->raw_buffer.start));
	explicit_bzero(parser->buffer.start,
	               (size_t)(parser->buffer.end - parser->buffer.start));
	yaml_parser_delete(parser);
}

int settings_yaml_parse(struct settings_node **ret_root, const char *file,
                        const char *bytes, size_t len,
                        struct settings_errors *errors)
{
	struct reader reader = {
		.file = file, .bytes = bytes, .len = len, .errors = errors
	};
	struct settings_node *root = NULL;
	int r;

	if (len > SETTINGS_YAML_SIZE_MAX) {
		settings_errors_add(
		    errors, &(struct settings_place){ .file = file },
		    "is larger than %d KiB", SETTINGS_YAML_SIZE_MAX / 1024);
		return -EINVAL;
	}
	if (!yaml_parser_initialize(&reader.parser))
		abort(); /* out of memory, as in xalloc */
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser,
	                             (const unsigned char *)bytes, len);
	r = read_document(&reader, &root);
	delete_parser(&reader.parser);
	if (r == 0 && root->kind == SETTINGS_NODE_SCALAR &&
	    settings_node_is_empty(root))
		root->kind = SETTINGS_NODE_MAPPING;
	if (r == 0 && root->kind != SETTINGS_NODE_MAPPING) {
		if (root->kind != SETTINGS_NODE_BROKEN)
			settings_errors_add(
			    errors, &root->place,
			    "settings are lines of the form `key: value`");
		r = -EINVAL;
	}
	if (r < 0) {
		settings_node_free(root);
		return r;
	}
	*ret_root = root;
	return 0;
}

int settings_yaml_parse_value(struct settings_node **ret_root, const char *file,
                              const char *text, struct settings_errors *errors)
{
	struct reader reader = { .file = file,
		                 .bytes = text,
		                 .len = strlen(text),
		                 .errors = errors };
	struct settings_node *root = NULL;
	int r;

	if (!yaml_parser_initialize(&reader.parser))
		abort();
	yaml_parser_set_input_string(&reader.parser,
	                             (const unsigned char *)text, reader.len);
	r = read_document(&reader, &root);
	delete_parser(&reader.parser);
	if (r < 0)
		settings_node_free(root);
	else
		*ret_root = root;
	return r;
}

/* On failure *ret may hold a partial tree; the caller frees it. */
static int read_document(struct reader *reader, struct settings_node **ret)
{
	yaml_event_t event;
	int r;

	do {
		r = read_event(reader, &event);
		if (r < 0)
			return r;
		if (event.type == YAML_STREAM_END_EVENT) {
			*ret = node_new(reader, &event);
			(*ret)->text = xstrdup("");
			delete_event(&event);
			return 0;
		}
		if (event.type != YAML_STREAM_START_EVENT &&
		    event.type != YAML_DOCUMENT_START_EVENT)
			break;
		delete_event(&event);
	} while (true);

	r = read_node(reader, &event, 1, ret);
	delete_event(&event);
	while (r == 0) {
		r = read_event(reader, &event);
		if (r < 0)
			break;
		if (event.type == YAML_STREAM_END_EVENT) {
			delete_event(&event);
			break;
		}
		if (event.type == YAML_DOCUMENT_START_EVENT) {
			struct settings_place place =
			    place_of(reader, &event.start_mark);

			settings_errors_add(
			    reader->errors, &place,
			    "a second document (`---`) starts here; "
			    "expected only one");
			r = -EINVAL;
		}
		delete_event(&event);
	}
	return r;
}

static int read_event(struct reader *reader, yaml_event_t *event)
{
	if (yaml_parser_parse(&reader->parser, event))
		return 0;
	if (reader->parser.error == YAML_MEMORY_ERROR)
		abort();
	report_syntax(reader);
	return -EINVAL;
}

/* `event` opens the node and stays the caller's. */
static int read_node(struct reader *reader, yaml_event_t *event, int depth,
                     struct settings_node **ret)
{
	struct settings_node *node = node_new(reader, event);

	*ret = node;
	if (depth > SETTINGS_YAML_DEPTH_MAX) {
		settings_errors_add(reader->errors, &node->place,
		                    "is nested more than %d levels deep",
		                    SETTINGS_YAML_DEPTH_MAX);
		return -EINVAL;
	}
	refuse_decoration(reader, event);
	if (event->type == YAML_SCALAR_EVENT)
		return read_scalar(reader, event, node);
	if (event->type == YAML_SEQUENCE_START_EVENT)
		return read_sequence(reader, node, depth);
	if (event->type == YAML_MAPPING_START_EVENT)
		return read_mapping(reader, node, depth);
	node->kind = SETTINGS_NODE_BROKEN; /* an alias */
	return 0;
}

static int read_sequence(struct reader *reader, struct settings_node *node,
                         int depth)
{
	struct settings_node **tail = &node->first;
	yaml_event_t event;
	int r;

	node->kind = SETTINGS_NODE_SEQUENCE;
	for (;;) {
		struct settings_node *child = NULL;

		r = read_event(reader, &event);
		if (r < 0)
			return r;
		if (event.type == YAML_SEQUENCE_END_EVENT) {
			delete_event(&event);
			return 0;
		}
		r = read_node(reader, &event, depth + 1, &child);
		delete_event(&event);
		append(node, &tail, child);
		if (r < 0)
			return r;
	}
}

static int read_mapping(struct reader *reader, struct settings_node *node,
                        int depth)
{
	struct settings_node **tail = &node->first;
	yaml_event_t event;
	int r;

	node->kind = SETTINGS_NODE_MAPPING;
	for (;;) {
		struct settings_node *key = NULL, *child = NULL;

		r = read_event(reader, &event);
		if (r < 0)
			return r;
		if (event.type == YAML_MAPPING_END_EVENT) {
			delete_event(&event);
			return 0;
		}
		r = read_node(reader, &event, depth + 1, &key);
		delete_event(&event);
		if (r == 0)
			r = read_event(reader, &event);
		if (r < 0) {
			settings_node_free(key);
			return r;
		}
		r = read_node(reader, &event, depth + 1, &child);
		delete_event(&event);
		if (check_key(reader, node, key) < 0)
			child->kind = SETTINGS_NODE_BROKEN;
		child->key_place = key->place;
		child->key = key->text ? key->text : xstrdup("");
		key->text = NULL;
		settings_node_free(key);
		append(node, &tail, child);
		if (r < 0)
			return r;
	}
}

static int read_scalar(struct reader *reader, const yaml_event_t *event,
                       struct settings_node *node)
{
	size_t len = event->data.scalar.length;

	node->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text = xmalloc(len + 1);
	memcpy(node->text, event->data.scalar.value, len);
	node->text[len] = '\0';
	if (memchr(node->text, '\0', len)) {
		settings_errors_add(reader->errors, &node->place,
		                    "contains a NUL character");
		node->kind = SETTINGS_NODE_BROKEN;
	}
	return 0;
}

static int check_key(struct reader *reader, const struct settings_node *mapping,
                     const struct settings_node *key)
{
	const struct settings_node *child;

	if (key->kind == SETTINGS_NODE_BROKEN)
		return -EINVAL;
	if (key->kind != SETTINGS_NODE_SCALAR) {
		settings_errors_add(
		    reader->errors, &key->place,
		    "this key is a list or a map; expected a word");
		return -EINVAL;
	}
	if (strcmp(key->text, "<<") == 0 && !key->is_quoted) {
		settings_errors_add(reader->errors, &key->place,
		                    "merge keys (`<<`) are not supported");
		return -EINVAL;
	}
	for (child = mapping->first; child; child = child->next) {
		if (strcmp(child->key, key->text) != 0)
			continue;
		settings_errors_add(
		    reader->errors, &key->place,
		    "%s: is given twice; the first is in line %u", key->text,
		    child->key_place.line);
		return -EINVAL;
	}
	return 0;
}

static void append(struct settings_node *parent, struct settings_node ***tail,
                   struct settings_node *child)
{
	**tail = child;
	*tail = &child->next;
	parent->child_count++;
}

static struct settings_node *node_new(struct reader *reader,
                                      const yaml_event_t *event)
{
	struct settings_node *node = xcalloc(1, sizeof(*node));

	node->kind = SETTINGS_NODE_SCALAR;
	node->place = place_of(reader, &event->start_mark);
	return node;
}

/* Anchors, aliases and tags: settings mean what they say, where they say it. */
static void refuse_decoration(struct reader *reader, const yaml_event_t *event)
{
	struct settings_place place = place_of(reader, &event->start_mark);
	bool has_anchor = false, has_tag = false;

	if (event->type == YAML_ALIAS_EVENT) {
		settings_errors_add(reader->errors, &place,
		                    "aliases (`*name`) are not supported; "
		                    "quote the value if it starts with `*`");
	} else if (event->type == YAML_SCALAR_EVENT) {
		has_anchor = event->data.scalar.anchor;
		has_tag = event->data.scalar.tag;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		has_anchor = event->data.sequence_start.anchor;
		has_tag = event->data.sequence_start.tag;
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		has_anchor = event->data.mapping_start.anchor;
		has_tag = event->data.mapping_start.tag;
	}
	if (has_anchor)
		settings_errors_add(reader->errors, &place,
		                    "anchors (`&name`) are not supported; "
		                    "quote the value if it starts with `&`");
	if (has_tag)
		settings_errors_add(reader->errors, &place,
		                    "tags (`!name`) are not supported; "
		                    "quote the value if it starts with `!`");
}

static void report_syntax(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	const char *problem = parser->problem ? parser->problem : "unknown";
	const char *context = parser->context ? parser->context : "";
	struct settings_place place;
	bool is_sign;

	if (parser->error == YAML_READER_ERROR) {
		/* These have an offset, but no mark. */
		place = place_of_offset(reader, parser->problem_offset);
		settings_errors_add(
		    reader->errors, &place,
		    "is not readable: %s; expected text in UTF-8",
		    parser->problem);
		return;
	}
	/* Patterns are what people forget to quote. */
	is_sign = strstr(context, "alias") || strstr(context, "anchor") ||
	          strstr(problem, "cannot start any token");
	place = place_of(reader, &parser->problem_mark);
	settings_errors_add(
	    reader->errors, &place, "is no valid YAML: %s%s%s%s", problem,
	    *context ? ", " : "", context,
	    is_sign ? "; quote values that start with `*`, `@` or the like"
		    : "");
}

static struct settings_place place_of(const struct reader *reader,
                                      const yaml_mark_t *mark)
{
	return (struct settings_place){ .file = reader->file,
		                        .line = (unsigned)mark->line + 1,
		                        .column = (unsigned)mark->column + 1 };
}

static struct settings_place place_of_offset(const struct reader *reader,
                                             size_t offset)
{
	struct settings_place place = { reader->file, 1, 1 };
	size_t i;

	for (i = 0; i < offset && i < reader->len; i++) {
		place.column++;
		if (reader->bytes[i] == '\n') {
			place.line++;
			place.column = 1;
		}
	}
	return place;
}

void settings_node_free(struct settings_node *node)
{
	while (node) {
		struct settings_node *next = node->next;

		settings_node_free(node->first); /* at most 17 levels */
		if (node->text)
			explicit_bzero(node->text, strlen(node->text));
		free(node->text);
		free(node->key);
		free(node);
		node = next;
	}
}

bool settings_node_is_empty(const struct settings_node *node)
{
	return node->kind == SETTINGS_NODE_SCALAR && !node->is_quoted &&
	       node->text[0] == '\0';
}

const struct settings_node *
settings_node_find(const struct settings_node *mapping, const char *key)
{
	const struct settings_node *child;

	for (child = mapping->first; child; child = child->next)
		if (child->key && strcmp(child->key, key) == 0)
			return settings_node_is_empty(child) ? NULL : child;
	return NULL;
}
