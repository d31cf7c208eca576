/*
 * settings_table - every key there is: type, range, default, meaning
 *
 * One row a key. The reader, `relaisd --check`, the manual page and the list
 * of what a reload can change all come from these rows.
 *
 * Thread: constant data.
 */
#ifndef RELAIS_SETTINGS_TABLE_H
#define RELAIS_SETTINGS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings.h"
#include "settings_errors.h"
#include "settings_yaml.h"

struct settings_key;
struct settings_main;

/* A relay that some key names; checked when all relays are known. */
struct settings_reference {
	struct settings_place place;
	char *path; /* of the key */
	char *relay;
};

/* One load in progress. */
struct settings_reader {
	struct settings_errors *errors;
	struct settings_main *main; /* being filled */
	char *directory;            /* of the file being read, for its files */
	enum relay_managed managed; /* of the relays of that file */
	char prefix[256];           /* of the keys being read, for messages */
	bool is_default;            /* reading a default: no warnings */
	bool has_secret;            /* the file being read holds one */
	const struct settings_edit *edits; /* of generated files */
	size_t edit_count;
	char **files; /* names of places live as long as this */
	size_t file_count;
	struct settings_reference *references;
	size_t reference_count;
};

/* Store the node's value in `field`, or report what is wrong with it. */
typedef void settings_read(struct settings_reader *reader,
                           const struct settings_key *key,
                           const struct settings_node *node, void *field);

struct settings_type {
	const char *name; /* as the manual calls it */
	settings_read *read;
};

struct settings_choice {
	const char *word; /* NULL ends the list */
	unsigned value;
};

struct settings_key {
	const char *path; /* below its scope; NULL ends the table */
	const struct settings_type *type;
	size_t offset; /* of the field in the scope's struct */
	uint64_t minimum, maximum;
	const char *initial; /* the default, as it would be written */
	const struct settings_choice *choices;
	bool needs_restart;
	const char *sentence; /* for the manual */
};

/* The struct that each table's offsets belong to. */
extern const struct settings_key settings_keys_main[];   /* settings_main */
extern const struct settings_key settings_keys_relays[]; /* settings_main */
extern const struct settings_key settings_keys_relay[];  /* relay_draft */
extern const struct settings_key settings_keys_hint[];   /* hint_rule */
extern const struct settings_key settings_keys_route[];  /* route_rule */
/* submitter_rule */
extern const struct settings_key settings_keys_submitter[];
extern const struct settings_key settings_keys_listen[]; /* settings_listen */

extern const struct settings_choice settings_choices_apply[];
extern const struct settings_choice settings_choices_keep_author[];
extern const struct settings_choice settings_choices_tls_minimum[];
extern const struct settings_choice settings_choices_security[];
extern const struct settings_choice settings_choices_priority[];
extern const struct settings_choice settings_choices_grant[];

/* What the main file is read into. */
struct settings_main {
	struct settings settings;
	char *default_relay; /* its name; NULL: not given */
	struct settings_words administrators;
};

/* What `oauth` is read into, beside struct relay_oauth. */
struct relay_oauth_draft {
	char *service;
	unsigned grant; /* enum oauth_grant, or OAUTH_GRANT_UNSET */
	char *client_secret;
	char *client_secret_file;
	char *tenant;
	struct settings_words scopes;
	char *key_file;
};
#define OAUTH_GRANT_UNSET 99

/* What a relay is read into, before url, provider and login are worked in. */
struct relay_draft {
	struct relay_settings relay;
	char *url;
	char *provider;
	char *authentication;
	char *fingerprint;
	char *password;
	char *password_file;
	char *credential;
	struct settings_words password_command;
	struct settings_words token_command;
	struct relay_oauth_draft oauth;
	bool has_security; /* from the url or the key */
	bool has_secret;   /* some way to get one was given, good or bad */
};

/* settings_types.c and settings_numbers.c: the types of single values. */
extern const struct settings_type settings_type_boolean;
extern const struct settings_type settings_type_text;
extern const struct settings_type settings_type_secret;
extern const struct settings_type settings_type_name;
extern const struct settings_type settings_type_ehlo_name;
extern const struct settings_type settings_type_host;
extern const struct settings_type settings_type_address;
extern const struct settings_type settings_type_sender;
extern const struct settings_type settings_type_path;
extern const struct settings_type settings_type_https_url;
extern const struct settings_type settings_type_file;
extern const struct settings_type settings_type_port;
extern const struct settings_type settings_type_count;
extern const struct settings_type settings_type_time;
extern const struct settings_type settings_type_size;
extern const struct settings_type settings_type_percent;
extern const struct settings_type settings_type_factor;
extern const struct settings_type settings_type_rate;
extern const struct settings_type settings_type_mode;
extern const struct settings_type settings_type_choice;
extern const struct settings_type settings_type_user;
extern const struct settings_type settings_type_group;

/* settings_lists.c: the types of lists and maps, and of relay names. */
extern const struct settings_type settings_type_words;
extern const struct settings_type settings_type_command;
extern const struct settings_type settings_type_rates;
extern const struct settings_type settings_type_servers;
extern const struct settings_type settings_type_headers;
extern const struct settings_type settings_type_aliases;
extern const struct settings_type settings_type_relay;
extern const struct settings_type settings_type_default_relay;
extern const struct settings_type settings_type_heirs;
extern const struct settings_type settings_type_relay_list;
extern const struct settings_type settings_type_submitter_relays;

/* settings_rules.c: the types of lists of maps. */
extern const struct settings_type settings_type_hints;
extern const struct settings_type settings_type_routes;
extern const struct settings_type settings_type_submitters;
extern const struct settings_type settings_type_listen;

/* settings_relay.c */
extern const struct settings_type settings_type_relays;

/* settings_reader.c */

/* Fill `base` with the defaults of `keys`. */
void settings_reader_set_defaults(struct settings_reader *reader,
                                  const struct settings_key *keys, void *base);

/* Read a mapping into `base`; unknown keys are reported. */
void settings_reader_read(struct settings_reader *reader,
                          const struct settings_key *keys,
                          const struct settings_node *mapping, void *base);

/* Append `name.` (or `name`) to the prefix; returns the length to reset to. */
size_t settings_reader_enter(struct settings_reader *reader, const char *name);
void settings_reader_leave(struct settings_reader *reader, size_t length);

/* `file:line:column: path: …`; `key` may be NULL. */
void settings_reader_error(struct settings_reader *reader,
                           const struct settings_key *key,
                           const struct settings_node *node, const char *format,
                           ...) __attribute__((format(printf, 4, 5)));
void settings_reader_warn(struct settings_reader *reader,
                          const struct settings_key *key,
                          const struct settings_node *node, const char *format,
                          ...) __attribute__((format(printf, 4, 5)));

/* The text of a scalar, borrowed; else reports `expected` and gives NULL. */
const char *settings_reader_text(struct settings_reader *reader,
                                 const struct settings_key *key,
                                 const struct settings_node *node,
                                 const char *expected);

/* Is it a list? If not, reports `expected`. */
bool settings_reader_is_list(struct settings_reader *reader,
                             const struct settings_key *key,
                             const struct settings_node *node,
                             const char *expected);

/* Remember that `name` has to exist, and give the id it has then. */
uint32_t settings_reader_refer(struct settings_reader *reader,
                               const struct settings_key *key,
                               const struct settings_node *node,
                               const char *name);

/* The word of `words` (NULL-terminated) nearest to `word`, or NULL. */
const char *settings_nearest_word(const char *word, const char *const *words);

/* settings.c: free what the structs hold, not the structs. */
void settings_words_done(struct settings_words *words);
void relay_settings_done(struct relay_settings *relay);
void route_rule_done(struct route_rule *rule);
void submitter_rule_done(struct submitter_rule *rule);
void settings_done(struct settings *settings);

/* The first reference to what `settings` held; it is empty then. */
const struct settings *settings_new_take(struct settings *settings);

#endif
