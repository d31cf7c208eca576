#include "config.h"

#include "reload.h"

#include "buffer.h"
#include "settings.h"
#include "settings_errors.h"

#define PATHS_MAX 32

/* Every line is logged, and joined for who asked. */
static char *report_errors(const struct settings_errors *errors)
{
	struct buffer text;
	char *report = NULL;
	size_t i;

	buffer_init(&text, 0);
	for (i = 0; i < errors->count; i++) {
		log_message(errors->entries[i].is_warning ?
			LOG_LEVEL_WARNING : LOG_LEVEL_ERR,
		    "settings", "%s", errors->entries[i].text);
		(void)buffer_appendf(&text, "%s\n", errors->entries[i].text);
	}
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
		log_message(LOG_LEVEL_WARNING, "restart-needed",
		    "%s is as it was until relaisd is started again",
		    paths[i]);
}

int reload_settings(const struct settings **ret_settings, const char *path,
    const struct settings *old_settings, char **ret_report)
{
	struct settings_errors errors;
	int r;

	settings_errors_init(&errors);
	r = settings_load(path, ret_settings, &errors);
	*ret_report = report_errors(&errors);
	settings_errors_done(&errors);
	if (r < 0)
		log_message(LOG_LEVEL_ERR, "reload-refused",
		    "the settings are as they were");
	else
		warn_of_restart(old_settings, *ret_settings);
	return r;
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
