#include "config.h"

#include "control/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "runtime/xalloc.h"
#include "settings_tree.h"

#define PATH_SIZE 128
/* A message in an array, its attachments, one of them, its members */
#define DEPTH_MAX 5
/* What a tree may take, beside four times its text (gate.h). */
#define TREE_EXTRA (16u * 1024 * 1024)

static const struct settings_place place_of_request = { "request", 0, 0 };

struct walk {
	json_visit visit;
	void *context;
	char *error;
};

static int walk_members(const struct walk *walk, json_t *object,
                        const char *prefix);
static int visit_member(const struct walk *walk, const char *path,
                        json_t *member, bool is_nested);
static int convert(json_t *member, struct json_value *ret_value);
static int walk_any(const struct walk *walk, json_t *json, const char *path,
                    unsigned depth);
static struct settings_node *make_tree(json_t *json, unsigned depth);
static struct settings_node *make_scalar(const json_t *json);

void json_prepare(void)
{
	json_set_alloc_funcs(malloc, xfree_wiping);
}

int json_walk(const char *text, size_t len, json_visit visit, void *context,
              char error[JSON_ERROR_SIZE])
{
	struct walk walk = { visit, context, error };
	json_error_t mistake;
	json_t *root;
	int r;

	if (len == 0)
		return 0;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &mistake);
	if (!root) {
		snprintf(error, JSON_ERROR_SIZE,
		         "not JSON: line %d, column %d: %s", mistake.line,
		         mistake.column, mistake.text);
		return -EINVAL;
	}
	if (json_is_object(root)) {
		r = walk_members(&walk, root, "");
	} else {
		snprintf(error, JSON_ERROR_SIZE, "expected a JSON object");
		r = -EINVAL;
	}
	json_decref(root);
	return r;
}

static int complain(const struct walk *walk, const char *path, const char *what)
{
	snprintf(walk->error, JSON_ERROR_SIZE, "%s%s%s", path,
	         *path ? ": " : "", what);
	return -EINVAL;
}

static int walk_members(const struct walk *walk, json_t *object,
                        const char *prefix)
{
	const char *name;
	json_t *member;

	json_object_foreach(object, name, member)
	{
		char path[PATH_SIZE];
		int r;

		if (*name == '\0')
			return complain(walk, prefix, "a name is empty");
		snprintf(path, sizeof(path), "%s%s%s", prefix,
		         *prefix ? "." : "", name);
		r = visit_member(walk, path, member, *prefix);
		if (r < 0)
			return r;
	}
	return 0;
}

static int visit_member(const struct walk *walk, const char *path,
                        json_t *member, bool is_nested)
{
	struct json_value value;
	int r = convert(member, &value);

	if (r < 0 || (is_nested && value.kind == JSON_IS_OBJECT)) {
		snprintf(walk->error, JSON_ERROR_SIZE,
		         "%s: expected a text, a whole number or a boolean",
		         path);
		return -EINVAL;
	}
	r = walk->visit(walk->context, path, &value, walk->error);
	if (r < 0 || value.kind != JSON_IS_OBJECT)
		return r;
	return walk_members(walk, member, path);
}

static int convert(json_t *member, struct json_value *ret_value)
{
	*ret_value = (struct json_value){ .kind = JSON_IS_NULL };

	switch (json_typeof(member)) {
	case JSON_OBJECT:
		ret_value->kind = JSON_IS_OBJECT;
		return 0;
	case JSON_STRING:
		ret_value->kind = JSON_IS_TEXT;
		ret_value->text = json_string_value(member);
		ret_value->len = json_string_length(member);
		return 0;
	case JSON_INTEGER:
		ret_value->kind = JSON_IS_NUMBER;
		ret_value->number = json_integer_value(member);
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		ret_value->kind = JSON_IS_BOOL;
		ret_value->is_true = json_is_true(member);
		return 0;
	case JSON_NULL:
		return 0;
	case JSON_ARRAY:
	case JSON_REAL:
		return -EINVAL;
	}
	return -EINVAL;
}

/* ------------------------------------------------------------ of any depth */

/*
 * About what its tree takes, texts aside: `{}` is a hundred times as large in
 * memory as it is here.
 */
static uint64_t weigh(const char *text, size_t len)
{
	uint64_t weight = 0;
	bool is_quoted = false;
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] == '"')
			is_quoted = !is_quoted;
		else if (is_quoted)
			i += text[i] == '\\';
		else if (text[i] == '{')
			weight += 256;
		else if (text[i] == '[')
			weight += 128;
		else if (text[i] == ',' || text[i] == ':')
			weight += 96;
	}
	return weight;
}

int json_walk_all(const char *text, size_t len, json_visit visit, void *context,
                  char error[JSON_ERROR_SIZE])
{
	struct walk walk = { visit, context, error };
	json_error_t mistake;
	json_t *root;
	int r;

	if (weigh(text, len) > 4 * (uint64_t)len + TREE_EXTRA)
		return complain(&walk, "",
		                "made of too many pieces; send several "
		                "requests");
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &mistake);
	if (!root) {
		snprintf(error, JSON_ERROR_SIZE,
		         "not JSON: line %d, column %d: %s", mistake.line,
		         mistake.column, mistake.text);
		return -EBADMSG;
	}
	r = walk_any(&walk, root, "", 0);
	json_decref(root);
	return r;
}

static int walk_items(const struct walk *walk, json_t *array, const char *path,
                      unsigned depth)
{
	char below[PATH_SIZE];
	size_t i;
	int r = 0;

	if (snprintf(below, sizeof(below), "%s[]", path) >= PATH_SIZE)
		return complain(walk, path, "the name is too long");
	for (i = 0; i < json_array_size(array) && r == 0; i++)
		r = walk_any(walk, json_array_get(array, i), below, depth + 1);
	return r;
}

static int walk_object(const struct walk *walk, json_t *object,
                       const char *path, unsigned depth)
{
	static const struct json_value start = { .kind = JSON_IS_OBJECT };
	static const struct json_value end = { .kind = JSON_IS_END };
	char below[PATH_SIZE];
	const char *name;
	json_t *member;
	int r;

	r = walk->visit(walk->context, path, &start, walk->error);
	json_object_foreach(object, name, member)
	{
		if (r < 0)
			return r;
		/* Its path would be that of the object it is in. */
		if (*name == '\0')
			return complain(walk, path, "a name is empty");
		if (snprintf(below, sizeof(below), "%s%s%s", path,
		             *path ? "." : "", name) >= PATH_SIZE)
			return complain(walk, path, "a name is too long");
		r = walk_any(walk, member, below, depth + 1);
	}
	if (r < 0)
		return r;
	return walk->visit(walk->context, path, &end, walk->error);
}

static int walk_any(const struct walk *walk, json_t *json, const char *path,
                    unsigned depth)
{
	struct json_value value;

	if (depth > DEPTH_MAX)
		return complain(walk, path, "nested too deep");
	if (json_is_array(json))
		return walk_items(walk, json, path, depth);
	if (json_is_object(json))
		return walk_object(walk, json, path, depth);
	if (depth == 0 || convert(json, &value) < 0)
		return complain(
		    walk, path,
		    depth == 0
			? "expected an object or an array of objects"
			: "expected a text, a whole number or a boolean");
	return walk->visit(walk->context, path, &value, walk->error);
}

/* --------------------------------------------------------------- settings */

int json_read_settings(const char *text, size_t len,
                       struct settings_node **ret_root,
                       char error[JSON_ERROR_SIZE])
{
	json_error_t mistake;
	json_t *root;

	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &mistake);
	if (!root) {
		snprintf(error, JSON_ERROR_SIZE,
		         "not JSON: line %d, column %d: %s", mistake.line,
		         mistake.column, mistake.text);
		return -EINVAL;
	}
	*ret_root = json_is_object(root) ? make_tree(root, 1) : NULL;
	json_decref(root);
	if (*ret_root)
		return 0;
	snprintf(error, JSON_ERROR_SIZE,
	         "expected a JSON object of at most %d levels",
	         SETTINGS_YAML_DEPTH_MAX);
	return -EINVAL;
}

/* NULL: too deep. */
static struct settings_node *make_tree(json_t *json, unsigned depth)
{
	struct settings_node *node, *child;
	size_t i;
	void *at;

	if (!json_is_object(json) && !json_is_array(json))
		return make_scalar(json);
	if (depth > SETTINGS_YAML_DEPTH_MAX)
		return NULL;
	node = settings_node_new(json_is_object(json) ? SETTINGS_NODE_MAPPING
	                                              : SETTINGS_NODE_SEQUENCE,
	                         NULL, &place_of_request);
	for (i = 0; i < json_array_size(json); i++) {
		child = make_tree(json_array_get(json, i), depth + 1);
		if (!child)
			goto too_deep;
		settings_node_add_take(node, NULL, child);
	}
	for (at = json_object_iter(json); at;
	     at = json_object_iter_next(json, at)) {
		child = make_tree(json_object_iter_value(at), depth + 1);
		if (!child)
			goto too_deep;
		settings_node_add_take(node, json_object_iter_key(at), child);
	}
	return node;
too_deep:
	settings_node_free(node);
	return NULL;
}

/* As it would be written in a file; null is a key without a value. */
static struct settings_node *make_scalar(const json_t *json)
{
	const char *text = "";
	struct settings_node *node;
	char number[32];

	if (json_is_string(json)) {
		text = json_string_value(json);
	} else if (json_is_integer(json)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
		         json_integer_value(json));
		text = number;
	} else if (json_is_real(json)) {
		snprintf(number, sizeof(number), "%g", json_real_value(json));
		text = number;
	} else if (json_is_boolean(json)) {
		text = json_is_true(json) ? "on" : "off";
	}
	node = settings_node_new(SETTINGS_NODE_SCALAR, text, &place_of_request);
	node->is_quoted = json_is_string(json);
	return node;
}
