/*
 * import_postfix - relayhost, its login and its TLS from main.cf
 */
#include "config.h"

#include "import.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

struct postfix {
	struct import *import;
	char relayhost[256], passwords[256], level[32], hostname[256];
	char generic[256], by_sender[256];
	bool is_wrapped;
};

struct login {
	const char *key;
	struct import_relay *relay;
};

static void take(char *field, size_t size, const char *value);
static const char *map_file(const char *map);

static void on_parameter(void *context, char *line)
{
	struct postfix *postfix = context;
	char *value = strchr(line, '=');
	const char *key;

	if (!value)
		return;
	*value++ = '\0';
	key = import_word(&line);
	value += strspn(value, " \t");
	if (strcmp(key, "relayhost") == 0)
		take(postfix->relayhost, sizeof(postfix->relayhost), value);
	else if (strcmp(key, "smtp_sasl_password_maps") == 0)
		take(postfix->passwords, sizeof(postfix->passwords), value);
	else if (strcmp(key, "smtp_tls_security_level") == 0)
		take(postfix->level, sizeof(postfix->level), value);
	else if (strcmp(key, "smtp_tls_wrappermode") == 0)
		postfix->is_wrapped = import_is_on(value);
	else if (strcmp(key, "myhostname") == 0)
		take(postfix->hostname, sizeof(postfix->hostname), value);
	else if (strcmp(key, "smtp_generic_maps") == 0)
		take(postfix->generic, sizeof(postfix->generic), value);
	else if (strcmp(key, "sender_dependent_relayhost_maps") == 0)
		take(postfix->by_sender, sizeof(postfix->by_sender), value);
}

/* The last one counts, as it does for Postfix. */
static void take(char *field, size_t size, const char *value)
{
	snprintf(field, size, "%s", value);
}

/* "hash:/etc/postfix/sasl_passwd" is made from the file of that name. */
static const char *map_file(const char *map)
{
	const char *colon = strchr(map, ':');

	return colon ? colon + 1 : map;
}

/* RELAY USER:PASSWORD */
static void on_login(void *context, char *line)
{
	struct login *login = context;
	char *value = line + strcspn(line, " \t");
	char *password;

	if (*value == '\0')
		return;
	*value++ = '\0';
	value += strspn(value, " \t");
	password = strchr(value, ':');
	if (strcmp(line, login->key) != 0 || !password)
		return;
	*password++ = '\0';
	import_put(login->relay, "username", value);
	import_put(login->relay, "password", password);
}

/* What Postfix calls a level is security and verification here. */
static void put_security(struct postfix *postfix, struct import_relay *relay)
{
	const char *level = postfix->level;
	bool is_verified =
	    strcmp(level, "verify") == 0 || strcmp(level, "secure") == 0;

	if (postfix->is_wrapped)
		import_put(relay, "security", "tls");
	else if (is_verified || strcmp(level, "encrypt") == 0)
		import_put(relay, "security", "starttls");
	else if (json_text(relay->order, "username")) {
		import_put(relay, "security", "starttls");
		import_note(postfix->import, "Postfix logs in where TLS is "
		                             "refused, too; relais does not");
	} else if (strcmp(level, "may") == 0)
		import_put(relay, "security", "opportunistic");
	else
		import_put(relay, "security", "none");
	if ((postfix->is_wrapped || strcmp(level, "encrypt") == 0) &&
	    !is_verified)
		import_note(
		    postfix->import,
		    "Postfix did not look at the "
		    "relay's certificate; relais does. If it is one of your "
		    "own: relaisctl relay set relayhost tls.ca_file=FILE");
}

int import_postfix(struct import *import, const char *path)
{
	struct postfix postfix = { .import = import };
	struct login login = { .key = postfix.relayhost };
	int r;

	r = import_lines(import, path ? path : "/etc/postfix/main.cf",
	                 on_parameter, &postfix);
	if (r < 0)
		return r;
	if (postfix.generic[0] != '\0')
		import_note(import,
		            "smtp_generic_maps (%s): see from, "
		            "allowed_from and aliases in relais.yaml(5)",
		            postfix.generic);
	if (postfix.by_sender[0] != '\0')
		import_note(import,
		            "sender_dependent_relayhost_maps (%s): "
		            "see routes in relais.yaml(5)",
		            postfix.by_sender);
	if (postfix.relayhost[0] == '\0') {
		import_note(import, "there is no relayhost: relais delivers "
		                    "directly without a relay, as Postfix did");
		return 0;
	}
	login.relay = import_relay(import, "relayhost");
	if (!login.relay)
		return -ENOMEM;
	login.relay->is_default = true;
	import_put_host(login.relay, postfix.relayhost);
	import_put(login.relay, "hostname",
	           strchr(postfix.hostname, '$') ? NULL : postfix.hostname);
	if (postfix.passwords[0] != '\0')
		r = import_lines(import, map_file(postfix.passwords), on_login,
		                 &login);
	put_security(&postfix, login.relay);
	return r;
}
