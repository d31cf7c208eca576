#include "config.h"

#include "control/relay_draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "buffer.h"
#include "control/json.h"
#include "relay_url.h"
#include "runtime/xalloc.h"
#include "settings_tree.h"

/* What a secret is given for. */
static const char *const identity_keys[] = {
	"url", "provider", "host",           "port", "security",
	"tls", "username", "authentication", "oauth"
};
static const char *const secret_keys[] = { "password", "password_file",
	                                   "credential", "password_command",
	                                   "token_command" };
#define IDENTITY_KEYS (sizeof(identity_keys) / sizeof(identity_keys[0]))
#define SECRET_KEYS   (sizeof(secret_keys) / sizeof(secret_keys[0]))

static int take_password_out(struct settings_node *relay);
static bool has_password(const struct settings_node *relay);
static bool has_secret(const struct settings_node *relay);
static bool drop_secrets(struct settings_node *relay);
static bool is_changed(const struct settings_node *relay,
                       const struct settings_node *change, const char *key);

int relay_draft_read(const struct relay_draft_input *input,
                     struct settings_node **ret_relay,
                     struct settings_errors *errors)
{
	static const struct settings_place request = { "request", 0, 0 };
	size_t errors_before = errors->error_count;
	struct settings_node *relay = NULL;
	char error[JSON_ERROR_SIZE];
	int r;

	if (input->len == 0) {
		relay =
		    settings_node_new(SETTINGS_NODE_MAPPING, NULL, &request);
		r = 0;
	} else if (input->is_yaml) {
		r = settings_yaml_parse(&relay, "request", input->text,
		                        input->len, errors);
	} else {
		r = json_read_settings(input->text, input->len, &relay, error);
		if (r < 0)
			settings_errors_add(errors, &request, "%s", error);
	}
	/* Some mistakes leave a tree behind. */
	if (r < 0 || errors->error_count > errors_before) {
		settings_node_free(relay);
		return -EINVAL;
	}
	if (take_password_out(relay) < 0) {
		settings_errors_add(
		    errors, &request,
		    "url: its password has octets that are no UTF-8 text");
		settings_node_free(relay);
		return -EINVAL;
	}
	*ret_relay = relay;
	return 0;
}

/* smtps://USER:PASSWORD@HOST: it is kept, and dropped, apart from the rest. */
static int take_password_out(struct settings_node *relay)
{
	struct settings_node *password, *url = relay->first;
	struct relay_url parts;
	const char *problem;
	char *colon, *at;
	int r = 0;

	while (url && strcmp(url->key, "url") != 0)
		url = url->next;
	if (!url || url->kind != SETTINGS_NODE_SCALAR ||
	    settings_node_find(relay, "password") ||
	    relay_url_parse(&parts, url->text, &problem) < 0)
		return 0;
	if (parts.password &&
	    !address_is_utf8(parts.password, strlen(parts.password))) {
		r = -EINVAL;
	} else if (parts.password) {
		password = settings_node_new(SETTINGS_NODE_SCALAR,
		                             parts.password, &url->place);
		password->is_quoted = true;
		settings_node_add_take(relay, "password", password);
		colon = strchr(strstr(url->text, "://") + 3, ':');
		at = strrchr(url->text, '@');
		memmove(colon, at, strlen(at) + 1);
	}
	relay_url_done(&parts);
	return r;
}

const char *relay_draft_merge(struct settings_node *relay,
                              struct settings_node *change)
{
	bool has_new_secret = has_secret(change);
	const char *reason = NULL;
	size_t i;

	for (i = 0; i < IDENTITY_KEYS && !reason; i++)
		if (is_changed(relay, change, identity_keys[i]))
			reason = identity_keys[i];
	if (has_password(change))
		settings_node_free(settings_node_remove(relay, "oauth"));
	if ((!has_new_secret && !reason) || !drop_secrets(relay) ||
	    has_new_secret)
		reason = NULL;
	settings_node_merge(relay, change);
	return reason;
}

static bool has_password(const struct settings_node *relay)
{
	size_t i;

	for (i = 0; i < SECRET_KEYS; i++)
		if (settings_node_find(relay, secret_keys[i]))
			return true;
	return false;
}

static bool has_secret(const struct settings_node *relay)
{
	const struct settings_node *oauth = settings_node_find(relay, "oauth");

	return has_password(relay) ||
	       (oauth && settings_node_find(oauth, "client_secret"));
}

/* Was there one? */
static bool drop_secrets(struct settings_node *relay)
{
	bool is_dropped = has_secret(relay);
	struct settings_node *oauth = settings_node_remove(relay, "oauth");
	size_t i;

	if (oauth) {
		settings_node_free(
		    settings_node_remove(oauth, "client_secret"));
		settings_node_add_take(relay, "oauth", oauth);
	}

	for (i = 0; i < SECRET_KEYS; i++)
		settings_node_free(settings_node_remove(relay, secret_keys[i]));
	return is_dropped;
}

/* A map that is changed in part counts as changed: `tls` alone is one. */
static bool is_changed(const struct settings_node *relay,
                       const struct settings_node *change, const char *key)
{
	const struct settings_node *old = settings_node_find(relay, key);
	const struct settings_node *new = change->first;

	while (new &&strcmp(new->key, key) != 0)
		new = new->next;
	if (!new)
		return false;
	if (!old)
		return !settings_node_is_empty(new);
	return !settings_node_is_same(old, new);
}

char *relay_draft_keys(const struct settings_node *relay)
{
	const struct settings_node *child;
	struct buffer keys;
	char *text;

	buffer_init(&keys, 0);
	for (child = relay->first; child; child = child->next)
		if (buffer_appendf(&keys, "%s%s", keys.len > 0 ? " " : "",
		                   child->key) < 0)
			abort();
	if (buffer_take(&keys, &text, NULL) < 0)
		abort();
	return text;
}

char *relay_draft_write(const char *name, const struct settings_node *relay)
{
	char *lines = settings_node_write(relay, 4);
	char *text;

	text = xasprintf("# Made by relaisd. To change it: "
	                 "relaisctl relay set %s KEY=VALUE\n"
	                 "relays:\n"
	                 "  \"%s\":%s\n%s",
	                 name, name, relay->first ? "" : " {}", lines);
	explicit_bzero(lines, strlen(lines));
	free(lines);
	return text;
}
