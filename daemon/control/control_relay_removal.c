/*
 * control_relay_removal - a relay goes, and someone has its mail
 */
#include "config.h"

#include "control/relay_change.h"

#include <stdlib.h>
#include <string.h>

#include "control/relay_file.h"
#include "control/request.h"
#include "deliver/scheduler.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "settings_tree.h"

static bool may_remove(struct relay_change *change,
                       const struct relay_settings *relay, const char *heir);
static bool write_heirs(struct relay_change *change, const char *heir);
static void pass_on(struct settings_node *heirs, const char *name,
                    const char *heir);

bool relay_change_prepare_remove(struct relay_change *change)
{
	struct request *request = change->request;
	const struct settings *settings = request->settings;
	const char *heir = request_query(request, "move_to");
	const struct relay_settings *relay = relay_change_find_relay(change);
	struct control_reload *reload = &change->reload;
	bool is_last = settings->relay_count == 1;

	if (!relay || !may_remove(change, relay, heir))
		return false;
	if (heir)
		change->keys = xasprintf("move_to=%s", heir);
	relay_file_remove(&reload->edits[reload->edit_count++], settings,
	                  change->name);
	if (is_last)
		relay_file_remove(&reload->edits[reload->edit_count++],
		                  settings, RELAY_FILE_DEFAULT);
	else if (relay == settings->default_relay && heir &&
	         !relay_change_write_default(change, heir))
		return false;
	return write_heirs(change, is_last ? NULL : heir);
}

/* Not if mail, waiting or to come, had no way any more that someone chose. */
static bool may_remove(struct relay_change *change,
                       const struct relay_settings *relay, const char *heir)
{
	struct request *request = change->request;
	const struct settings *settings = request->settings;
	const struct relay_status *status =
	    shape_relay_status(request->scheduler, relay->id);
	bool is_last = settings->relay_count == 1;
	bool has_mail =
	    status &&
	    status->waiting[0] + status->waiting[1] + status->waiting[2] > 0;

	if (heir && strcmp(heir, change->name) == 0)
		request_fail(request, 422, "bad_heir", NULL,
		             "its mail cannot be moved to the relay that goes");
	else if (heir && !settings_find_relay_by_name(settings, heir) &&
	         !(is_last && strcmp(heir, SETTINGS_BUILT_IN_NAME) == 0))
		request_fail(request, 422, "bad_heir", "relaisctl relay list",
		             "there is no relay %s to move its mail to", heir);
	else if (!is_last && !heir && relay == settings->default_relay)
		request_fail(
		    request, 409, "is_default",
		    "relaisctl relay default OTHER, or remove it --move-to "
		    "OTHER",
		    "%s is the default relay", relay->name);
	else if (is_last && !heir && has_mail)
		request_fail(
		    request, 409, "has_mail",
		    "add another relay first, or remove it --move-to "
		    "built-in",
		    "mail waits for %s, and there is no other relay for it",
		    relay->name);
	else
		return true;
	return false;
}

/* Mail of relays that went earlier and had this one for their heir follows. */
static bool write_heirs(struct relay_change *change, const char *heir)
{
	static const struct settings_place request = { "request", 0, 0 };
	const struct settings *settings = change->request->settings;
	char *path = relay_file_path(settings, RELAY_FILE_HEIRS);
	struct settings_node *heirs = relay_file_read_map(path, "heirs");
	char *lines, *text;
	bool is_good;

	pass_on(heirs, change->name, heir);
	if (heir)
		settings_node_add_take(
		    heirs, change->name,
		    settings_node_new(SETTINGS_NODE_SCALAR, heir, &request));
	lines = settings_node_write(heirs, 2);
	text = xasprintf("# Made by relaisd.\nheirs:%s\n%s",
	                 heirs->first ? "" : " {}", lines);
	is_good = relay_change_write(change, RELAY_FILE_HEIRS, text);
	free(text);
	free(lines);
	settings_node_free(heirs);
	free(path);
	return is_good;
}

/* What names the relay that goes is changed to its heir, or goes too. */
static void pass_on(struct settings_node *heirs, const char *name,
                    const char *heir)
{
	struct settings_node **link = &heirs->first, *child;

	while ((child = *link)) {
		bool is_obsolete = child->kind != SETTINGS_NODE_SCALAR ||
		                   strcmp(child->key, name) == 0 ||
		                   (heir && strcmp(child->key, heir) == 0);
		bool is_of_it = !is_obsolete && strcmp(child->text, name) == 0;

		if (is_obsolete || (is_of_it && !heir)) {
			*link = child->next;
			child->next = NULL;
			heirs->child_count--;
			settings_node_free(child);
			continue;
		}
		if (is_of_it) {
			free(child->text);
			child->text = xstrdup(heir);
		}
		link = &child->next;
	}
}
