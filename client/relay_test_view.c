#include "config.h"

#include "relay_test_view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "http.h"
#include "json.h"

#define INDENT 24

static int show_line(const struct invocation *invocation, const char *line,
                     bool *ret_is_over, char **ret_next);
static void show_step(const struct output *output, const struct json *step);
static void show_more(const struct output *output, enum output_style style,
                      const char *mark, const char *text);
static int show_result(const struct invocation *invocation,
                       const struct json *result, char **ret_next);

int relay_test_view(const struct invocation *invocation, const char *target,
                    const struct ask_text *body, char **ret_next)
{
	bool is_over = false;
	const char *line;
	struct http *http;
	int status;
	int r;

	if (ret_next)
		*ret_next = NULL;
	status = ask_stream(invocation, "POST", target, body, &http);
	if (status != EXIT_FINE)
		return status;
	do {
		r = http_read_line(http, &line);
		if (r == 0 && *line)
			status =
			    show_line(invocation, line, &is_over, ret_next);
	} while (r == 0 && !is_over);
	http_close(http);
	if (is_over)
		return status;
	return ask_complain(invocation, r == -ENODATA ? -EPROTO : r);
}

static int show_line(const struct invocation *invocation, const char *line,
                     bool *ret_is_over, char **ret_next)
{
	struct json *json = json_parse(line, strlen(line));
	int status = EXIT_FINE;

	if (invocation->is_json)
		fprintf(invocation->output.file, "%s\n", line);
	if (json_text(json, "result")) {
		*ret_is_over = true;
		status = show_result(invocation, json, ret_next);
	} else if (!invocation->is_json) {
		show_step(&invocation->output, json);
	}
	fflush(invocation->output.file);
	json_free(json);
	return status;
}

static void show_step(const struct output *output, const struct json *step)
{
	bool is_ok = json_flag(step, "ok");
	const char *name = json_text(step, "step");
	bool is_try = name && strcmp(name, "try") == 0;

	output_text(output,
	            is_ok    ? STYLE_GOOD
	            : is_try ? STYLE_DIM
	                     : STYLE_BAD,
	            is_ok    ? "ok  "
	            : is_try ? "no  "
	                     : "FAIL");
	fprintf(output->file, "  %-9s%5" PRId64 " ms  ", name ? name : "?",
	        json_number(step, "ms"));
	output_text(output, STYLE_PLAIN, json_text(step, "detail"));
	fputc('\n', output->file);
	show_more(output, STYLE_WARNING, "", json_text(step, "cause"));
	show_more(output, STYLE_PLAIN, "-> ", json_text(step, "next"));
}

static void show_more(const struct output *output, enum output_style style,
                      const char *mark, const char *text)
{
	if (!text)
		return;
	fprintf(output->file, "%*s%s", INDENT, "", mark);
	output_text(output, style, text);
	fputc('\n', output->file);
}

/* RFC 5321 4.5.3.2.6: what is accepted need not be delivered. */
static int show_result(const struct invocation *invocation,
                       const struct json *result, char **ret_next)
{
	const struct output *output = &invocation->output;
	const struct json *works = json_member(result, "works_with");
	const char *word = json_text(result, "result");
	bool is_good = strcmp(word, "failed") != 0;
	char settings[96] = "";

	if (works)
		snprintf(
		    settings, sizeof(settings), "security=%s port=%" PRId64,
		    json_text(works, "security"), json_number(works, "port"));
	if (works && ret_next)
		*ret_next = strdup(settings);
	if (invocation->is_json)
		return is_good ? EXIT_FINE : EXIT_NOT_SO;
	if (strcmp(word, "accepted") == 0)
		output_format(output, STYLE_GOOD,
		              "The test mail to %s was accepted by the relay.",
		              json_text(result, "to"));
	else if (is_good)
		output_text(output, STYLE_GOOD,
		            "The relay can be reached and would take mail.");
	else
		output_text(output, STYLE_BAD, "The relay does not work.");
	if (works)
		output_format(output, STYLE_PLAIN, " %s What works: %s",
		              json_text(result, "cause"), settings);
	fputc('\n', output->file);
	return is_good ? EXIT_FINE : EXIT_NOT_SO;
}
