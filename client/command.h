/*
 * command - what relaisctl can do: one table of commands, one of options
 *
 * The tables give the parser, the usage and each command's --help.
 */
#ifndef RELAIS_COMMAND_H
#define RELAIS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "output.h"

struct buffer;
struct json;

/* The exit codes; those above 63 are sysexits.h's. */
#define EXIT_FINE          0
#define EXIT_NOT_SO        1 /* the thing asked is not so */
#define EXIT_BAD_USAGE     64
#define EXIT_NO_SERVICE    69
#define EXIT_NO_PERMISSION 77

enum option {
	OPTION_HELP,
	OPTION_JSON,
	OPTION_SOCKET,
	/* which messages */
	OPTION_STATE,
	OPTION_RELAY,
	OPTION_SENDER,
	OPTION_RECIPIENT,
	OPTION_SUBMITTER,
	OPTION_TAG,
	OPTION_SINCE,
	OPTION_ALL,
	/* how many, how long, why */
	OPTION_LIMIT,
	OPTION_AFTER,
	OPTION_TIMEOUT,
	OPTION_REASON,
	OPTION_FOR,
	OPTION_UNTIL,
	OPTION_DRY_RUN,
	OPTION_YES,
	OPTION_INTERVAL,
	/* when a message may go out */
	OPTION_AT,
	OPTION_HOLD_FOR,
	/* which relays, and in which order */
	OPTION_FILTER,
	OPTION_SORT,
	/* what a relay is to be */
	OPTION_PROVIDER,
	OPTION_URL,
	OPTION_HOST,
	OPTION_PORT,
	OPTION_SECURITY,
	OPTION_AUTHENTICATION,
	OPTION_USERNAME,
	OPTION_PASSWORD,
	OPTION_PASSWORD_FILE,
	OPTION_PASSWORD_COMMAND,
	OPTION_CREDENTIAL,
	OPTION_FROM,
	OPTION_FROM_NAME,
	OPTION_REPLY_TO,
	OPTION_REPLY_TO_NAME,
	OPTION_DESCRIPTION,
	OPTION_YAML,
	OPTION_DEFAULT,
	OPTION_MOVE_TO,
	/* a mail */
	OPTION_TO,
	OPTION_USER,
	OPTION_PRIORITY,
	OPTION_SUBJECT,
	OPTION_TEXT,
	OPTION_TEXT_FILE,
	OPTION_HTML,
	OPTION_HTML_FILE,
	OPTION_CC,
	OPTION_BCC,
	OPTION_ATTACH,
	OPTION_HEADER,
	OPTION_KEY,
	OPTION_META,
	OPTION_WAIT,
	OPTION_DEADLINE,
	/* of a newcomer */
	OPTION_ADDRESS,
	OPTION_ROOT,
};
#define OPTIONS (OPTION_ROOT + 1)
_Static_assert(OPTIONS <= 64, "a set of options is a 64-bit word");

#define HAS(option) (UINT64_C(1) << (option))
#define HAS_GLOBAL  (HAS(OPTION_HELP) | HAS(OPTION_JSON) | HAS(OPTION_SOCKET))
#define HAS_SELECTION                                                          \
	(HAS(OPTION_STATE) | HAS(OPTION_RELAY) | HAS(OPTION_SENDER) |          \
	 HAS(OPTION_RECIPIENT) | HAS(OPTION_SUBMITTER) | HAS(OPTION_TAG) |     \
	 HAS(OPTION_SINCE))
#define HAS_RELAY_KEYS                                                         \
	(HAS(OPTION_PROVIDER) | HAS(OPTION_URL) | HAS(OPTION_HOST) |           \
	 HAS(OPTION_PORT) | HAS(OPTION_SECURITY) |                             \
	 HAS(OPTION_AUTHENTICATION) | HAS(OPTION_USERNAME) |                   \
	 HAS(OPTION_PASSWORD) | HAS(OPTION_PASSWORD_FILE) |                    \
	 HAS(OPTION_PASSWORD_COMMAND) | HAS(OPTION_CREDENTIAL) |               \
	 HAS(OPTION_FROM) | HAS(OPTION_FROM_NAME) | HAS(OPTION_REPLY_TO) |     \
	 HAS(OPTION_REPLY_TO_NAME) | HAS(OPTION_DESCRIPTION) |                 \
	 HAS(OPTION_YAML))

#define HAS_MAIL                                                               \
	(HAS(OPTION_FROM) | HAS(OPTION_TO) | HAS(OPTION_CC) |                  \
	 HAS(OPTION_BCC) | HAS(OPTION_REPLY_TO) | HAS(OPTION_SUBJECT) |        \
	 HAS(OPTION_TEXT) | HAS(OPTION_TEXT_FILE) | HAS(OPTION_HTML) |         \
	 HAS(OPTION_HTML_FILE) | HAS(OPTION_ATTACH) | HAS(OPTION_HEADER) |     \
	 HAS(OPTION_KEY) | HAS(OPTION_TAG) | HAS(OPTION_META) |                \
	 HAS(OPTION_RELAY) | HAS(OPTION_PRIORITY) | HAS(OPTION_WAIT) |         \
	 HAS(OPTION_AT) | HAS(OPTION_HOLD_FOR) | HAS(OPTION_DEADLINE))

/* An option as it was given; those that may come again come all. */
struct given {
	enum option option;
	const char *value;
};
#define GIVEN_MAX 1024

/* A command line that fits its command. */
struct invocation {
	const struct command *command;
	const char *values[OPTIONS]; /* NULL: not given; "" for a flag */
	struct given given[GIVEN_MAX];
	unsigned given_count;
	char **operands;
	int operand_count;
	struct output output;
	const char *socket;
	bool is_json;
};

struct command {
	const char *name;                  /* of one word or two */
	const char *operands;              /* as in the usage; or NULL */
	int operands_least, operands_most; /* most -1: any number */
	uint64_t options;
	const char *summary;
	const char *help; /* some lines more; or NULL */
	int (*run)(struct invocation *invocation);
};

/* command_table.c */
extern const struct command commands[];
extern const size_t command_count;

/* What people type, a line each; NULL: none. */
const char *command_examples(const struct command *command);

struct option_words {
	const char *name;
	const char *value; /* what it takes; NULL: it is a flag */
	const char *help;
};
extern const struct option_words command_options[OPTIONS];
/* What some of them mean for a mail that is sent; NULL: the same. */
extern const char *const command_mail_options[OPTIONS];

/*
 * Finds the command and takes the words apart. 0; else an exit code, with what
 * was wrong said on stderr. argv is reordered. A command of NULL: none was
 * given.
 */
int command_parse(struct invocation *ret_invocation, int argc, char **argv);

void command_print_usage(FILE *file);
void command_print_help(FILE *file, const struct command *command);

/* "relaisctl: …" on stderr. */
void command_complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* ------------------------------------------------------ command_shared.c */

/* HAS(…) of every option that was given. */
uint64_t command_options_given(const struct invocation *invocation);

void command_print_json(const struct invocation *invocation,
                        const struct json *json);

/*
 * The options that say which messages, into a query string or an order's
 * filter. 0; an exit code (said on stderr); the first also -errno. Without
 * --state and --all a query asks for what waits.
 */
int command_add_selection(const struct invocation *invocation,
                          struct buffer *target);
int command_put_selection(const struct invocation *invocation,
                          struct json *filter);

/* --for and --until, into an order. 0 or an exit code. */
int command_put_until(const struct invocation *invocation, struct json *order);

/* Puts --at or --hold-for as `at`, if given. An exit code. */
int command_put_at(const struct invocation *invocation, struct json *order);

/* A path with one encoded segment. 0 or -errno. */
int command_add_segment(struct buffer *target, const char *before,
                        const char *segment, const char *after);

/* The row of a relay, and why it doesn't work below; command_status.c. */
void command_add_relay(struct table *table, const struct output *output,
                       const struct json *relay);

/* --------------------------------------------------------- the commands */

/* One per command, each in command_<name>.c. */
int command_setup(struct invocation *invocation);
int command_status(struct invocation *invocation);
int command_list(struct invocation *invocation);
int command_show(struct invocation *invocation);
int command_top(struct invocation *invocation);
int command_import(struct invocation *invocation);
int command_backup(struct invocation *invocation);
int command_doctor(struct invocation *invocation);
int command_watch(struct invocation *invocation);
int command_wait(struct invocation *invocation);
int command_send(struct invocation *invocation);
int command_retry(struct invocation *invocation);
int command_hold(struct invocation *invocation);
int command_release(struct invocation *invocation);
int command_reschedule(struct invocation *invocation);
int command_resend(struct invocation *invocation);
int command_cancel(struct invocation *invocation);
int command_relay_list(struct invocation *invocation);
int command_relay_show(struct invocation *invocation);
int command_relay_pause(struct invocation *invocation);
int command_relay_resume(struct invocation *invocation);
int command_route_explain(struct invocation *invocation);
int command_relay_add(struct invocation *invocation);
int command_relay_set(struct invocation *invocation);
int command_relay_remove(struct invocation *invocation);
int command_relay_enable(struct invocation *invocation);
int command_relay_disable(struct invocation *invocation);
int command_relay_default(struct invocation *invocation);
int command_relay_login(struct invocation *invocation);
int command_relay_test(struct invocation *invocation);
int command_providers(struct invocation *invocation);
int command_reload(struct invocation *invocation);

#endif
