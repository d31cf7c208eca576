#include "config.h"

#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "buffer.h"
#include "settings.h"
#include "settings_errors.h"
#include "staging.h"

#define PATHS_MAX 32

/* The lines for who asked. */
static char *join_errors(const struct settings_errors *errors)
{
	struct buffer text;
	char *report = NULL;
	size_t i;

	buffer_init(&text, 0);
	for (i = 0; i < errors->count; i++)
		(void)buffer_appendf(&text, "%s\n", errors->entries[i].text);
	if (text.len > 0 && buffer_take(&text, &report, NULL) < 0)
		report = NULL;
	buffer_done(&text);
	return report;
}

static void warn_of_restart(const struct settings *old_settings,
                            const struct settings *new_settings)
{
	const char *paths[PATHS_MAX];
	size_t count, i;

	count = settings_needing_restart(old_settings, new_settings, paths,
	                                 PATHS_MAX);
	for (i = 0; i < count; i++)
		log_message(LOG_LEVEL_WARNING, "restart_needed",
		            "%s is as it was until relaisd is started again",
		            paths[i]);
}

static int make_edits(const struct reload_edits *edits)
{
	size_t i;

	for (i = 0; i < edits->count; i++) {
		const struct settings_edit *edit = &edits->edits[i];
		int r = edit->new_path ? rename(edit->new_path, edit->path)
		                       : unlink(edit->path);

		if (r < 0 && (edit->new_path || errno != ENOENT))
			return -errno;
	}
	return 0;
}

int reload_settings(const struct settings **ret_settings, const char *path,
                    const struct settings *old_settings,
                    const struct reload_edits *edits, char **ret_report)
{
	const struct settings *settings = NULL;
	struct settings_errors errors;
	int r;

	settings_errors_init(&errors);
	r = settings_load_edited(path, edits->edits, edits->count, &settings,
	                         &errors);
	reload_log_errors(&errors, edits->count > 0);
	*ret_report = join_errors(&errors);
	settings_errors_done(&errors);
	if (r == 0)
		r = make_edits(edits);
	if (r == 0)
		*ret_settings = settings;
	else
		settings_unref(settings);
	if (r < 0 && edits->count == 0)
		log_message(LOG_LEVEL_ERR, "reload_refused",
		            "the settings are as they were");
	if (r == 0)
		warn_of_restart(old_settings, settings);
	return r;
}

void reload_log_errors(const struct settings_errors *errors, bool is_edit)
{
	size_t i;

	for (i = 0; i < errors->count; i++)
		log_message(is_edit                         ? LOG_LEVEL_DEBUG
		            : errors->entries[i].is_warning ? LOG_LEVEL_WARNING
		                                            : LOG_LEVEL_ERR,
		            "settings", "%s", errors->entries[i].text);
}

static void log_staging(void *context, const char *what, const char *next)
{
	(void)context;
	log_message(LOG_LEVEL_WARNING, "staging", "%s; %s", what, next);
}

void reload_log_staging(const struct settings *settings)
{
	staging_describe(settings, log_staging, NULL);
}

enum log_level reload_log_level(const struct settings *settings)
{
	switch (settings->log_level) {
	case SETTINGS_LOG_ERROR:
		return LOG_LEVEL_ERR;
	case SETTINGS_LOG_WARNING:
		return LOG_LEVEL_WARNING;
	case SETTINGS_LOG_INFO:
		return LOG_LEVEL_INFO;
	case SETTINGS_LOG_DEBUG:
		return LOG_LEVEL_DEBUG;
	}
	return LOG_LEVEL_INFO;
}
