/*
 * command_change - relaisctl retry, hold, release, cancel, reschedule and
 * resend
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "http.h"
#include "json.h"
#include "narrate.h"
#include "progress.h"

struct wording {
	const char *verb;
	const char *done;     /* "is …" */
	const char *accepted; /* while it is being delivered */
};

static int change_all(struct invocation *invocation,
                      const struct wording *change);
static int change_one(struct invocation *invocation,
                      const struct wording *change, const char *id);
static int change_selected(struct invocation *invocation,
                           const struct wording *change);
static int ask_bulk(struct invocation *invocation, const struct wording *change,
                    bool is_dry_run, int64_t total, struct json **ret_answer);
static int ask_in_lines(struct invocation *invocation, const char *target,
                        const struct json *order, int64_t total,
                        struct json **ret_answer);
static void show_count(struct progress *progress, int64_t done, int64_t total);
static struct json *make_order(struct invocation *invocation, int *ret_error);
static bool is_confirmed(const struct wording *change, int64_t count);
static void print_counts(const struct invocation *invocation,
                         const struct wording *change,
                         const struct json *answer);

int command_retry(struct invocation *invocation)
{
	static const struct wording change = { "retry", "due now",
		                               "being tried right now" };

	return change_all(invocation, &change);
}

int command_hold(struct invocation *invocation)
{
	static const struct wording change = {
		"hold", "held", "being delivered; held if that fails"
	};

	return change_all(invocation, &change);
}

int command_release(struct invocation *invocation)
{
	static const struct wording change = { "release", "released",
		                               "on its way already" };

	return change_all(invocation, &change);
}

int command_cancel(struct invocation *invocation)
{
	static const struct wording change = {
		"cancel", "cancelled",
		"being delivered; cancelled if that fails"
	};

	return change_all(invocation, &change);
}

int command_reschedule(struct invocation *invocation)
{
	static const struct wording change = { "reschedule", "scheduled anew",
		                               "on its way already" };

	if (!invocation->values[OPTION_AT] ==
	    !invocation->values[OPTION_HOLD_FOR]) {
		command_complain("when? Either --at 2026-11-23T18:40:01Z, or "
		                 "--hold-for 2h");
		return EXIT_BAD_USAGE;
	}
	return change_all(invocation, &change);
}

int command_resend(struct invocation *invocation)
{
	static const struct wording change = { "resend", "sent again",
		                               "sent again" };

	return change_all(invocation, &change);
}

static int change_all(struct invocation *invocation,
                      const struct wording *change)
{
	uint64_t given = command_options_given(invocation);
	int worst = EXIT_FINE;
	int i;

	if (invocation->operand_count == 0) {
		if (given & (HAS_SELECTION | HAS(OPTION_ALL)))
			return change_selected(invocation, change);
		command_complain("which messages? Ids, or a selection as in "
		                 "relaisctl list, or --all");
		return EXIT_BAD_USAGE;
	}
	if (given & (HAS_SELECTION | HAS(OPTION_ALL) | HAS(OPTION_DRY_RUN))) {
		command_complain("either ids or a selection, not both");
		return EXIT_BAD_USAGE;
	}
	for (i = 0; i < invocation->operand_count; i++) {
		int r = change_one(invocation, change, invocation->operands[i]);

		if (r > worst)
			worst = r;
	}
	return worst;
}

static int change_one(struct invocation *invocation,
                      const struct wording *change, const char *id)
{
	const struct output *output = &invocation->output;
	struct json *order;
	struct json *message = NULL;
	struct buffer target;
	char *text = NULL;
	const char *state;
	int r = EXIT_FINE;

	order = make_order(invocation, &r);
	if (!order)
		return r;
	buffer_init(&target, 0);
	r = command_add_segment(&target, "/v1/messages/", id, "/");
	if (r == 0)
		r = buffer_append_string(&target, change->verb);
	if (r == 0)
		r = buffer_take(&target, &text, NULL);
	buffer_done(&target);
	r = r < 0 ? ask_complain(invocation, r)
	          : ask(invocation, "POST", text, order, &message);
	free(text);
	json_free(order);
	if (r != EXIT_FINE)
		return r;
	state = json_text(message, "state");
	if (invocation->is_json) {
		command_print_json(invocation, message);
	} else {
		output_format(output, STYLE_PLAIN, "%s is %s", id,
		              state && strcmp(state, "delivering") == 0
		                  ? change->accepted
		                  : change->done);
		/* The answer is about the new message. */
		if (strcmp(change->verb, "resend") == 0)
			output_format(output, STYLE_PLAIN, " as %s",
			              json_text(message, "id"));
		fputc('\n', output->file);
	}
	json_free(message);
	return EXIT_FINE;
}

/* ---------------------------------------------------------------- several */

static int change_selected(struct invocation *invocation,
                           const struct wording *change)
{
	bool is_dry_run = invocation->values[OPTION_DRY_RUN];
	bool asks = !is_dry_run && !invocation->values[OPTION_YES] &&
	            isatty(STDIN_FILENO);
	struct json *answer = NULL;
	int64_t matched = 0;
	int r;

	if (asks) {
		r = ask_bulk(invocation, change, true, 0, &answer);
		if (r != EXIT_FINE)
			return r;
		matched = json_number(answer, "matched");
		json_free(answer);
		if (matched > 0 && !is_confirmed(change, matched))
			return EXIT_NOT_SO;
	}
	r = ask_bulk(invocation, change, is_dry_run, matched, &answer);
	if (r != EXIT_FINE)
		return r;
	if (invocation->is_json)
		command_print_json(invocation, answer);
	else
		print_counts(invocation, change, answer);
	r = json_text(answer, "failure") ? EXIT_NO_SERVICE : EXIT_FINE;
	json_free(answer);
	return r;
}

/* total: how many there will be; 0: that isn't known. */
static int ask_bulk(struct invocation *invocation, const struct wording *change,
                    bool is_dry_run, int64_t total, struct json **ret_answer)
{
	struct json *order;
	char target[64];
	int r = EXIT_FINE;

	order = make_order(invocation, &r);
	if (!order)
		return r;
	json_put_flag(order, "dry_run", is_dry_run);
	json_put_flag(order, "progress", true);
	r = command_put_selection(invocation, json_put_object(order, "filter"));
	if (r == EXIT_FINE) {
		snprintf(target, sizeof(target), "/v1/messages:%s",
		         change->verb);
		r = ask_in_lines(invocation, target, order, total, ret_answer);
	}
	json_free(order);
	return r;
}

/* Lines with `progress` come first, the answer is the last one. */
static int ask_in_lines(struct invocation *invocation, const char *target,
                        const struct json *order, int64_t total,
                        struct json **ret_answer)
{
	char *printed = json_print(order);
	struct ask_text body = { .text = printed };
	struct json *line = NULL;
	struct progress progress;
	struct http *http;
	const char *text;
	int r;

	if (!printed)
		return ask_complain(invocation, -ENOMEM);
	r = ask_stream(invocation, "POST", target, &body, &http);
	free(printed);
	if (r != EXIT_FINE)
		return r;
	progress_begin(&progress, invocation);
	while ((r = http_read_line(http, &text)) == 0) {
		if (text[0] == '\0')
			continue;
		json_free(line);
		line = json_parse(text, strlen(text));
		if (line && json_member(line, "progress"))
			show_count(&progress, json_number(line, "progress"),
			           total);
	}
	progress_end(&progress);
	http_close(http);
	if (r != -ENODATA || !line || json_member(line, "progress")) {
		json_free(line);
		return ask_complain(invocation, r == -ENODATA ? -EPROTO : r);
	}
	*ret_answer = line;
	return EXIT_FINE;
}

static void show_count(struct progress *progress, int64_t done, int64_t total)
{
	char words[2 * OUTPUT_WORDS_SIZE], number[OUTPUT_WORDS_SIZE];

	output_number(done, number);
	snprintf(words, sizeof(words), "%s messages", number);
	progress_show(progress, done, total, words);
}

static struct json *make_order(struct invocation *invocation, int *ret_error)
{
	struct json *order = json_make();
	const char *reason = invocation->values[OPTION_REASON];

	if (!order) {
		*ret_error = ask_complain(invocation, -ENOMEM);
		return NULL;
	}
	if (reason)
		json_put_text(order, "reason", reason);
	*ret_error = command_put_until(invocation, order);
	if (*ret_error == EXIT_FINE)
		*ret_error = command_put_at(invocation, order);
	if (*ret_error == EXIT_FINE)
		return order;
	json_free(order);
	return NULL;
}

static bool is_confirmed(const struct wording *change, int64_t count)
{
	char line[16];

	fprintf(stderr, "%c%s %" PRId64 " message%s? [y/N] ",
	        change->verb[0] - 'a' + 'A', change->verb + 1, count,
	        count == 1 ? "" : "s");
	return fgets(line, sizeof(line), stdin) &&
	       (line[0] == 'y' || line[0] == 'Y');
}

static void print_counts(const struct invocation *invocation,
                         const struct wording *change,
                         const struct json *answer)
{
	FILE *file = invocation->output.file;
	const char *failure = json_text(answer, "failure");
	int64_t changed = json_number(answer, "changed");
	int64_t accepted = json_number(answer, "accepted");
	char number[OUTPUT_WORDS_SIZE];

	if (json_number(answer, "matched") == 0) {
		fprintf(file, "There is nothing to %s.\n", change->verb);
		return;
	}
	if (json_flag(answer, "dry_run")) {
		output_number(json_number(answer, "matched"), number);
		fprintf(file, "%s message%s would be %s.\n", number,
		        strcmp(number, "1") == 0 ? "" : "s", change->done);
		return;
	}
	output_number(changed, number);
	fprintf(file, "%s message%s: %s.\n", number, changed == 1 ? "" : "s",
	        change->done);
	output_number(accepted, number);
	if (accepted > 0)
		fprintf(file, "%s more: %s.\n", number, change->accepted);
	if (failure)
		command_complain("not all of them: %s", failure);
}
