/*
 * settings - what the administrator wants, checked whole and never changed
 *
 * settings_load() reads relais.yaml, relays.d/ and the generated relay files
 * into one struct settings, or reports everything that is wrong with them.
 *
 * Promise: what settings_load() returns is complete and consistent: every
 *          default is filled in, every relay that is named exists, there is
 *          always a default relay, and nothing in it changes afterwards.
 * Thread:  loaded by the main thread; any thread may read, ref and unref.
 * Units:   `_s` seconds, `_bytes` bytes, `_percent` 0..100. A limit of 0 means
 *          "no limit", a NULL string "not set", unless a comment differs.
 */
#ifndef RELAIS_SETTINGS_H
#define RELAIS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "smtp/verdict_rules.h"

struct alias;
struct provider;
struct secret;
struct settings_errors;
struct settings_lifetime;
struct settings_node;

#define SETTINGS_DEFAULT_FILE  "relais.yaml" /* below sysconfdir/relais */
#define SETTINGS_BUILT_IN_NAME "built-in"

#define SETTINGS_RATES_MAX 4

enum priority {
	PRIORITY_URGENT,
	PRIORITY_NORMAL,
	PRIORITY_BULK,
};

/* At most `count` in any `period_s` seconds; count 0: no such limit. */
struct settings_rate {
	uint32_t count;
	uint32_t period_s;
};

/* Words of one list; `word[count]` is NULL. */
struct settings_words {
	char **word;
	size_t count;
};

enum relay_kind {
	RELAY_SMTP,
	RELAY_LMTP,
	RELAY_DIRECT,  /* relais finds each recipient domain's hosts itself */
	RELAY_MAILDIR, /* nothing leaves the host */
};

enum relay_security {
	RELAY_TLS,           /* from the first byte */
	RELAY_STARTTLS,      /* upgraded, or the relay is at fault */
	RELAY_OPPORTUNISTIC, /* upgraded if offered; never with a login */
	RELAY_CLEAR,
};

enum relay_authentication {
	RELAY_AUTHENTICATION_OFF,
	RELAY_AUTHENTICATION_ON,        /* best mechanism both sides know */
	RELAY_AUTHENTICATION_MECHANISM, /* only `mechanism` */
};

enum relay_managed {
	RELAY_MANAGED_FILE,     /* relais.yaml or relays.d/ */
	RELAY_MANAGED_API,      /* relays/ under the queue directory */
	RELAY_MANAGED_BUILT_IN, /* nothing is configured */
};

enum relay_from_apply {
	RELAY_FROM_MISSING,
	RELAY_FROM_NOT_ALLOWED,
	RELAY_FROM_ALWAYS,
};

enum relay_keep_author {
	RELAY_KEEP_AUTHOR_HEADER,
	RELAY_KEEP_AUTHOR_REPLY_TO,
	RELAY_KEEP_AUTHOR_OFF,
};

enum tls_minimum {
	TLS_MINIMUM_1_0,
	TLS_MINIMUM_1_1,
	TLS_MINIMUM_1_2,
	TLS_MINIMUM_1_3,
};

struct relay_identity {
	char *address; /* NULL: no identity configured */
	char *name;
};

/* A header field added at delivery; `value` is a template. */
struct relay_header {
	char *name;
	char *value;
};

struct relay_limits {
	uint32_t connections; /* at a time; never 0 */
	uint32_t messages_per_connection;
	struct settings_rate rates[SETTINGS_RATES_MAX]; /* all hold */
	size_t rate_count;
	uint32_t recipients; /* in one transaction */
	uint64_t size_bytes;
	uint64_t usual_size_bytes; /* where the relay announces none */
	uint32_t idle_s;           /* a pooled connection is kept this long */
	uint32_t lifetime_s;       /* of one connection */
};

struct relay_tls {
	char *ca_file; /* NULL: the system's */
	bool verify;
	enum tls_minimum minimum;
	char *fingerprint; /* 64 lower-case hex digits: SHA-256 of the SPKI */
	char *certificate; /* ours, a file; NULL: none */
	char *key;
};

enum oauth_grant {
	OAUTH_DEVICE,             /* RFC 8628: a person, a code, any browser */
	OAUTH_AUTHORIZATION_CODE, /* RFC 6749 4.1: a person and a browser */
	OAUTH_CLIENT_CREDENTIALS, /* RFC 6749 4.4: nobody has to log in */
	OAUTH_JWT_BEARER,         /* RFC 7523 2.1: likewise, by a key */
};

/* Where access tokens come from; only grant and is_set count without. */
struct relay_oauth {
	bool is_set;
	enum oauth_grant grant;
	char *client_id;
	struct secret *client_secret; /* NULL: a public client */
	char *scopes;                 /* with spaces between; NULL: none */
	char *authorization_url;      /* NULL where the grant has no use */
	char *device_url;
	char *token_url;
	char *ca_file;      /* of their certificates; NULL: the system's */
	struct secret *key; /* PEM; JWT_BEARER only, as all that follow */
	char *key_id;       /* or NULL */
	char *issuer, *subject, *audience;
};

/* Trouble made on purpose, at random; all 0: none. */
struct settings_chaos {
	uint32_t refuse_percent; /* of the recipients */
	uint32_t defer_percent;
	uint32_t cut_percent; /* of the transactions: the last reply is lost */
	uint32_t delay_s;     /* before each transaction */
	uint32_t seed;        /* 0: no run is like another */
};

/* What is done to mail before it leaves, so that nobody gets it by mistake. */
struct settings_staging {
	char *redirect; /* whoever it was for, it goes there; NULL: off */
	struct settings_words allow, refuse; /* patterns; none to allow: all */
	struct settings_chaos chaos;
};

struct relay_settings {
	/* Derived from the name alone, so that queued mail outlives edits;
	 * never 0, and no two relays share one. */
	uint32_t id;
	char *name;
	char *description;
	const struct provider *provider; /* static data, or NULL */
	enum relay_managed managed;
	char *file; /* where it was defined; NULL for the built-in one */
	bool enabled, fallback_after_unknown;

	enum relay_kind kind;
	/* smtp, lmtp: a host name or an address without brackets; else NULL */
	char *host;
	uint16_t port; /* direct: of the recipients' hosts (25) */
	/* maildir: its folder; lmtp: a Unix socket (host is NULL); else NULL */
	char *path;
	enum relay_security security;
	struct relay_tls tls;
	char *hostname; /* EHLO name of this relay; NULL: settings.hostname */

	enum relay_authentication authentication;
	char *mechanism; /* upper case, with RELAY_AUTHENTICATION_MECHANISM */
	char *username;
	/* See secret.h. At most one of the three is set. */
	struct secret *password;
	struct secret *token;     /* of XOAUTH2 and OAUTHBEARER */
	struct relay_oauth oauth; /* the same, fetched by relaisd */

	struct relay_identity from;
	enum relay_from_apply from_apply;
	struct settings_words allowed_from;
	struct relay_identity reply_to;
	enum relay_keep_author keep_author;
	struct relay_header *headers;
	size_t header_count;

	struct relay_limits limits;
	struct settings_staging staging; /* its own; see staging.h */
	bool is_staged; /* by these, or by those of the whole */
	/* What the user's hints make of its replies. */
	struct verdict_ruleset rules;

	uint32_t *fallback; /* relay ids, in order */
	size_t fallback_count;
};

/* All conditions that are set must hold; the first rule that does wins. */
struct route_rule {
	char *from; /* patterns: `*` matches anything, case is ignored */
	char *to;
	char *tag;
	bool has_user, has_group;
	uid_t user;
	gid_t group;
	bool has_if_priority;
	enum priority if_priority;
	uint32_t relay; /* id; 0: the rule sets the priority only */
	bool has_priority;
	enum priority priority;
};

enum hint_treatment {
	HINT_AS_IT_IS,
	HINT_RETRY,
	HINT_BOUNCE,
	HINT_HOLD_RELAY,
	HINT_PAUSE_RELAY,
	HINT_SLOW_DOWN,
	HINT_FEWER_CONNECTIONS,
};

/* What some reply means; all conditions that are set must hold. */
struct hint_rule {
	uint32_t relay; /* id; 0: any */
	char *code;     /* patterns of smtp/verdict_rules.h */
	char *enhanced;
	char *text; /* in lower case */
	enum hint_treatment treat_as;
	uint32_t after_s;
	char *explain; /* for people; or NULL */
	char *next;
};

struct submitter_rule {
	bool has_user, has_group; /* neither: everybody */
	uid_t user;
	gid_t group;
	bool administrator;
	struct settings_words senders; /* patterns; count 0: anyone */
	struct settings_rate rate;     /* messages */
	uint32_t burst;
	uint32_t queued;        /* messages waiting at a time */
	uint64_t size_bytes;    /* of a message, beside receive.message_size */
	uint32_t recipients;    /* of a message, beside receive.recipients */
	uint32_t share_percent; /* of the store; 100: no limit */
	uint32_t connections;
	enum priority priority_limit; /* the best it may ask for */
	uint32_t *relays;             /* ids it may name with XRELAY */
	size_t relay_count;
	bool any_relay;
	bool header_parameters; /* X-Relais-… fields are honoured */
};

/* A relay that was removed, and the one that has its mail since. */
struct relay_heir {
	uint32_t relay; /* ids; no relay of the first one exists */
	uint32_t heir;
};

/* A loopback TCP port; whoever connects counts as `user`. */
struct settings_listen {
	char *address; /* numeric, without brackets */
	uint16_t port;
	uid_t user;
};

enum settings_log_level {
	SETTINGS_LOG_ERROR,
	SETTINGS_LOG_WARNING,
	SETTINGS_LOG_INFO,
	SETTINGS_LOG_DEBUG,
};

struct settings_retry {
	uint32_t first_s;
	uint32_t factor_percent; /* 170: each delay is 1.7 times the last */
	uint32_t maximum_s;
	uint32_t jitter_percent;
	uint32_t expire_s;
	uint32_t warn_s;
};

struct settings_bounces {
	char *to;               /* NULL: the sender */
	char *from;             /* NULL: the null sender */
	uint32_t expire_s;      /* of the bounces themselves */
	uint32_t gather_s;      /* failures of one message are told together */
	uint32_t summary_s;     /* so are those of a relay's outage */
	uint64_t content_bytes; /* larger messages: their header alone */
};

/* Whom a relay in trouble is told to, and after how long. */
struct settings_alarms {
	struct settings_words command; /* count 0: none */
	char *mail;                    /* NULL: nobody */
	uint32_t first_s, second_s;
};

struct settings_queue {
	char *directory;
	uint64_t maximum_bytes;
	uint32_t keep_finished_s;
	uint32_t keep_failed_bodies_s;
};

struct settings_receive {
	char *socket;
	mode_t socket_mode;
	struct settings_listen *listen;
	size_t listen_count;
	uint64_t message_size_bytes;
	uint64_t header_size_bytes;
	uint32_t recipients;
	uint64_t memory_bytes;
	uint32_t connections;
	uint32_t timeout_s;  /* a client that is silent for so long is gone */
	uint32_t deadline_s; /* from MAIL to the end of the message */
};

struct settings_control {
	char *socket;
	uid_t *users; /* root is always one */
	size_t user_count;
	gid_t *groups;
	size_t group_count;
};

struct settings_metrics {
	uint16_t port;  /* on loopback; 0: none */
	char *textfile; /* for node_exporter; NULL: none */
};

struct settings_delivery {
	uint32_t workers;          /* at least 2 */
	uint32_t drain_s;          /* TERM waits so long for running attempts */
	uint32_t timeouts_percent; /* of what RFC 5321 4.5.3.2 grants */
};

struct settings_resolver {
	/* `address` or `address:port`; count 0: those of resolv.conf */
	struct settings_words servers;
	uint32_t timeout_s; /* of one query */
	uint32_t tries;
};

struct settings {
	struct settings_lifetime *lifetime; /* settings.c's */
	char *file; /* NULL: there was none, all is default */

	char *hostname;
	bool has_full_hostname; /* one that means something elsewhere */
	char *domain;           /* appended to bare names; never NULL */
	bool has_full_domain;

	struct relay_settings *relays; /* at least one */
	size_t relay_count;
	const struct relay_settings *default_relay; /* one of them */
	char *default_relay_file; /* that names it; NULL: none does */
	struct relay_heir *heirs;
	size_t heir_count;

	struct hint_rule *hints;
	size_t hint_count;

	struct route_rule *routes;
	size_t route_count;
	/* In the file's order; the last one holds for everybody. */
	struct submitter_rule *submitters;
	size_t submitter_count;
	char *aliases_file;
	struct alias *aliases; /* aliases.h */
	size_t alias_count;

	struct settings_queue queue;
	struct settings_receive receive;
	struct settings_control control;
	struct settings_metrics metrics;
	struct settings_delivery delivery;
	struct settings_resolver resolver;
	struct settings_retry retry;
	struct settings_bounces bounces;
	struct settings_alarms alarms;
	struct settings_words events_command; /* count 0: none */
	struct settings_staging staging;      /* of all mail */
	enum settings_log_level log_level;
};

/**
 * Read and check everything.
 *
 * @param path     the main file, borrowed for the call; NULL: the default
 *                 path, where a missing file means "all defaults"
 * @param[out] ret_settings  on success: yours, one reference
 * @param errors   gets everything that is wrong, also warnings on success
 * @return 0; -EINVAL with at least one error in `errors`
 */
int settings_load(const char *path, const struct settings **ret_settings,
                  struct settings_errors *errors);

/* A generated file that is about to change; both borrowed. */
struct settings_edit {
	char *path;     /* as it will be */
	char *new_path; /* where it is written already; NULL: it goes */
};

/* The same, as if the edits had been made. */
int settings_load_edited(const char *path, const struct settings_edit *edits,
                         size_t edit_count,
                         const struct settings **ret_settings,
                         struct settings_errors *errors);

/**
 * Settings with one relay, which is not saved anywhere: `node` holds its keys,
 * as the API may set them. Names of this host are those of `base`.
 *
 * @return 0; -EINVAL with at least one error in `errors`
 */
int settings_load_relay(const struct settings *base, const char *name,
                        const struct settings_node *node,
                        const struct settings **ret_settings,
                        struct settings_errors *errors);

/**
 * Keys that differ and that a running daemon cannot take over, as in
 * "queue.directory".
 *
 * @param[out] ret_paths  up to `max` of them; constants
 * @return how many were written
 */
size_t settings_needing_restart(const struct settings *old_settings,
                                const struct settings *new_settings,
                                const char **ret_paths, size_t max);

/* NULL is allowed in both. The last unref frees, secrets wiped. */
const struct settings *settings_ref(const struct settings *settings);
void settings_unref(const struct settings *settings);

/* Borrowed until `settings` is unref'ed; NULL if there is no such relay. */
const struct relay_settings *
settings_find_relay(const struct settings *settings, uint32_t id);
const struct relay_settings *
settings_find_relay_by_name(const struct settings *settings, const char *name);

/* The id a relay of this name has or would have. */
uint32_t settings_relay_id(const char *name);

/* The relay that has this removed one's mail; NULL if nobody said. */
const struct relay_settings *settings_find_heir(const struct settings *settings,
                                                uint32_t id);

/*
 * The rule for the peer with this uid and these gids (the primary one
 * included). Never NULL. Root has no limits and is an administrator.
 */
const struct submitter_rule *
settings_find_submitter(const struct settings *settings, uid_t uid,
                        const gid_t *gids, size_t gid_count);

/* Root, the daemon's own uid, control.administrators, or by its rule. */
bool settings_is_administrator(const struct settings *settings, uid_t uid,
                               const gid_t *gids, size_t gid_count);

/* Words of the settings language, e.g. "starttls", "urgent". */
const char *relay_kind_name(enum relay_kind kind);
const char *relay_security_name(enum relay_security security);
const char *relay_from_apply_name(enum relay_from_apply apply);
const char *relay_keep_author_name(enum relay_keep_author keep);
const char *tls_minimum_name(enum tls_minimum minimum);
const char *relay_managed_name(enum relay_managed managed);
const char *oauth_grant_name(enum oauth_grant grant);
const char *priority_name(enum priority priority);

/**
 * `scheme://user@host:port` of a relay, never with a secret.
 *
 * @return yours to free
 */
char *relay_settings_url_dup(const struct relay_settings *relay);

#endif
