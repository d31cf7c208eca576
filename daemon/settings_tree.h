/*
 * settings_tree - a tree of settings made or changed by a program
 *
 * The trees are those of settings_yaml.h: settings_yaml_parse() reads one, this
 * builds, merges and writes them.
 *
 * Thread: any; keeps no state. Aborts without memory.
 */
#ifndef RELAIS_SETTINGS_TREE_H
#define RELAIS_SETTINGS_TREE_H

#include "settings_yaml.h"

/* text: copied; of a scalar, else NULL. place is copied, its file borrowed. */
struct settings_node *settings_node_new(enum settings_node_kind kind,
                                        const char *text,
                                        const struct settings_place *place);

/* The new last child; `key` is copied, NULL in a sequence. */
void settings_node_add_take(struct settings_node *parent, const char *key,
                            struct settings_node *child);

/* Takes it out of the mapping; the caller's, or NULL. Empty ones, too. */
struct settings_node *settings_node_remove(struct settings_node *mapping,
                                           const char *key);

/*
 * RFC 7396: members of `change` replace those of `base`, maps are merged, and
 * what is there without a value goes. Both are mappings; `change` is left
 * empty.
 */
void settings_node_merge(struct settings_node *base,
                         struct settings_node *change);

/* The same values; how they are written and in which order doesn't count. */
bool settings_node_is_same(const struct settings_node *a,
                           const struct settings_node *b);

/*
 * A mapping as YAML, one of its members a line, each line begun with `indent`
 * spaces. The caller wipes and frees it: there may be secrets in it.
 */
char *settings_node_write(const struct settings_node *mapping, unsigned indent);

#endif
