/*
 * control_relay_changes - relays are made, changed and removed
 *
 * A change is prepared here as files beside those it will replace; the main
 * loop loads the settings as they would be, and only if they are right gives
 * the files their names and takes the settings over. One change at a time: the
 * next one is prepared from what the last one left.
 */
#include "config.h"

#include "control/handlers.h"

#include <assert.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control_internal.h"
#include "control/relay_change.h"
#include "control/relay_draft.h"
#include "control/relay_file.h"
#include "control/request.h"
#include "deliver/scheduler.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "settings_relay.h"
#include "settings_tree.h"

/* Each answers the request itself where it returns false. */
typedef bool (*preparation)(struct relay_change *change);

static void start(struct relay_change *change);
static bool prepare_add(struct relay_change *change);
static bool prepare_set(struct relay_change *change);
static bool prepare_switch(struct relay_change *change);
static bool prepare_default(struct relay_change *change);
static struct settings_node *read_input(struct relay_change *change);
static bool read_file(struct relay_change *change,
                      const struct relay_settings *relay,
                      struct settings_node **ret_keys);
static bool write_relay(struct relay_change *change,
                        const struct settings_node *relay);
static void on_reloaded(struct letter *letter);
static void reply(struct request *request);
static void refuse(struct relay_change *change);
static void finish(struct relay_change *change);

static const struct {
	const char *name; /* in the log */
	preparation prepare;
} kinds[] = {
	[RELAY_ADD] = { "relay-add", prepare_add },
	[RELAY_SET] = { "relay-set", prepare_set },
	[RELAY_REMOVE] = { "relay-remove", relay_change_prepare_remove },
	[RELAY_ENABLE] = { "relay-enable", prepare_switch },
	[RELAY_DISABLE] = { "relay-disable", prepare_switch },
	[RELAY_DEFAULT] = { "relay-default", prepare_default },
};

void relay_changes_begin(struct request *request)
{
	struct control *control = request->control;
	struct relay_change *change = xcalloc(1, sizeof(*change));
	bool is_first = STAILQ_EMPTY(&control->relay_changes);

	change->control = control;
	change->request = request;
	STAILQ_INSERT_TAIL(&control->relay_changes, change, link);
	if (is_first)
		start(change);
}

static void start(struct relay_change *change)
{
	struct request *request = change->request;
	struct control *control = request->control;

	/* Those that the change before this one made. */
	settings_unref(request->settings);
	request->settings = settings_ref(control->settings);
	if (!change->name && request->parameter[0])
		change->name = xstrdup(request->parameter);
	change->reload.home = control->mailbox;
	change->reload.on_done = on_reloaded;
	change->reload.context = change;
	if (kinds[request->endpoint->detail].prepare(change))
		control->reload_take(control->reload_context, &change->reload);
	else
		finish(change);
}

static void free_change(struct relay_change *change)
{
	unsigned i;

	for (i = 0; i < change->reload.edit_count; i++)
		relay_file_done(&change->reload.edits[i]);
	free(change->reload.report);
	free(change->name);
	free(change->keys);
	free(change);
}

/* The request has its answer. */
static void finish(struct relay_change *change)
{
	struct control *control = change->control;

	assert(STAILQ_FIRST(&control->relay_changes) == change);
	STAILQ_REMOVE_HEAD(&control->relay_changes, link);
	free_change(change);
	if (!STAILQ_EMPTY(&control->relay_changes))
		start(STAILQ_FIRST(&control->relay_changes));
}

void relay_changes_free(struct control *control)
{
	struct relay_change *change;

	while ((change = STAILQ_FIRST(&control->relay_changes))) {
		STAILQ_REMOVE_HEAD(&control->relay_changes, link);
		free_change(change);
	}
}

/* ----------------------------------------------------------------- prepare */

static bool prepare_add(struct relay_change *change)
{
	struct request *request = change->request;
	const struct settings *settings = request->settings;
	struct settings_node *relay = read_input(change), *name;
	const struct relay_settings *other;
	bool is_good = false;

	if (!relay)
		return false;
	name = settings_node_remove(relay, "name");
	if (request_query(request, "name"))
		change->name = xstrdup(request_query(request, "name"));
	else if (name && name->kind == SETTINGS_NODE_SCALAR)
		change->name = xstrdup(name->text);
	settings_node_free(name);
	other = change->name
	            ? settings_find_relay_by_name(settings, change->name)
	            : NULL;
	if (!change->name || !settings_relay_is_name(change->name))
		request_fail(
		    request, 422, "bad_name", NULL,
		    "a relay needs a name: letters, digits, dots, dashes and "
		    "underscores, and not `%s`",
		    SETTINGS_BUILT_IN_NAME);
	else if (other)
		request_fail(request, 409, "relay_exists", NULL,
		             "there is a relay %s already%s%s", change->name,
		             other->file ? ", in " : "",
		             other->file ? other->file : "");
	else
		is_good = relay_change_may_set(request, change->name, relay) &&
		          write_relay(change, relay);
	settings_node_free(relay);
	/* What served until now goes on to. */
	if (is_good && !settings->default_relay_file &&
	    settings->default_relay->managed != RELAY_MANAGED_BUILT_IN)
		is_good = relay_change_write_default(
		    change, settings->default_relay->name);
	return is_good;
}

static bool prepare_set(struct relay_change *change)
{
	const struct relay_settings *old = relay_change_find_relay(change);
	struct settings_node *given, *relay;
	bool is_good;

	if (!old)
		return false;
	given = read_input(change);
	if (!given)
		return false;
	if (!relay_change_may_set(change->request, change->name, given) ||
	    !read_file(change, old, &relay)) {
		settings_node_free(given);
		return false;
	}
	change->dropped_by = relay_draft_merge(relay, given);
	is_good = write_relay(change, relay);
	settings_node_free(given);
	settings_node_free(relay);
	return is_good;
}

static bool prepare_switch(struct relay_change *change)
{
	static const struct settings_place request = { "request", 0, 0 };
	bool is_on = change->request->endpoint->detail == RELAY_ENABLE;
	const struct relay_settings *old = relay_change_find_relay(change);
	struct settings_node *relay;
	bool is_good;

	if (!old || !read_file(change, old, &relay))
		return false;
	settings_node_free(settings_node_remove(relay, "enabled"));
	if (!is_on)
		settings_node_add_take(
		    relay, "enabled",
		    settings_node_new(SETTINGS_NODE_SCALAR, "off", &request));
	is_good = write_relay(change, relay);
	settings_node_free(relay);
	return is_good;
}

static bool prepare_default(struct relay_change *change)
{
	struct request *request = change->request;
	const struct settings *settings = request->settings;
	const struct relay_settings *relay =
	    settings_find_relay_by_name(settings, change->name);
	char *ours = relay_file_path(settings, RELAY_FILE_DEFAULT);
	bool is_good = false;

	if (!relay)
		request_fail(request, 404, "no_such_relay",
		             "relaisctl relay list", "there is no relay %s",
		             change->name);
	else if (relay->managed == RELAY_MANAGED_BUILT_IN)
		request_fail(
		    request, 409, "built_in", NULL,
		    "the built-in relay serves by itself while there is no "
		    "other");
	else if (settings->default_relay_file &&
	         strcmp(settings->default_relay_file, ours) != 0)
		request_fail(
		    request, 409, "managed_by_file",
		    "change default_relay there, then: relaisctl reload",
		    "the default relay is set in %s",
		    settings->default_relay_file);
	else
		is_good = relay_change_write_default(change, change->name);
	free(ours);
	return is_good;
}

/* The relay, if it is one that we may change. */
const struct relay_settings *
relay_change_find_relay(struct relay_change *change)
{
	struct request *request = change->request;
	const struct relay_settings *relay =
	    settings_find_relay_by_name(request->settings, change->name);

	if (!relay)
		request_fail(request, 404, "no_such_relay",
		             "relaisctl relay list", "there is no relay %s",
		             change->name);
	else if (relay->managed == RELAY_MANAGED_FILE)
		request_fail(request, 409, "managed_by_file",
		             "change it there, then: relaisctl reload",
		             "relay %s is set in %s", relay->name, relay->file);
	else if (relay->managed == RELAY_MANAGED_BUILT_IN)
		request_fail(
		    request, 409, "built_in", "relaisctl relay add",
		    "the built-in relay cannot be changed; any other that is "
		    "added takes its place");
	else
		return relay;
	return NULL;
}

static struct settings_node *read_input(struct relay_change *change)
{
	struct request *request = change->request;
	struct relay_draft_input input = { NULL, 0, false };
	struct settings_node *relay = NULL;
	struct settings_errors errors;
	size_t i = 0;

	if (request->http) {
		input.text = request_input(request, &input.len);
		input.is_yaml = request_is_yaml(request);
	}
	settings_errors_init(&errors);
	if (relay_draft_read(&input, &relay, &errors) < 0) {
		while (i + 1 < errors.count && errors.entries[i].is_warning)
			i++;
		request_fail(request, 422, "bad_relay", NULL, "%s",
		             errors.entries[i].text);
	} else {
		change->keys = relay_draft_keys(relay);
	}
	settings_errors_done(&errors);
	return relay;
}

/*
 * What runs a program or names a file is root's alone: whoever can steer the
 * API could read any file through it that relaisd can. A credential is one of
 * relaisd's, and would be sent where this request says.
 */
bool relay_change_may_set(struct request *request, const char *name,
                          const struct settings_node *relay)
{
	const char *key = settings_relay_root_key(relay);
	const char *file = request->settings->file;
	char *copy, *next;

	if (!key && request->uid != 0 &&
	    settings_node_find(relay, "credential"))
		key = "credential";
	if (!key)
		return true;
	copy = xstrdup(file ? file : SYSCONFDIR "/relais/relais.yaml");
	next = xasprintf("root can write it to %s/relays.d/%s.yaml, then: "
	                 "relaisctl reload",
	                 dirname(copy), name);
	request_fail(
	    request, 403, "only_in_files", next,
	    "%s names a file, a program or a secret of the system: it can "
	    "only be set in a file of root's",
	    key);
	free(next);
	free(copy);
	return false;
}

static bool read_file(struct relay_change *change,
                      const struct relay_settings *relay,
                      struct settings_node **ret_keys)
{
	int r = relay_file_read(relay->file, relay->name, ret_keys);

	if (r < 0)
		request_fail(change->request, 503, "file_failed", NULL,
		             "%s: %s", relay->file, strerror(-r));
	return r == 0;
}

static bool write_relay(struct relay_change *change,
                        const struct settings_node *relay)
{
	char *text = relay_draft_write(change->name, relay);
	bool is_good = relay_change_write(change, change->name, text);

	explicit_bzero(text, strlen(text));
	free(text);
	return is_good;
}

bool relay_change_write_default(struct relay_change *change, const char *name)
{
	char *text =
	    xasprintf("# Made by relaisd.\ndefault_relay: \"%s\"\n", name);
	bool is_good = relay_change_write(change, RELAY_FILE_DEFAULT, text);

	free(text);
	return is_good;
}

bool relay_change_write(struct relay_change *change, const char *name,
                        const char *text)
{
	struct request *request = change->request;
	struct control_reload *reload = &change->reload;
	int r;

	assert(reload->edit_count < CONTROL_EDITS_MAX);
	r = relay_file_write(&reload->edits[reload->edit_count],
	                     request->settings, name, text);
	if (r == 0)
		reload->edit_count++;
	else
		request_fail(request, 503, "file_failed",
		             "look at the disk, and at who owns the folder",
		             "%s/relays/%s.yaml: %s",
		             request->settings->queue.directory, name,
		             strerror(-r));
	return r == 0;
}

/* ------------------------------------------------------------------ answer */

static void on_reloaded(struct letter *letter)
{
	struct control_reload *reload =
	    LETTER_OF(letter, struct control_reload, letter);
	struct relay_change *change = reload->context;
	struct request *request = change->request;
	int r = reload->result;

	if (r == 0)
		r = relay_file_sync(request->settings);
	settings_unref(request->settings);
	request->settings = settings_ref(request->control->settings);
	if (reload->result < 0) {
		refuse(change);
	} else if (r < 0) {
		request_fail(request, 503, "file_failed", "look at the disk",
		             "done, but perhaps not on disk: %s", strerror(-r));
	} else {
		request_log_relay(request,
		                  kinds[request->endpoint->detail].name,
		                  change->name, change->keys);
		snprintf(request->parameter, sizeof(request->parameter), "%s",
		         change->name);
		request->report = change->reload.report;
		change->reload.report = NULL;
		request_ask_scheduler(request, reply);
	}
	finish(change);
}

/* Lines about a new file say only its keys: nobody has seen the file. */
static void cut_places(struct control_reload *reload)
{
	unsigned i;

	for (i = 0; reload->report && i < reload->edit_count; i++) {
		const char *path = reload->edits[i].path;
		char *found = strstr(reload->report, path);
		char *end;

		for (; found; found = strstr(found, path)) {
			end = strchr(found + strlen(path), ' ');
			if (!end ||
			    (found > reload->report && found[-1] != '\n')) {
				found += strlen(path);
				continue;
			}
			memmove(found, end + 1, strlen(end + 1) + 1);
		}
	}
}

static void refuse(struct relay_change *change)
{
	struct request *request = change->request;
	char *next = NULL;

	if (change->reload.result != -EINVAL) {
		request_fail(request, 503, "file_failed", "look at the disk",
		             "nothing was changed: %s",
		             strerror(-change->reload.result));
		return;
	}
	cut_places(&change->reload);
	if (change->dropped_by)
		next = xasprintf("give the password again: %s changes, so the "
		                 "stored one was not kept",
		                 change->dropped_by);
	request_fail_lines(
	    request, "bad_relay",
	    "the settings would have errors; nothing was changed", next,
	    change->reload.report);
	free(next);
}

static void reply(struct request *request)
{
	int kind = request->endpoint->detail;
	struct emitter *emit = &request->emit;

	if (kind != RELAY_REMOVE) {
		relays_reply(request, kind == RELAY_ADD ? 201 : 200);
		return;
	}
	emit_object(emit, NULL);
	emit_text(emit, "result", "removed");
	emit_text(emit, "name", request->parameter);
	emit_end(emit);
	request_reply(request, 200);
}
