#include "config.h"

#include "json.h"

#include <string.h>

#include <jansson.h>

static const json_t *inner(const struct json *json)
{
	return (const json_t *)(const void *)json;
}

static const struct json *outer(const json_t *json)
{
	return (const struct json *)(const void *)json;
}

struct json *json_parse(const char *text, size_t len)
{
	return (struct json *)(void *)json_loadb(text, len, 0, NULL);
}

void json_free(struct json *json)
{
	json_decref((json_t *)(void *)json);
}

const struct json *json_member(const struct json *object, const char *name)
{
	const json_t *value = json_object_get(inner(object), name);

	return json_is_null(value) ? NULL : outer(value);
}

bool json_has(const struct json *object, const char *name)
{
	return json_object_get(inner(object), name) != NULL;
}

const char *json_text(const struct json *object, const char *name)
{
	return json_string_value(json_object_get(inner(object), name));
}

int64_t json_number(const struct json *object, const char *name)
{
	return json_integer_value(json_object_get(inner(object), name));
}

bool json_flag(const struct json *object, const char *name)
{
	return json_is_true(json_object_get(inner(object), name));
}

size_t json_count(const struct json *array)
{
	return json_array_size(inner(array));
}

const struct json *json_item(const struct json *array, size_t index)
{
	return outer(json_array_get(inner(array), index));
}

const char *json_item_text(const struct json *array, size_t index)
{
	return json_string_value(json_array_get(inner(array), index));
}

/* jansson's iterators want an object they could change. */
static json_t *unlocked(const struct json *json)
{
	union {
		const struct json *locked;
		json_t *free;
	} view = { .locked = json };

	return view.free;
}

void *json_next(const struct json *object, void *iterator,
                const char **ret_name, const struct json **ret_value)
{
	json_t *members = unlocked(object);

	if (iterator)
		iterator = json_object_iter_next(members, iterator);
	else
		iterator = json_object_iter(members);
	if (iterator) {
		*ret_name = json_object_iter_key(iterator);
		*ret_value = outer(json_object_iter_value(iterator));
	}
	return iterator;
}

const char *json_value_text(const struct json *value)
{
	return json_string_value(inner(value));
}

int64_t json_value_number(const struct json *value)
{
	return json_integer_value(inner(value));
}

struct json *json_copy_of(const struct json *json)
{
	return (struct json *)(void *)json_deep_copy(inner(json));
}

char *json_print(const struct json *json)
{
	return json_dumps(inner(json),
	                  JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY);
}

struct json *json_make(void)
{
	return (struct json *)(void *)json_object();
}

bool json_is_empty(const struct json *object)
{
	return json_object_size(inner(object)) == 0;
}

void json_put_text(struct json *object, const char *name, const char *value)
{
	(void)json_object_set_new(unlocked(object), name, json_string(value));
}

void json_add_text(struct json *object, const char *name, const char *value)
{
	json_t *array = json_object_get(unlocked(object), name);

	if (!array) {
		array = json_array();
		(void)json_object_set_new(unlocked(object), name, array);
	}
	(void)json_array_append_new(array, json_string(value));
}

void json_put_flag(struct json *object, const char *name, bool value)
{
	(void)json_object_set_new(unlocked(object), name, json_boolean(value));
}

struct json *json_put_object(struct json *object, const char *name)
{
	json_t *value = json_object();

	(void)json_object_set_new(unlocked(object), name, value);
	return (struct json *)(void *)value;
}

void json_put_null(struct json *object, const char *name)
{
	(void)json_object_set_new(unlocked(object), name, json_null());
}

void json_remove(struct json *object, const char *name)
{
	(void)json_object_del(unlocked(object), name);
}

void json_put_list(struct json *object, const char *name, const char *words)
{
	json_t *array = json_array();
	size_t len;

	words += strspn(words, "[ ");
	for (; *words; words += len + strspn(words + len, ", ]")) {
		len = strcspn(words, ", ]");
		if (len > 0)
			(void)json_array_append_new(array,
			                            json_stringn(words, len));
	}
	(void)json_object_set_new(unlocked(object), name, array);
}

struct json *json_get_object(struct json *object, const char *name)
{
	json_t *value = json_object_get(unlocked(object), name);

	if (json_is_object(value))
		return (struct json *)(void *)value;
	return json_put_object(object, name);
}
