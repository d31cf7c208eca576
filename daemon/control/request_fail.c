/*
 * request_fail - answers that say of several things what is wrong with them
 */
#include "config.h"

#include "control/request.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/xalloc.h"
#include "settings_errors.h"

void request_fail_lines(struct request *request, const char *code,
                        const char *message, const char *next,
                        const char *lines)
{
	struct emitter *emit = &request->emit;

	emit_object(emit, NULL);
	emit_object(emit, "error");
	emit_text(emit, "code", code);
	emit_text(emit, "message", message);
	emit_text(emit, "next", next);
	request_emit_lines(emit, "details", lines);
	emit_end(emit);
	emit_end(emit);
	request_reply(request, 422);
}

void request_emit_lines(struct emitter *emit, const char *key,
                        const char *lines)
{
	char *copy = xstrdup(lines ? lines : ""), *rest = copy, *line;

	emit_array(emit, key);
	while ((line = strsep(&rest, "\n")))
		if (*line)
			emit_text(emit, NULL, line);
	emit_end(emit);
	free(copy);
}

void request_fail_errors(struct request *request, const char *code,
                         const char *message,
                         const struct settings_errors *errors)
{
	struct buffer lines;
	char *text;
	size_t i;

	buffer_init(&lines, 0);
	for (i = 0; i < errors->count; i++)
		if (buffer_appendf(&lines, "%s\n", errors->entries[i].text) < 0)
			abort();
	if (buffer_take(&lines, &text, NULL) < 0)
		abort();
	request_fail_lines(request, code, message, NULL, text);
	free(text);
}
