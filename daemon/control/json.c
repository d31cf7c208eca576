#include "config.h"

#include "control/json.h"

#include <errno.h>
#include <stdio.h>

#include <jansson.h>

#define PATH_SIZE 128

struct walk {
	json_visit visit;
	void *context;
	char *error;
};

static int walk_members(
    const struct walk *walk, json_t *object, const char *prefix);
static int visit_member(
    const struct walk *walk, const char *path, json_t *member, bool is_nested);
static int convert(json_t *member, struct json_value *ret_value);

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

static int walk_members(
    const struct walk *walk, json_t *object, const char *prefix)
{
	const char *name;
	json_t *member;

	json_object_foreach(object, name, member)
	{
		char path[PATH_SIZE];
		int r;

		snprintf(path, sizeof(path), "%s%s%s", prefix,
		    *prefix ? "." : "", name);
		r = visit_member(walk, path, member, *prefix);
		if (r < 0)
			return r;
	}
	return 0;
}

static int visit_member(
    const struct walk *walk, const char *path, json_t *member, bool is_nested)
{
	struct json_value value;
	int r = convert(member, &value);

	if (r < 0 || (is_nested && value.kind == JSON_IS_OBJECT)) {
		snprintf(walk->error, JSON_ERROR_SIZE,
		    "%s: expected a text, a whole number or a boolean", path);
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
