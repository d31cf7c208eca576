/*
 * fuzz_relay_change - a relay with a password, and any change of it
 *
 * Whatever is sent, as JSON or as YAML: the password stays only if all it was
 * given for is as before, and the file that is written reads as what was meant.
 */
#include "config.h"

#include "control/relay_draft.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/json.h"
#include "settings_tree.h"
#include "settings_yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define SECRET "x9-old-secret-9x"

static const char before[] =
    "{\"host\": \"mx.example.org\", \"port\": 465, \"security\": \"tls\","
    " \"authentication\": \"PLAIN\", \"username\": \"me\","
    " \"tls\": {\"verify\": true}, \"password\": \"" SECRET "\"}";

static const char *const bound_keys[] = {
	"url", "provider", "host",           "port", "security",
	"tls", "username", "authentication", "oauth"
};

static struct settings_node *make_relay(void)
{
	const struct relay_draft_input input = { before, sizeof(before) - 1,
		                                 false };
	struct settings_errors errors;
	struct settings_node *relay = NULL;
	int r;

	settings_errors_init(&errors);
	r = relay_draft_read(&input, &relay, &errors);
	assert(r == 0);
	settings_errors_done(&errors);
	return relay;
}

/* The password is there: it was given for exactly this. */
static void check_bound(const struct settings_node *relay)
{
	struct settings_node *old = make_relay();

	for (size_t i = 0; i < sizeof(bound_keys) / sizeof(bound_keys[0]);
	     i++) {
		const struct settings_node *was, *is;

		was = settings_node_find(old, bound_keys[i]);
		is = settings_node_find(relay, bound_keys[i]);
		assert((was == NULL) == (is == NULL));
		assert(was == NULL || settings_node_is_same(was, is));
	}
	settings_node_free(old);
}

/* What is no name of anything is found when the file is loaded. */
static bool has_names_for_keys(const struct settings_node *node)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-";
	const struct settings_node *child;

	for (child = node->first; child != NULL; child = child->next)
		if ((child->key != NULL &&
		     (child->key[0] == '\0' ||
		      child->key[strspn(child->key, letters)] != '\0')) ||
		    !has_names_for_keys(child))
			return false;
	return true;
}

static void check_file(const struct settings_node *relay)
{
	char *text = relay_draft_write("office", relay);
	struct settings_node *root = NULL;
	const struct settings_node *relays, *again;
	struct settings_errors errors;
	int r;

	settings_errors_init(&errors);
	r = settings_yaml_parse(&root, "file", text, strlen(text), &errors);
	/* Only what is too large to be a file of settings may not be read. */
	if (strlen(text) <= SETTINGS_YAML_SIZE_MAX) {
		assert(r == 0 && errors.error_count == 0);
		relays = settings_node_find(root, "relays");
		assert(relays != NULL && relays->child_count == 1);
		again = relays->first;
		assert(strcmp(again->key, "office") == 0);
		assert(settings_node_is_same(relay, again));
	}
	settings_node_free(root);
	settings_errors_done(&errors);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct relay_draft_input input = { 0 };
	struct settings_node *relay, *change = NULL;
	struct settings_errors errors;

	if (len == 0 || memmem(data, len, SECRET, strlen(SECRET)) != NULL)
		return 0;
	input.is_yaml = (data[0] & 1) != 0;
	input.text = (const char *)data + 1;
	input.len = len - 1;
	settings_errors_init(&errors);
	if (relay_draft_read(&input, &change, &errors) == 0) {
		const struct settings_node *password;

		relay = make_relay();
		(void)relay_draft_merge(relay, change);
		password = settings_node_find(relay, "password");
		if (password != NULL && password->text != NULL &&
		    strcmp(password->text, SECRET) == 0)
			check_bound(relay);
		if (has_names_for_keys(relay))
			check_file(relay);
		settings_node_free(relay);
	} else {
		assert(errors.error_count > 0);
	}
	settings_node_free(change);
	settings_errors_done(&errors);
	return 0;
}
