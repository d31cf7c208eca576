/*
 * json - what clients send, walked member by member
 *
 * Members of nested objects come with a dotted path ("filter.state"), items of
 * arrays with "[]" behind the array's ("to[]"). Fractions and duplicate
 * members are refused, and so is what is nested deeper than the walk goes.
 */
#ifndef RELAIS_CONTROL_JSON_H
#define RELAIS_CONTROL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_kind {
	JSON_IS_NULL,
	JSON_IS_TEXT,
	JSON_IS_NUMBER,
	JSON_IS_BOOL,
	JSON_IS_OBJECT, /* its members follow */
	JSON_IS_END,    /* of an object's members; json_walk_all() only */
};

/* Borrowed for the call it is passed to. */
struct json_value {
	enum json_kind kind;
	const char *text; /* UTF-8 without a NUL inside */
	size_t len;       /* of the text */
	int64_t number;
	bool is_true;
};

#define JSON_ERROR_SIZE 256

/* 0 goes on; else the walk ends with it, `error` says why. */
typedef int (*json_visit)(void *context, const char *path,
                          const struct json_value *value,
                          char error[JSON_ERROR_SIZE]);

/*
 * One object without arrays, nested once at most. 0, what `visit` returned, or
 * -EINVAL with a sentence in `error`. No text at all counts as an empty object.
 */
int json_walk(const char *text, size_t len, json_visit visit, void *context,
              char error[JSON_ERROR_SIZE]);

/*
 * An object, or an array of objects, nested a few times. The root's own path
 * is "", and that of a root array's items "[]". -EBADMSG: it is no JSON. What
 * `visit` borrows may be used until the end of the walk.
 */
int json_walk_all(const char *text, size_t len, json_visit visit, void *context,
                  char error[JSON_ERROR_SIZE]);

/*
 * Whatever JSON the process reads, elsewhere too, is wiped when it is freed: a
 * relay's password may be in it. Before there are threads.
 */
void json_prepare(void);

struct settings_node;

/*
 * Any object as a tree of settings (settings_yaml.h), its places in "request".
 * 0, or -EINVAL with a sentence in `error`.
 */
int json_read_settings(const char *text, size_t len,
                       struct settings_node **ret_root,
                       char error[JSON_ERROR_SIZE]);

#endif
