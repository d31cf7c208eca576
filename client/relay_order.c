#include "config.h"

#include "relay_order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "command.h"
#include "json.h"
#include "question.h"

#define YAML_MAX (64 * 1024)

static const struct {
	enum option option;
	const char *key;
} keys[] = {
	{ OPTION_DESCRIPTION, "description" },
	{ OPTION_PROVIDER, "provider" },
	{ OPTION_URL, "url" },
	{ OPTION_HOST, "host" },
	{ OPTION_PORT, "port" },
	{ OPTION_SECURITY, "security" },
	{ OPTION_AUTHENTICATION, "authentication" },
	{ OPTION_USERNAME, "username" },
	{ OPTION_CREDENTIAL, "credential" },
	{ OPTION_FROM, "from.address" },
	{ OPTION_FROM_NAME, "from.name" },
	{ OPTION_REPLY_TO, "reply_to.address" },
	{ OPTION_REPLY_TO_NAME, "reply_to.name" },
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* Keys whose values are lists, also of one word. */
static const char *const lists[] = {
	"allowed_from",     "fallback",     "limits.rate",
	"recipients.allow", "oauth.scopes", "recipients.refuse",
};

static bool is_list(const char *key);
static int read_file(const char *path, char **ret_text);

bool relay_order_is_given(const struct invocation *invocation, int first)
{
	return invocation->operand_count > first ||
	       (command_options_given(invocation) & HAS_RELAY_KEYS) != 0;
}

int relay_order_first_key(const struct invocation *invocation)
{
	return invocation->operand_count > 0 &&
	       !strchr(invocation->operands[0], '=');
}

int relay_order_read(const struct invocation *invocation, int first,
                     struct json *order)
{
	size_t i;
	int operand;

	for (i = 0; i < KEYS; i++)
		if (invocation->values[keys[i].option])
			relay_order_put(order, keys[i].key,
			                invocation->values[keys[i].option]);
	for (operand = first; operand < invocation->operand_count; operand++) {
		char *word = invocation->operands[operand];
		char *equals = strchr(word, '=');

		if (!equals || equals == word) {
			command_complain("expected KEY=VALUE, not `%s`", word);
			return EXIT_BAD_USAGE;
		}
		*equals = '\0';
		relay_order_put(order, word, equals + 1);
		*equals = '=';
	}
	return EXIT_FINE;
}

void relay_order_put(struct json *order, const char *key, const char *value)
{
	bool has_words = is_list(key);
	char name[128];
	const char *dot;

	while ((dot = strchr(key, '.')) && (size_t)(dot - key) < sizeof(name)) {
		memcpy(name, key, (size_t)(dot - key));
		name[dot - key] = '\0';
		order = json_get_object(order, name);
		key = dot + 1;
	}
	if (*value == '\0')
		json_put_null(order, key);
	else if (has_words ||
	         (*value == '[' && value[strlen(value) - 1] == ']'))
		json_put_list(order, key, value);
	else
		json_put_text(order, key, value);
}

static bool is_list(const char *key)
{
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (strcmp(lists[i], key) == 0)
			return true;
	return false;
}

int relay_order_read_password(const struct invocation *invocation,
                              struct json *order, bool needs_one)
{
	const char *file = invocation->values[OPTION_PASSWORD_FILE];
	const char *command = invocation->values[OPTION_PASSWORD_COMMAND];
	const char *what = file ? file : command;
	char *password = NULL;

	if (!!file + !!command + !!invocation->values[OPTION_PASSWORD] +
	        !!invocation->values[OPTION_CREDENTIAL] >
	    1) {
		command_complain("the password is asked for, or read from a "
		                 "file, a command or a credential: one of "
		                 "them");
		return EXIT_BAD_USAGE;
	}
	if (file)
		password = question_file(file);
	else if (command)
		password = question_command(command);
	else if (invocation->values[OPTION_PASSWORD] || needs_one)
		password = question_secret("Password");
	else
		return EXIT_FINE;
	if (!password || !*password) {
		question_wipe(password);
		if (what)
			command_complain("there is no password in %s", what);
		else
			command_complain("no password was given");
		return EXIT_NOT_SO;
	}
	json_put_text(order, "password", password);
	question_wipe(password);
	return EXIT_FINE;
}

int relay_order_text(const struct invocation *invocation,
                     const struct json *order, struct ask_text *ret_text,
                     char **ret_memory)
{
	const char *file = invocation->values[OPTION_YAML];
	int r;

	if (!file) {
		*ret_memory = json_print(order);
		if (!*ret_memory)
			return ask_complain(invocation, -ENOMEM);
		*ret_text = (struct ask_text){ .text = *ret_memory };
		return EXIT_FINE;
	}
	if (!json_is_empty(order)) {
		command_complain("with --yaml all keys are in the file: no "
		                 "other option sets one, nor does KEY=VALUE");
		return EXIT_BAD_USAGE;
	}
	r = read_file(file, ret_memory);
	if (r < 0) {
		command_complain("%s: %s", file, strerror(-r));
		return EXIT_NOT_SO;
	}
	*ret_text = (struct ask_text){ .type = "application/yaml",
		                       .text = *ret_memory };
	return EXIT_FINE;
}

static int read_file(const char *path, char **ret_text)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	struct buffer text;
	int r = 0;

	if (!file)
		return -errno;
	buffer_init(&text, 0);
	while (r == 0 && !feof(file) && text.len < YAML_MAX) {
		r = buffer_reserve(&text, 8192);
		if (r == 0)
			buffer_grow(&text,
			            fread(text.data + text.len, 1, 8192, file));
		if (ferror(file))
			r = -EIO;
	}
	if (r == 0 && text.len >= YAML_MAX)
		r = -EFBIG;
	if (file != stdin)
		(void)fclose(file);
	if (r == 0)
		r = buffer_take(&text, ret_text, NULL);
	buffer_done(&text);
	return r;
}
