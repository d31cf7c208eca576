#include "config.h"

#include "deliver/reporter.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "clock.h"
#include "deliver/bounce.h"
#include "deliver/contents.h"
#include "deliver/news.h"
#include "deliver/summary.h"
#include "deliver/teller.h"
#include "deliver/trouble.h"
#include "queue/queue.h"
#include "queue/report.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* Rows looked at in one pass; a summary has no more messages than that. */
#define ROWS_MAX 10000
/* Bounces made before the others' commit is awaited. */
#define BOUNCES_MAX   64
#define SUMMARIES_MAX 64

/* Suspend stops the loop's clock, but not the queue's. */
#define LOOK_MAX_MS 10000
#define TROUBLE_MS  5000

struct reporter {
	struct loop *loop;
	struct queue *queue;
	struct teller *teller;
	struct queue_reader *reader;
	struct contents *contents;
	struct mailbox *inbox;
	const struct settings *settings;
	struct event *timer;
	struct letter wake; /* the queue's, while it is under way */
	struct letter stop;
	struct report_row *rows;
	unsigned in_flight; /* reports at the committer */
	int last_error;     /* logged once */
	bool is_stopping;
};

/* One look at what is due. */
struct pass {
	struct reporter *reporter;
	struct report *leftovers; /* with nobody to be told; or NULL */
	unsigned bounces;
	struct {
		struct summary *summary;
		struct report *report;
		uint64_t first_id, first_due_ms;
	} groups[SUMMARIES_MAX];
	unsigned group_count;
	bool is_whole; /* all that is due was looked at */
};

struct news_of_settings {
	struct letter letter;
	struct reporter *reporter;
	const struct settings *settings;
};

static void on_wake(struct letter *letter);
static void on_stop(struct letter *letter);
static void stop_if_done(struct reporter *reporter);
static void on_timer(evutil_socket_t fd, short what, void *context);
static void look(struct reporter *reporter);
static void set_timer(struct reporter *reporter, uint64_t due_ms);
static void look_at(struct pass *pass, const struct report_row *row);
static void add_leftover(struct pass *pass, const struct news *news);
static void add_to_summary(struct pass *pass, const struct news *news);
static void send_bounce(struct reporter *reporter, const struct news *news);
static void end_pass(struct pass *pass);
static void post(struct reporter *reporter, struct report *report);
static void on_done(struct letter *letter);
static void log_report(const struct report *report);
static void on_trouble(struct letter *letter);
static void on_told(void *context);

/* ------------------------------------------------------------- life cycle */

int reporter_new(struct reporter **ret_reporter, struct queue *queue,
                 const struct settings *settings, struct command_helper *helper)
{
	struct reporter *reporter = xcalloc(1, sizeof(*reporter));
	int r;

	reporter->queue = queue;
	reporter->settings = settings_ref(settings);
	reporter->wake.open = on_wake;
	reporter->stop.open = on_stop;
	reporter->rows = xcalloc(ROWS_MAX, sizeof(*reporter->rows));
	r = loop_new(&reporter->loop, "relais-report");
	if (r == 0)
		r = mailbox_new(&reporter->inbox, reporter->loop);
	if (r == 0)
		r = queue_reader_new(&reporter->reader, queue);
	if (r < 0)
		goto out;
	reporter->contents = contents_new(reporter->reader);
	reporter->teller =
	    teller_new(queue, helper, reporter->inbox, on_told, reporter);
	reporter->timer =
	    evtimer_new(loop_base(reporter->loop), on_timer, reporter);
	r = reporter->timer == NULL ? -ENOMEM : 0;
	if (r < 0)
		goto out;
	queue_listen_reports(queue, reporter->inbox, &reporter->wake);

	*ret_reporter = reporter;
	reporter = NULL;
out:
	reporter_free(reporter);
	return r;
}

int reporter_start(struct reporter *reporter)
{
	/* What an earlier run has left is looked for at once. */
	static const struct timeval at_once;

	(void)event_add(reporter->timer, &at_once);
	return loop_start(reporter->loop);
}

struct loop *reporter_loop(struct reporter *reporter)
{
	return reporter->loop;
}

void reporter_stop(struct reporter *reporter)
{
	mailbox_post_take(reporter->inbox, &reporter->stop);
	loop_join(reporter->loop);
}

static void on_stop(struct letter *letter)
{
	struct reporter *reporter = LETTER_OF(letter, struct reporter, stop);

	reporter->is_stopping = true;
	(void)event_del(reporter->timer);
	stop_if_done(reporter);
}

static void stop_if_done(struct reporter *reporter)
{
	if (reporter->is_stopping && reporter->in_flight == 0 &&
	    !teller_is_busy(reporter->teller))
		loop_stop(reporter->loop);
}

void reporter_free(struct reporter *reporter)
{
	if (reporter == NULL)
		return;
	assert(reporter->in_flight == 0);
	if (reporter->timer != NULL)
		event_free(reporter->timer);
	contents_free(reporter->contents);
	teller_free(reporter->teller);
	queue_reader_free(reporter->reader);
	if (reporter->inbox != NULL)
		mailbox_free(reporter->inbox);
	if (reporter->loop != NULL)
		loop_free(reporter->loop);
	settings_unref(reporter->settings);
	free(reporter->rows);
	free(reporter);
}

static void on_settings(struct letter *letter)
{
	struct news_of_settings *news =
	    LETTER_OF(letter, struct news_of_settings, letter);
	struct reporter *reporter = news->reporter;

	settings_unref(reporter->settings);
	reporter->settings = news->settings;
	free(news);
	look(reporter);
}

void reporter_apply_settings_take(struct reporter *reporter,
                                  const struct settings *settings_ref)
{
	struct news_of_settings *news = xcalloc(1, sizeof(*news));

	news->letter.open = on_settings;
	news->reporter = reporter;
	news->settings = settings_ref;
	mailbox_post_take(reporter->inbox, &news->letter);
}

/* ------------------------------------------------------------------- looks */

static void on_wake(struct letter *letter)
{
	struct reporter *reporter = LETTER_OF(letter, struct reporter, wake);

	queue_reports_listen_again(reporter->queue);
	look(reporter);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	look(context);
}

static void look(struct reporter *reporter)
{
	static const struct report_row from;
	struct pass pass = { .reporter = reporter };
	uint64_t now_ms = queue_time_ms(reporter->queue);
	uint64_t next_due_ms;
	int count;

	if (reporter->is_stopping || reporter->in_flight > 0)
		return;
	count = queue_read_reports(reporter->reader, &from, now_ms,
	                           reporter->rows, ROWS_MAX, &next_due_ms);
	if (count < 0) {
		set_timer(reporter, now_ms + TROUBLE_MS);
		return;
	}
	for (int i = 0; i < count && pass.bounces < BOUNCES_MAX; i++)
		look_at(&pass, &reporter->rows[i]);
	pass.is_whole = pass.bounces < BOUNCES_MAX && next_due_ms > now_ms;
	end_pass(&pass);
	if (reporter->in_flight == 0)
		set_timer(reporter, next_due_ms);
}

static void set_timer(struct reporter *reporter, uint64_t due_ms)
{
	uint64_t now_ms = queue_time_ms(reporter->queue);
	uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;
	struct timeval wait;

	if (wait_ms > LOOK_MAX_MS)
		wait_ms = LOOK_MAX_MS;
	wait.tv_sec = (time_t)(wait_ms / 1000);
	wait.tv_usec = (suseconds_t)(wait_ms % 1000 * 1000);
	(void)event_add(reporter->timer, &wait);
}

static void look_at(struct pass *pass, const struct report_row *row)
{
	struct news news;
	int r =
	    news_read(&news, pass->reporter->reader, pass->reporter->contents,
	              pass->reporter->settings, row);

	if (r < 0 && r != -ENOENT && r != -EBADMSG)
		return;
	if (news.wanted_count == 0) {
		add_leftover(pass, &news);
	} else if (news.is_for_summary) {
		add_to_summary(pass, &news);
	} else {
		send_bounce(pass->reporter, &news);
		pass->bounces++;
	}
	news_done(&news);
}

/* ------------------------------------------------------------ one message */

static void add_leftover(struct pass *pass, const struct news *news)
{
	if (pass->leftovers == NULL)
		pass->leftovers = report_new();
	report_add_subject(pass->leftovers, news->row->id, news->row->due_ms,
	                   news->owed, news->owed_count);
}

static struct submission *make_bounce(struct reporter *reporter,
                                      const struct news *news)
{
	return bounce_make(&(struct bounce){
	    .settings = reporter->settings,
	    .message = news->message,
	    .recipients = news->wanted,
	    .count = news->wanted_count,
	    .header = news->header,
	    .header_len = news->header_len,
	    .contents = news->header != NULL ? reporter->contents : NULL,
	    .now_ms = clock_wall_ms(),
	});
}

static void send_bounce(struct reporter *reporter, const struct news *news)
{
	struct report *report = report_new();

	report->submission = make_bounce(reporter, news);
	report_add_subject(report, news->row->id, news->row->due_ms, news->owed,
	                   news->owed_count);
	post(reporter, report);
}

/* --------------------------------------------------------------- summaries */

static void add_to_summary(struct pass *pass, const struct news *news)
{
	const struct settings *settings = pass->reporter->settings;
	unsigned g = 0;

	while (g < pass->group_count &&
	       !summary_is_for(pass->groups[g].summary, news->message))
		g++;
	/* The others are for the next pass. */
	if (g == SUMMARIES_MAX)
		return;
	if (g == pass->group_count) {
		pass->group_count++;
		pass->groups[g].summary =
		    summary_new(settings, clock_wall_ms());
		pass->groups[g].report = report_new();
		pass->groups[g].first_id = news->row->id;
		pass->groups[g].first_due_ms = news->row->due_ms;
	}
	summary_add(pass->groups[g].summary, news->message, news->wanted,
	            news->wanted_count);
	report_add_subject(pass->groups[g].report, news->row->id,
	                   news->row->due_ms, news->owed, news->owed_count);
}

/* One message alone has a bounce like any other. */
static void send_single(struct reporter *reporter, uint64_t id, uint64_t due_ms)
{
	struct report_row row = { .id = id, .due_ms = due_ms };
	struct news news;

	if (news_read(&news, reporter->reader, reporter->contents,
	              reporter->settings, &row) == 0 &&
	    news.wanted_count > 0)
		send_bounce(reporter, &news);
	news_done(&news);
}

static void end_pass(struct pass *pass)
{
	for (unsigned g = 0; g < pass->group_count; g++) {
		struct summary *summary = pass->groups[g].summary;
		struct report *report = pass->groups[g].report;

		if (!pass->is_whole && pass->bounces > 0) {
			report_free(report);
		} else if (summary_count(summary) == 1) {
			report_free(report);
			send_single(pass->reporter, pass->groups[g].first_id,
			            pass->groups[g].first_due_ms);
		} else {
			report->submission = summary_make(summary);
			post(pass->reporter, report);
		}
		summary_free(summary);
	}
	if (pass->leftovers != NULL)
		post(pass->reporter, pass->leftovers);
}

/* -------------------------------------------------------------------- jobs */

static void post(struct reporter *reporter, struct report *report)
{
	report->job.home = reporter->inbox;
	report->job.on_done = on_done;
	report->job.context = reporter;
	reporter->in_flight++;
	queue_post_take(reporter->queue, &report->job);
}

static void on_done(struct letter *letter)
{
	struct report *report = LETTER_OF(letter, struct report, job.letter);
	struct reporter *reporter = report->job.context;
	int result = report->job.result;

	reporter->in_flight--;
	if (result == 0)
		log_report(report);
	/* -ESTALE: something more has happened, and is told as well. */
	else if (result != -ESTALE && result != reporter->last_error)
		log_message(LOG_LEVEL_ERR, "report_postponed",
		            "the store takes no reports (%s), trying again",
		            strerror(-result));
	if (result != -ESTALE)
		reporter->last_error = result;
	report_free(report);
	if (reporter->in_flight > 0)
		return;
	if (reporter->is_stopping)
		stop_if_done(reporter);
	else if (reporter->last_error != 0)
		set_timer(reporter,
		          queue_time_ms(reporter->queue) + TROUBLE_MS);
	else
		set_timer(reporter, 0);
}

/* event=report: its id, to whom, about how many messages, the first of them. */
static void log_report(const struct report *report)
{
	struct log_line line;

	if (report->submission == NULL)
		return;
	log_begin(&line, LOG_LEVEL_INFO, "report");
	log_id(&line, "id", report->submission->id);
	log_text(&line, "to",
	         report->submission->message->recipients[0].address);
	log_number(&line, "messages", report->subject_count);
	log_id(&line, "about", report->subjects[0].id);
	log_end(&line);
}

/* ----------------------------------------------------------------- trouble */

void reporter_tell_take(struct reporter *reporter, struct trouble *trouble)
{
	trouble->reporter = reporter;
	trouble->letter.open = on_trouble;
	mailbox_post_take(reporter->inbox, &trouble->letter);
}

static void on_trouble(struct letter *letter)
{
	struct trouble *trouble = LETTER_OF(letter, struct trouble, letter);
	struct reporter *reporter = trouble->reporter;

	if (!reporter->is_stopping)
		teller_tell(reporter->teller, reporter->settings, trouble);
	trouble_free(trouble);
}

static void on_told(void *context)
{
	stop_if_done(context);
}
