#include "config.h"

#include "control/event_hook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "buffer.h"
#include "clock.h"
#include "command_helper.h"
#include "control/control_internal.h"
#include "control/shape.h"
#include "queue/queue.h"
#include "runtime/log.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* Of the feed, and of one run. */
#define ROWS_AT_ONCE 64
/* What a command may have before it, beyond which the oldest are left out. */
#define BEHIND_MAX 10000
/* Before the next run, after one that failed. */
#define PAUSE_S 1

struct event_hook {
	struct control *control;
	struct command_helper *helper;
	struct feed_listener feed;
	bool is_listening, is_running, is_stopping;
	struct event *turn; /* goes on reading */
	uint64_t position;  /* in the feed: what was given last */
	uint64_t given, failed, dropped;
	unsigned running_events;
	char problem[160];
	uint64_t problem_since_ms;
};

static void on_feed(struct letter *letter);
static void on_turn(evutil_socket_t fd, short what, void *context);
static void listen_again(struct event_hook *hook);
static void skip_to_the_end(struct event_hook *hook);
static int read_rows(struct event_hook *hook, struct feed_row *rows);
static void run(struct event_hook *hook, const struct feed_row *rows,
                int count);
static bool add_event(struct event_hook *hook, struct buffer *input,
                      const struct feed_row *row);
static void on_done(struct letter *letter);
static void note_end(struct event_hook *hook, const struct command *command);

struct event_hook *event_hook_new(struct control *control,
                                  struct command_helper *helper)
{
	struct event_hook *hook = xcalloc(1, sizeof(*hook));

	hook->control = control;
	hook->helper = helper;
	hook->feed.letter.open = on_feed;
	hook->feed.mailbox = control->mailbox;
	hook->turn = event_new(control->base, -1, 0, on_turn, hook);
	if (!hook->turn)
		abort();
	queue_listen_feed(control->queue, &hook->feed);
	event_hook_apply_settings(hook);
	return hook;
}

void event_hook_stop(struct event_hook *hook)
{
	if (!hook)
		return;
	hook->is_stopping = true;
	if (hook->turn)
		event_free(hook->turn);
	hook->turn = NULL;
}

void event_hook_free(struct event_hook *hook)
{
	event_hook_stop(hook);
	free(hook);
}

static bool is_set(const struct event_hook *hook)
{
	return hook->control->settings->events_command.count > 0;
}

/* Events from before there was a command are none of its business. */
void event_hook_apply_settings(struct event_hook *hook)
{
	if (!is_set(hook) || hook->is_stopping || hook->is_listening ||
	    hook->is_running)
		return;
	skip_to_the_end(hook);
	listen_again(hook);
}

static void skip_to_the_end(struct event_hook *hook)
{
	struct queue_counts counts;

	if (queue_read_counts(hook->control->reader, &counts) == 0)
		hook->position = counts.last_sequence;
}

void event_hook_look(const struct event_hook *hook,
                     struct event_hook_status *ret_status)
{
	struct queue_counts counts;

	*ret_status = (struct event_hook_status){
		.is_set = is_set(hook),
		.events = hook->given,
		.failed = hook->failed,
		.dropped = hook->dropped,
		.problem = *hook->problem ? hook->problem : NULL,
		.problem_since_ms = hook->problem_since_ms,
	};
	if (is_set(hook) &&
	    queue_read_counts(hook->control->reader, &counts) == 0 &&
	    counts.last_sequence > hook->position)
		ret_status->behind = counts.last_sequence - hook->position;
}

/* ------------------------------------------------------------------- feed */

static void listen_again(struct event_hook *hook)
{
	if (hook->is_listening)
		return;
	hook->is_listening = true;
	queue_feed_listen_again(&hook->feed);
}

static void on_feed(struct letter *letter)
{
	struct event_hook *hook =
	    LETTER_OF(letter, struct event_hook, feed.letter);

	hook->is_listening = false;
	if (!hook->is_stopping)
		event_active(hook->turn, 0, 0);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct event_hook *hook = context;
	struct feed_row rows[ROWS_AT_ONCE];
	int count;

	(void)fd;
	(void)what;
	if (hook->is_running || !is_set(hook))
		return;
	/* Before it is read, so that nothing falls in between. */
	listen_again(hook);
	count = read_rows(hook, rows);
	if (count > 0)
		run(hook, rows, count);
}

/* From the position on, or from where that is no longer too far behind. */
static int read_rows(struct event_hook *hook, struct feed_row *rows)
{
	struct queue_reader *reader = hook->control->reader;
	struct queue_counts counts;
	uint64_t start = hook->position, oldest = 0;
	int count;

	if (queue_read_counts(reader, &counts) < 0)
		return 0;
	if (counts.last_sequence > start + BEHIND_MAX)
		start = counts.last_sequence - BEHIND_MAX;
	count = queue_read_feed(reader, start, rows, ROWS_AT_ONCE, &oldest);
	if (count == -ERANGE) {
		start = oldest - 1;
		count =
		    queue_read_feed(reader, start, rows, ROWS_AT_ONCE, &oldest);
	}
	if (count >= 0) {
		hook->dropped += start - hook->position;
		hook->position = start;
	}
	return count;
}

/* -------------------------------------------------------------------- run */

static void run(struct event_hook *hook, const struct feed_row *rows, int count)
{
	const struct settings *settings = hook->control->settings;
	struct command *command;
	struct buffer input;

	buffer_init(&input, 0);
	hook->running_events = 0;
	for (int i = 0; i < count; i++) {
		if (!add_event(hook, &input, &rows[i]))
			break;
		hook->position = rows[i].sequence;
	}
	if (hook->running_events == 0) {
		buffer_done(&input);
		event_active(hook->turn, 0, 0);
		return;
	}
	command = command_new(settings->events_command.word);
	if (buffer_take(&input, &command->input, &command->input_len) < 0)
		abort();
	command->home = hook->control->mailbox;
	command->on_done = on_done;
	command->context = hook;
	hook->is_running = true;
	command_helper_run_take(hook->helper, command);
}

/* False: there is no room for it in this run. */
static bool add_event(struct event_hook *hook, struct buffer *input,
                      const struct feed_row *row)
{
	const struct shape_view view = {
		.settings = hook->control->settings,
		.wall_now_ms = (uint64_t)clock_wall_ms(),
	};
	struct message *message = NULL;
	size_t start = input->len;
	struct emitter emit;

	(void)queue_read_message(hook->control->reader, row->id, &message);
	emit_init(&emit, input);
	shape_event(&emit, row, message, &view);
	message_free(message);
	if (emit_result(&emit) < 0 || buffer_append(input, "\n", 1) < 0)
		abort();
	if (input->len <= COMMAND_INPUT_MAX) {
		hook->running_events++;
		return true;
	}
	buffer_truncate(input, start);
	if (start > 0)
		return false;
	hook->dropped++; /* larger than a whole run */
	return true;
}

static void on_done(struct letter *letter)
{
	struct command *command = LETTER_OF(letter, struct command, letter);
	struct event_hook *hook = command->context;
	struct timeval pause = { .tv_sec = 0 };

	hook->is_running = false;
	if (!command->has_succeeded)
		pause.tv_sec = PAUSE_S;
	note_end(hook, command);
	command_free(command);
	if (!hook->is_stopping)
		(void)event_add(hook->turn, &pause);
}

/* Said when it begins to fail, and when that is over; not each time. */
static void note_end(struct event_hook *hook, const struct command *command)
{
	bool had_problem = *hook->problem != '\0';

	if (command->has_succeeded) {
		hook->given += hook->running_events;
		hook->problem[0] = '\0';
		if (had_problem)
			log_message(LOG_LEVEL_INFO, "event_hook",
			            "events.command works again");
		return;
	}
	hook->failed += hook->running_events;
	(void)snprintf(hook->problem, sizeof(hook->problem), "%s",
	               command->problem);
	if (had_problem)
		return;
	hook->problem_since_ms = (uint64_t)clock_wall_ms();
	log_message(LOG_LEVEL_ERR, "event_hook", "events.command: %s",
	            command->problem);
}
