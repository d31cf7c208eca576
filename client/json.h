/*
 * json - the control API's answers, and the orders sent to it
 *
 * Reading is forgiving: what is absent or of another kind is NULL, 0 or false,
 * so that an older or newer relaisd can be talked to.
 */
#ifndef RELAIS_JSON_H
#define RELAIS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json;

/* NULL: not JSON, or no memory. Free with json_free(). */
struct json *json_parse(const char *text, size_t len);
void json_free(struct json *json);

/* Borrowed from the object, like all that follow. The object may be NULL. */
const struct json *json_member(const struct json *object, const char *name);
/* Is it there, be it null? */
bool json_has(const struct json *object, const char *name);
const char *json_text(const struct json *object, const char *name);
int64_t json_number(const struct json *object, const char *name);
bool json_flag(const struct json *object, const char *name);

size_t json_count(const struct json *array);
const struct json *json_item(const struct json *array, size_t index);
/* Of an item that is a text itself. */
const char *json_item_text(const struct json *array, size_t index);

/* The next member of an object: iterator NULL at first and at the end. */
void *json_next(const struct json *object, void *iterator,
                const char **ret_name, const struct json **ret_value);
/* A value that is a text; NULL if it is not. */
const char *json_value_text(const struct json *value);
/* A value that is a number. */
int64_t json_value_number(const struct json *value);

/* Free it with json_free(); NULL without memory. */
struct json *json_copy_of(const struct json *json);

/* On one line; malloc'ed, NULL without memory. */
char *json_print(const struct json *json);

/* Orders; NULL and nothing without memory. */
struct json *json_make(void);
bool json_is_empty(const struct json *object);
void json_put_text(struct json *object, const char *name, const char *value);
void json_put_flag(struct json *object, const char *name, bool value);
void json_remove(struct json *object, const char *name);
void json_put_null(struct json *object, const char *name);
/* One more in an array of texts, which is made if it isn't there. */
void json_add_text(struct json *object, const char *name, const char *value);
/* Words with commas between them, in brackets or not, as an array. */
void json_put_list(struct json *object, const char *name, const char *words);
/* The inner object that is there, or a new one. */
struct json *json_get_object(struct json *object, const char *name);
/* The inner object, borrowed from the outer one. */
struct json *json_put_object(struct json *object, const char *name);

#endif
