/*
 * settings_yaml - the strict part of YAML that settings are written in
 *
 * Text becomes a small tree of nodes that know their line and column.
 * Refused, each with its place: anchors, aliases, tags, merge keys, a second
 * document, keys that are no plain words, duplicate keys, NUL, more than 16
 * levels. All are reported; after broken syntax there is nothing to go on with.
 *
 * The only includer of <yaml.h>.
 * Thread: any; keeps no state.
 */
#ifndef RELAIS_SETTINGS_YAML_H
#define RELAIS_SETTINGS_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "settings_errors.h"

#define SETTINGS_YAML_SIZE_MAX  (256 * 1024)
#define SETTINGS_YAML_DEPTH_MAX 16

enum settings_node_kind {
	SETTINGS_NODE_SCALAR,
	SETTINGS_NODE_SEQUENCE,
	SETTINGS_NODE_MAPPING,
	SETTINGS_NODE_BROKEN, /* reported already: say no more of it */
};

struct settings_node {
	enum settings_node_kind kind;
	struct settings_place place;
	char *text;     /* of a scalar */
	bool is_quoted; /* "no" and no differ */
	char *key;      /* of a child of a mapping */
	struct settings_place key_place;
	struct settings_node *first, *next; /* children; sibling */
	size_t child_count;
};

/**
 * @param file  for messages and places, borrowed while the nodes live
 * @param[out] ret_root  a mapping (empty for an empty file); yours to free
 * @return 0; -EINVAL after adding to `errors`
 */
int settings_yaml_parse(struct settings_node **ret_root, const char *file,
                        const char *bytes, size_t len,
                        struct settings_errors *errors);

/* The same for any kind of root, for defaults. */
int settings_yaml_parse_value(struct settings_node **ret_root, const char *file,
                              const char *text, struct settings_errors *errors);

/* Wipes every text, since some are secrets. */
void settings_node_free(struct settings_node *node);

/* `key:` with nothing after it means "not set". */
bool settings_node_is_empty(const struct settings_node *node);

/* NULL if `mapping` is no mapping, lacks the key, or has it empty. */
const struct settings_node *
settings_node_find(const struct settings_node *mapping, const char *key);

#endif
