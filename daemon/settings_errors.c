/*
 * settings_errors - everything that is wrong with the settings, in order
 */
#include "config.h"

#include "settings_errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/xalloc.h"
#include "smtp/reply.h"

/* A file that is no settings file at all must not flood the terminal. */
#define ENTRIES_MAX 100

static void add(struct settings_errors *errors, bool is_warning,
                const struct settings_place *place, const char *format,
                va_list args) __attribute__((format(printf, 4, 0)));
static char *where(const struct settings_place *place);

void settings_errors_init(struct settings_errors *errors)
{
	memset(errors, 0, sizeof(*errors));
}

void settings_errors_done(struct settings_errors *errors)
{
	size_t i;

	for (i = 0; i < errors->count; i++)
		free(errors->entries[i].text);
	free(errors->entries);
	settings_errors_init(errors);
}

void settings_errors_print(const struct settings_errors *errors, FILE *stream)
{
	size_t i;

	for (i = 0; i < errors->count; i++)
		fprintf(stream, "%s\n", errors->entries[i].text);
}

void settings_errors_add(struct settings_errors *errors,
                         const struct settings_place *place, const char *format,
                         ...)
{
	va_list args;

	va_start(args, format);
	add(errors, false, place, format, args);
	va_end(args);
}

void settings_errors_warn(struct settings_errors *errors,
                          const struct settings_place *place,
                          const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(errors, true, place, format, args);
	va_end(args);
}

static void add(struct settings_errors *errors, bool is_warning,
                const struct settings_place *place, const char *format,
                va_list args)
{
	struct settings_error *entry;
	char clean[1024];
	char text[1024];
	char *start;

	if (!is_warning)
		errors->error_count++;
	if (errors->count > ENTRIES_MAX)
		return;
	errors->entries = xrealloc(
	    errors->entries, (errors->count + 1) * sizeof(*errors->entries));
	entry = &errors->entries[errors->count++];
	entry->is_warning = is_warning;
	if (errors->count > ENTRIES_MAX) {
		entry->text = xstrdup("and more like these");
		return;
	}
	(void)vsnprintf(text, sizeof(text), format, args);
	/* The values that are quoted may hold anything. */
	smtp_text_clean(clean, sizeof(clean), text, strlen(text));
	start = where(place);
	entry->text =
	    xasprintf("%s%s%s", start, is_warning ? "warning: " : "", clean);
	free(start);
}

static char *where(const struct settings_place *place)
{
	if (!place || !place->file)
		return xstrdup("");
	if (place->line == 0)
		return xasprintf("%s: ", place->file);
	return xasprintf("%s:%u:%u: ", place->file, place->line, place->column);
}
