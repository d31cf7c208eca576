/*
 * settings_relay - how a relay is read, and what is worked out from it
 *
 * Thread: part of one settings_load().
 */
#ifndef RELAIS_SETTINGS_RELAY_H
#define RELAIS_SETTINGS_RELAY_H

#include "settings_table.h"

struct relay_url;

/* The relay that serves while none is configured. */
void settings_relay_add_built_in(struct settings_reader *reader,
                                 const char *url);

/* Letters, digits, dots, dashes, underscores, and not the built-in one's. */
bool settings_relay_is_name(const char *name);

/* The first key that only an administrator's file may have; NULL: none. */
const char *settings_relay_root_key(const struct settings_node *node);

/* settings_relay_complete.c */

/* The url's values become the draft's; the url is empty then. */
void settings_relay_apply_url_take(struct relay_draft *draft,
                                   struct relay_url *url);

/* A credential `relais.built-in`, or the file built-in.secret. */
void settings_relay_find_built_in_password(struct settings_reader *reader,
                                           struct relay_draft *draft);

/*
 * Work out security, port and login from what was given, read the secret,
 * and report what does not fit together. `node` is the relay's.
 */
void settings_relay_complete(struct settings_reader *reader,
                             struct relay_draft *draft,
                             const struct settings_node *node);

/* settings_oauth.c */

/*
 * What the mapping `oauth` of the relay leaves out, its secret and its key;
 * username and provider are known already.
 */
void settings_relay_complete_oauth(struct settings_reader *reader,
                                   struct relay_draft *draft,
                                   const struct settings_node *node);
void settings_relay_oauth_done(struct relay_oauth_draft *draft);

/* settings_relay_complete.c, for settings_oauth.c */

/* At the key's own place where it was given, else at the node's. */
void settings_relay_complain(struct settings_reader *reader,
                             const struct settings_node *node, const char *key,
                             const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The first line of a file; reports what is wrong with it. */
void settings_relay_read_secret_file(struct settings_reader *reader,
                                     const struct settings_node *node,
                                     const char *key, const char *path,
                                     struct secret **ret_secret);
void settings_relay_warn_of_readers(struct settings_reader *reader,
                                    const struct settings_node *node,
                                    const char *key, const char *path);

#endif
