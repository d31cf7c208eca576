#include "config.h"

#include "sendmail_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sendmail_settings.h"

/* What is known so far, and where to complain. */
struct parser {
	struct sendmail_options *options;
	void (*warn)(const char *format, ...);
	char *error;
};

typedef int (*option_handler)(struct parser *parser, const char *value);

enum value_kind {
	VALUE_NONE,
	/* the rest of the word, or the next word */
	VALUE_NEEDED,
	/* the rest of the word, which may be empty */
	VALUE_GLUED,
};

static int on_mode(struct parser *parser, const char *value);
static int on_body(struct parser *parser, const char *value);
static int on_full_name(struct parser *parser, const char *value);
static int on_sender(struct parser *parser, const char *value);
static int on_dots(struct parser *parser, const char *value);
static int on_aliases(struct parser *parser, const char *value);
static int on_admin(struct parser *parser, const char *value);
static int on_notify(struct parser *parser, const char *value);
static int on_setting(struct parser *parser, const char *value);
static int on_old_setting(struct parser *parser, const char *value);
static int on_flush(struct parser *parser, const char *value);
static int on_return(struct parser *parser, const char *value);
static int on_take_recipients(struct parser *parser, const char *value);
static int on_envelope_id(struct parser *parser, const char *value);
static int on_verbose(struct parser *parser, const char *value);

/* A handler of NULL: taken, and of no meaning here. */
static const struct {
	char letter;
	enum value_kind value;
	option_handler handle;
} letters[] = {
	{ 'A', VALUE_NEEDED, NULL },
	{ 'B', VALUE_NEEDED, on_body },
	/* Never opened: whoever can pass words may not name files. */
	{ 'C', VALUE_NEEDED, NULL },
	{ 'D', VALUE_NEEDED, NULL },
	{ 'E', VALUE_GLUED, NULL },
	{ 'F', VALUE_NEEDED, on_full_name },
	{ 'G', VALUE_NONE, NULL },
	{ 'I', VALUE_NONE, on_aliases },
	{ 'J', VALUE_GLUED, NULL },
	{ 'L', VALUE_NEEDED, NULL },
	{ 'M', VALUE_GLUED, on_admin },
	{ 'N', VALUE_NEEDED, on_notify },
	{ 'O', VALUE_NEEDED, on_setting },
	{ 'R', VALUE_NEEDED, on_return },
	{ 'U', VALUE_NONE, NULL },
	{ 'V', VALUE_NEEDED, on_envelope_id },
	/* As -C. */
	{ 'X', VALUE_NEEDED, NULL },
	{ 'b', VALUE_NEEDED, on_mode },
	{ 'd', VALUE_GLUED, NULL },
	{ 'e', VALUE_NEEDED, NULL },
	{ 'f', VALUE_NEEDED, on_sender },
	{ 'h', VALUE_NEEDED, NULL },
	{ 'i', VALUE_NONE, on_dots },
	{ 'm', VALUE_NONE, NULL },
	{ 'n', VALUE_NONE, NULL },
	{ 'o', VALUE_NEEDED, on_old_setting },
	{ 'p', VALUE_NEEDED, NULL },
	{ 'q', VALUE_GLUED, on_flush },
	{ 'r', VALUE_NEEDED, on_sender },
	{ 't', VALUE_NONE, on_take_recipients },
	{ 'v', VALUE_NONE, on_verbose },
	{ 'x', VALUE_NONE, NULL },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char sendmail_usage[] =
    "usage: sendmail [-it] [-f sender] [-F name] [-N when] [-R hdrs|full] "
    "[-V id]\n"
    "                [-O relais.name=value] [--print-id] [address ...]\n"
    "       sendmail -bs | -bp | -bi | -bv address ... | -q\n"
    "See relais-sendmail(8).\n";

static void read_environment(struct sendmail_options *options);
static int read_name(struct parser *parser, const char *program);
static int read_long(struct parser *parser, const char *word);
static int read_letters(struct parser *parser, char **argv, int argc,
                        int *index);

int sendmail_options_parse(struct sendmail_options *options, int argc,
                           char **argv, void (*warn)(const char *format, ...),
                           char error[OPTIONS_ERROR_SIZE])
{
	struct parser parser = { options, warn, error };
	int i, r;

	*options = (struct sendmail_options){
		.ends_at_dot = true,
		.id_fd = -1,
	};
	read_environment(options);
	r = read_name(&parser, argc > 0 ? argv[0] : "sendmail");
	for (i = 1; i < argc && r == 0; i++) {
		const char *word = argv[i];

		if (word[0] != '-' || word[1] == '\0')
			break;
		if (strcmp(word, "--") == 0) {
			i++;
			break;
		}
		if (word[1] == '-')
			r = read_long(&parser, word);
		else
			r = read_letters(&parser, argv, argc, &i);
	}
	options->operands = argv + i;
	options->operand_count = argc > i ? argc - i : 0;
	return r;
}

static void read_environment(struct sendmail_options *options)
{
	const char *value = getenv("RELAIS_PRINT_ID");

	options->prints_id = value && *value && strcmp(value, "0") != 0;
	value = getenv("RELAIS_ID_FD");
	if (value && *value >= '0' && *value <= '9' && strlen(value) < 5)
		options->id_fd = atoi(value);
	value = getenv("NAME");
	if (value && *value)
		options->full_name = value;
}

static int read_name(struct parser *parser, const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash ? slash + 1 : program;

	if (strcmp(name, "mailq") == 0)
		parser->options->mode = MODE_LIST;
	else if (strcmp(name, "newaliases") == 0)
		parser->options->mode = MODE_ALIASES;
	return 0;
}

static int read_long(struct parser *parser, const char *word)
{
	if (strcmp(word, "--print-id") == 0)
		parser->options->prints_id = true;
	else if (strcmp(word, "--help") == 0)
		parser->options->mode = MODE_HELP;
	else if (strcmp(word, "--version") == 0)
		parser->options->mode = MODE_VERSION;
	else {
		(void)snprintf(parser->error, OPTIONS_ERROR_SIZE,
		               "there is no option %.40s", word);
		return -EINVAL;
	}
	return 0;
}

/* One word of options, and the next one if that is the last one's value. */
static int read_letters(struct parser *parser, char **argv, int argc,
                        int *index)
{
	const char *at = argv[*index] + 1;

	for (; *at; at++) {
		const char *value = "";
		size_t i = 0;
		int r = 0;

		while (i < COUNT(letters) && letters[i].letter != *at)
			i++;
		if (i == COUNT(letters)) {
			(void)snprintf(parser->error, OPTIONS_ERROR_SIZE,
			               "there is no option -%c",
			               *at > ' ' && *at < 127 ? *at : '?');
			return -EINVAL;
		}
		if (letters[i].value != VALUE_NONE)
			value = at + 1;
		if (letters[i].value == VALUE_NEEDED && *value == '\0') {
			if (++*index >= argc) {
				(void)snprintf(parser->error,
				               OPTIONS_ERROR_SIZE,
				               "option -%c needs a value", *at);
				return -EINVAL;
			}
			value = argv[*index];
		}
		if (letters[i].handle)
			r = letters[i].handle(parser, value);
		if (r < 0 || letters[i].value != VALUE_NONE)
			return r;
	}
	return 0;
}

/* -------------------------------------------------------------- handlers */

static int on_mode(struct parser *parser, const char *value)
{
	static const struct {
		char letter;
		enum sendmail_mode mode;
		const char *note;
	} modes[] = {
		{ 'm', MODE_SUBMIT, NULL },
		{ 's', MODE_SMTP, NULL },
		{ 'p', MODE_LIST, NULL },
		{ 'i', MODE_ALIASES, NULL },
		{ 'v', MODE_VERIFY, NULL },
		{ 'h', MODE_NOTHING, "relaisd keeps no host status files" },
		{ 'H', MODE_NOTHING, "relaisd keeps no host status files" },
		{ 'P', MODE_NOTHING,
		  "for the state of the queue see: "
		  "relaisctl status" },
	};

	for (size_t i = 0; i < COUNT(modes) && value[1] == '\0'; i++) {
		if (modes[i].letter != value[0])
			continue;
		parser->options->mode = modes[i].mode;
		parser->options->note = modes[i].note;
		return 0;
	}
	if (value[1] == '\0' && *value && strchr("dDlt", *value))
		(void)snprintf(
		    parser->error, OPTIONS_ERROR_SIZE,
		    "-b%c is not for this program (the daemon is relaisd; "
		    "systemctl start relaisd)",
		    *value);
	else
		(void)snprintf(parser->error, OPTIONS_ERROR_SIZE,
		               "there is no mode -b%.10s", value);
	return -EINVAL;
}

/* A hint, and only that: relaisd looks at the content itself. */
static int on_body(struct parser *parser, const char *value)
{
	if (strcasecmp(value, "7BIT") == 0)
		parser->options->envelope.is_7bit = 1;
	else if (strcasecmp(value, "8BITMIME") == 0 ||
	         strcasecmp(value, "BINARYMIME") == 0)
		parser->options->envelope.is_7bit = 0;
	else
		parser->warn("-B %.40s is ignored (7BIT or 8BITMIME)", value);
	return 0;
}

static int on_full_name(struct parser *parser, const char *value)
{
	parser->options->full_name = value;
	return 0;
}

static int on_sender(struct parser *parser, const char *value)
{
	parser->options->sender = value;
	return 0;
}

static int on_dots(struct parser *parser, const char *value)
{
	(void)value;
	parser->options->ends_at_dot = false;
	return 0;
}

static int on_aliases(struct parser *parser, const char *value)
{
	(void)value;
	parser->options->mode = MODE_ALIASES;
	return 0;
}

/* Exim's, with ids as operands, which must not be taken for addresses. */
static int on_admin(struct parser *parser, const char *value)
{
	(void)snprintf(
	    parser->error, OPTIONS_ERROR_SIZE,
	    "-M%.10s is not for this program (the queue is steered by "
	    "relaisctl; see relaisctl --help)",
	    value);
	return -EINVAL;
}

/* RFC 3461: never, or a list of the others. */
static int on_notify(struct parser *parser, const char *value)
{
	static const char *const names[] = { "never", "success", "failure",
		                             "delay" };
	unsigned notify = 0;

	for (const char *at = value;;) {
		size_t len = strcspn(at, ",");
		size_t i = 0;

		while (i < COUNT(names) &&
		       (strlen(names[i]) != len ||
		        strncasecmp(names[i], at, len) != 0))
			i++;
		notify |= 1u << i;
		if (at[len] == '\0')
			break;
		at += len + 1;
	}
	if (notify > 15 || ((notify & 1) && notify != 1))
		parser->warn("-N %.40s is ignored (never, or a list of "
		             "success, failure, delay)",
		             value);
	else
		parser->options->envelope.notify = notify;
	return 0;
}

static int on_return(struct parser *parser, const char *value)
{
	struct relais_envelope *envelope = &parser->options->envelope;

	if (strcasecmp(value, "full") == 0)
		envelope->return_what = RELAIS_RETURN_FULL;
	else if (strcasecmp(value, "hdrs") == 0 ||
	         strcasecmp(value, "headers") == 0)
		envelope->return_what = RELAIS_RETURN_HEADERS;
	else
		parser->warn("-R %.40s is ignored (full or hdrs)", value);
	return 0;
}

static int on_envelope_id(struct parser *parser, const char *value)
{
	bool is_good = *value != '\0' && strlen(value) <= 100;

	for (const char *at = value; *at; at++)
		is_good = is_good && *at >= ' ' && *at <= '~';
	if (is_good)
		parser->options->envelope.envelope_id = value;
	else
		parser->warn("-V %.40s is ignored (up to 100 printable "
		             "characters)",
		             value);
	return 0;
}

static int on_setting(struct parser *parser, const char *value)
{
	return sendmail_settings_read(parser->options, value, parser->error);
}

/* -oi and -oitrue; all others are of no meaning here. */
static int on_old_setting(struct parser *parser, const char *value)
{
	if (value[0] == 'i')
		parser->options->ends_at_dot = value[1] == 'f';
	return 0;
}

static int on_flush(struct parser *parser, const char *value)
{
	struct sendmail_options *options = parser->options;

	if (value[0] == '\0' || strcmp(value, "f") == 0) {
		options->mode = MODE_FLUSH;
	} else if (strchr("IRS", value[0]) && value[1]) {
		options->mode = MODE_FLUSH;
		options->flush_by = value[0];
		options->flush_what = value + 1;
	} else {
		/* How often to look: relaisd knows when something is due. */
		options->mode = MODE_NOTHING;
	}
	return 0;
}

static int on_take_recipients(struct parser *parser, const char *value)
{
	(void)value;
	parser->options->takes_recipients = true;
	return 0;
}

static int on_verbose(struct parser *parser, const char *value)
{
	(void)value;
	parser->options->verbosity++;
	return 0;
}
