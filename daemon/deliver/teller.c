#include "config.h"

#include "deliver/teller.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "command_helper.h"
#include "deliver/notice.h"
#include "deliver/trouble.h"
#include "queue/queue.h"
#include "queue/route.h"
#include "runtime/log.h"
#include "runtime/xalloc.h"
#include "settings.h"

struct teller {
	struct queue *queue;
	struct command_helper *helper;
	struct mailbox *home;
	void (*on_told)(void *context);
	void *context;
	unsigned errands; /* commands that run, mails at the committer */
};

static void log_trouble(const struct trouble *trouble);
static void run_command(struct teller *teller, const struct settings *settings,
                        const struct trouble *trouble);
static void on_command_done(struct letter *letter);
static void mail_trouble(struct teller *teller, const struct settings *settings,
                         const struct trouble *trouble);
static void on_mailed(struct letter *letter);
static void errand_is_done(struct teller *teller);

struct teller *teller_new(struct queue *queue, struct command_helper *helper,
                          struct mailbox *home, void (*on_told)(void *context),
                          void *context)
{
	struct teller *teller = xcalloc(1, sizeof(*teller));

	teller->queue = queue;
	teller->helper = helper;
	teller->home = home;
	teller->on_told = on_told;
	teller->context = context;
	return teller;
}

void teller_free(struct teller *teller)
{
	if (teller == NULL)
		return;
	assert(teller->errands == 0);
	free(teller);
}

bool teller_is_busy(const struct teller *teller)
{
	return teller->errands > 0;
}

void teller_tell(struct teller *teller, const struct settings *settings,
                 const struct trouble *trouble)
{
	log_trouble(trouble);
	if (settings->alarms.command.count > 0)
		run_command(teller, settings, trouble);
	if (settings->alarms.mail != NULL && trouble->way_out != 0)
		mail_trouble(teller, settings, trouble);
}

/* event=relay_trouble or relay_works: the relay, how many wait, and why. */
static void log_trouble(const struct trouble *trouble)
{
	char *sentence = trouble_sentence(trouble);
	struct log_line line;

	log_begin(&line, trouble->is_over ? LOG_LEVEL_WARNING : LOG_LEVEL_ERR,
	          trouble->is_over ? "relay_works" : "relay_trouble");
	log_text(&line, "relay", trouble->relay);
	log_number(&line, "waiting", (int64_t)trouble->waiting);
	log_text(&line, "message", sentence);
	if (trouble->fault.class != VERDICT_NONE)
		log_text(&line, "reply", trouble->fault.text);
	log_end(&line);
	free(sentence);
}

static void run_command(struct teller *teller, const struct settings *settings,
                        const struct trouble *trouble)
{
	const struct settings_words *wanted = &settings->alarms.command;
	char **words = xcalloc(wanted->count + 2, sizeof(*words));
	struct command *command;
	struct buffer facts;
	char *json = NULL;

	buffer_init(&facts, 0);
	trouble_add_json(&facts, trouble);
	if (buffer_take(&facts, &json, NULL) < 0)
		abort();
	for (size_t i = 0; i < wanted->count; i++)
		words[i] = wanted->word[i];
	words[wanted->count] = json;
	command = command_new(words);
	free(words);
	free(json);
	command->home = teller->home;
	command->on_done = on_command_done;
	command->context = teller;
	teller->errands++;
	command_helper_run_take(teller->helper, command);
}

/* It need not print anything. */
static void on_command_done(struct letter *letter)
{
	struct command *command = LETTER_OF(letter, struct command, letter);
	struct teller *teller = command->context;

	if (!command->has_succeeded)
		log_message(LOG_LEVEL_ERR, "alarm_failed", "alarms.command: %s",
		            command->problem);
	command_free(command);
	errand_is_done(teller);
}

static void mail_trouble(struct teller *teller, const struct settings *settings,
                         const struct trouble *trouble)
{
	char *subject = trouble_sentence(trouble);
	struct notice notice = {
		.settings = settings,
		.to = settings->alarms.mail,
		.subject = subject,
		.now_ms = clock_wall_ms(),
	};
	struct submission *submission;
	struct buffer text;

	buffer_init(&text, 0);
	trouble_add_text(&text, trouble, settings->hostname);
	submission = notice_make_text(&notice, &text);
	route_submission(submission, settings, trouble->way_out);
	buffer_done(&text);
	free(subject);
	submission->job.home = teller->home;
	submission->job.on_done = on_mailed;
	submission->job.context = teller;
	teller->errands++;
	queue_post_take(teller->queue, &submission->job);
}

static void on_mailed(struct letter *letter)
{
	struct submission *submission =
	    LETTER_OF(letter, struct submission, job.letter);
	struct teller *teller = submission->job.context;

	if (submission->job.result < 0)
		log_message(LOG_LEVEL_ERR, "alarm_failed",
		            "the administrator's mail could not be queued: %s",
		            strerror(-submission->job.result));
	submission_free(submission);
	errand_is_done(teller);
}

static void errand_is_done(struct teller *teller)
{
	teller->errands--;
	teller->on_told(teller->context);
}
