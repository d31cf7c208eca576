/*
 * daemon - every long-lived object, made in order and taken down in order
 *
 *  main loop      signals, settings, scheduler, service manager
 *  receive loop   receiver: listeners and sessions
 *  committer      queue: the only writer of the store
 *  workers        outbound connections
 *  control loop   control: the API
 *  resolver loop  names, and OAuth tokens
 *  report loop    bounces and other mail of our own
 *  log            lines to stderr
 *  helper         a process that runs the administrator's commands
 *
 * What is under way at the end goes home to mailboxes that still exist: all
 * threads end before the first object is freed.
 */
#include "config.h"

#include "daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "command_helper.h"
#include "control/control.h"
#include "deliver/oauth.h"
#include "deliver/reporter.h"
#include "deliver/resolver.h"
#include "deliver/scheduler.h"
#include "deliver/worker.h"
#include "queue/queue.h"
#include "receive/receiver.h"
#include "reload.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/mailbox.h"
#include "runtime/xalloc.h"
#include "service.h"
#include "settings.h"
#include "vital_signs.h"

enum daemon_signal {
	SIGNAL_TERM,
	SIGNAL_INT,
	SIGNAL_HUP,
	SIGNALS,
};

struct daemon {
	const struct settings *settings;
	const char *settings_path;
	struct command_helper *helper;
	struct queue *queue;
	struct queue_reader *reader;
	struct loop *main_loop, *receive_loop, *control_loop, *resolver_loop;
	struct mailbox *inbox;
	struct resolver *resolver;
	struct oauth *oauth;
	struct reporter *reporter;
	struct worker **workers;
	unsigned worker_count;
	struct scheduler *scheduler;
	struct receiver *receiver;
	struct control *control;
	struct event *signals[SIGNALS];
	struct event *drain_timer;
	struct vital_signs *signs;
	struct loop **watched; /* the loops that have to turn */
	bool is_stopping;
};

/* A reload that the control loop asked for; ours from there to here. */
struct reload_request {
	struct letter letter;
	struct daemon *daemon;
	struct control_reload *reload;
};

static int make_all(struct daemon *daemon, char **ret_error);
static int make_loops(struct daemon *daemon);
static int make_workers(struct daemon *daemon);
static void tell_trouble_take(void *reporter, struct trouble *trouble);
static int make_doors(struct daemon *daemon, char **ret_error);
static int make_events(struct daemon *daemon);
static int make_vital_signs(struct daemon *daemon);
static int start_all(struct daemon *daemon);
static void stop_all(struct daemon *daemon);
static void free_all(struct daemon *daemon);
static void on_stop_signal(evutil_socket_t number, short what, void *argument);
static void on_hup(evutil_socket_t number, short what, void *argument);
static void on_drain_timeout(evutil_socket_t fd, short what, void *argument);
static void on_scheduler_idle(void *argument);
static int reload(struct daemon *daemon, const struct reload_edits *edits,
                  char **ret_report);
static void ask_reload_take(void *context, struct control_reload *request);
static void hand_over_take(void *context, struct handover *handover);
static void on_reload_request(struct letter *letter);

int daemon_run_take(const struct settings *settings_ref,
                    const char *settings_path,
                    const struct settings_errors *warnings,
                    struct command_helper *helper)
{
	struct daemon daemon = { .settings = settings_ref,
		                 .settings_path = settings_path,
		                 .helper = helper };
	char *error = NULL;
	int r;

	r = make_all(&daemon, &error);
	reload_log_errors(warnings, false);
	if (r == 0)
		r = start_all(&daemon);
	if (r == 0) {
		service_notify("READY=1");
		log_message(LOG_LEVEL_INFO, "ready",
		            "relaisd " PACKAGE_VERSION " takes mail at %s",
		            daemon.settings->receive.socket);
		reload_log_staging(daemon.settings);
		r = loop_run(daemon.main_loop);
		stop_all(&daemon);
	} else if (error != NULL) {
		log_message(LOG_LEVEL_ERR, "start_failed", "%s", error);
	} else {
		log_message(LOG_LEVEL_ERR, "start_failed", "%s", strerror(-r));
	}
	free(error);
	free_all(&daemon);
	if (r == 0)
		log_message(LOG_LEVEL_INFO, "stopped", "all is on disk");
	log_stop();
	return r == 0 ? EX_OK : EX_UNAVAILABLE;
}

/* ------------------------------------------------------------------ make */

static int make_all(struct daemon *daemon, char **ret_error)
{
	int r;

	r = loop_prepare_process();
	if (r < 0)
		return r;
	r = log_start(reload_log_level(daemon->settings));
	if (r < 0)
		return r;
	r = queue_open(&daemon->queue, daemon->settings, ret_error);
	if (r < 0)
		return r;
	r = make_loops(daemon);
	if (r < 0)
		return r;
	r = make_workers(daemon);
	if (r < 0)
		return r;
	r = make_doors(daemon, ret_error);
	if (r < 0)
		return r;
	return make_events(daemon);
}

static int make_loops(struct daemon *daemon)
{
	int r;

	r = loop_new(&daemon->main_loop, "relais-main");
	if (r < 0)
		return r;
	r = loop_new(&daemon->receive_loop, "relais-receive");
	if (r < 0)
		return r;
	r = loop_new(&daemon->control_loop, "relais-control");
	if (r < 0)
		return r;
	r = loop_new(&daemon->resolver_loop, "relais-resolver");
	if (r < 0)
		return r;
	r = command_helper_attach(daemon->helper, daemon->resolver_loop);
	if (r < 0)
		return r;
	return mailbox_new(&daemon->inbox, daemon->main_loop);
}

static int make_workers(struct daemon *daemon)
{
	unsigned count = daemon->settings->delivery.workers;
	int r;

	r = resolver_new(&daemon->resolver, daemon->resolver_loop,
	                 daemon->settings);
	if (r < 0)
		return r;
	r = oauth_new(&daemon->oauth, daemon->resolver_loop, daemon->resolver,
	              daemon->settings);
	if (r < 0)
		return r;
	daemon->workers = xcalloc(count, sizeof(*daemon->workers));
	for (; daemon->worker_count < count; daemon->worker_count++) {
		r = worker_new(&daemon->workers[daemon->worker_count],
		               daemon->worker_count, daemon->queue,
		               daemon->resolver, daemon->helper, daemon->oauth);
		if (r < 0)
			return r;
	}
	r = queue_reader_new(&daemon->reader, daemon->queue);
	if (r < 0)
		return r;
	r = reporter_new(&daemon->reporter, daemon->queue, daemon->settings,
	                 daemon->helper);
	if (r < 0)
		return r;
	r = scheduler_new(&daemon->scheduler, daemon->main_loop, daemon->queue,
	                  daemon->settings, daemon->workers,
	                  daemon->worker_count);
	if (r == 0)
		scheduler_listen_trouble(daemon->scheduler, tell_trouble_take,
		                         daemon->reporter);
	return r;
}

static void tell_trouble_take(void *reporter, struct trouble *trouble)
{
	reporter_tell_take(reporter, trouble);
}

static int make_doors(struct daemon *daemon, char **ret_error)
{
	struct control_params params = {
		.loop = daemon->control_loop,
		.queue = daemon->queue,
		.scheduler = daemon->scheduler,
		.resolver = daemon->resolver,
		.helper = daemon->helper,
		.oauth = daemon->oauth,
		.settings = daemon->settings,
		.listen_fd = service_take_socket("control"),
		.reload_take = ask_reload_take,
		.reload_context = daemon,
		.hand_over_take = hand_over_take,
		.hand_over_context = daemon,
	};
	int submit_fd = service_take_socket("submit");
	int r;

	service_forget_sockets();
	r = control_new(&daemon->control, &params, ret_error);
	if (r < 0)
		return r;
	r = receiver_new(&daemon->receiver, daemon->receive_loop, daemon->queue,
	                 daemon->settings);
	if (r < 0)
		return r;
	return receiver_listen(daemon->receiver, submit_fd, ret_error);
}

static int add_signal(struct daemon *daemon, enum daemon_signal which,
                      int number, event_callback_fn on_signal)
{
	daemon->signals[which] = evsignal_new(loop_base(daemon->main_loop),
	                                      number, on_signal, daemon);
	if (daemon->signals[which] == NULL ||
	    event_add(daemon->signals[which], NULL) < 0)
		return -ENOMEM;
	return 0;
}

static int make_events(struct daemon *daemon)
{
	int r;

	r = add_signal(daemon, SIGNAL_TERM, SIGTERM, on_stop_signal);
	if (r == 0)
		r = add_signal(daemon, SIGNAL_INT, SIGINT, on_stop_signal);
	if (r == 0)
		r = add_signal(daemon, SIGNAL_HUP, SIGHUP, on_hup);
	if (r < 0)
		return r;
	daemon->drain_timer =
	    evtimer_new(loop_base(daemon->main_loop), on_drain_timeout, daemon);
	if (daemon->drain_timer == NULL)
		return -ENOMEM;
	return make_vital_signs(daemon);
}

static int make_vital_signs(struct daemon *daemon)
{
	struct vital_signs_params params = {
		.main_loop = daemon->main_loop,
		.queue = daemon->queue,
		.reader = daemon->reader,
		.scheduler = daemon->scheduler,
		.receive_loop = daemon->receive_loop,
	};
	unsigned i;

	daemon->watched =
	    xcalloc(daemon->worker_count + 3, sizeof(*daemon->watched));
	for (i = 0; i < daemon->worker_count; i++)
		daemon->watched[i] = worker_loop(daemon->workers[i]);
	daemon->watched[i++] = daemon->control_loop;
	daemon->watched[i++] = daemon->resolver_loop;
	daemon->watched[i++] = reporter_loop(daemon->reporter);
	params.loops = daemon->watched;
	params.loop_count = i;
	return vital_signs_new(&daemon->signs, &params);
}

/* What is to listen starts before what is to speak. */
static int start_all(struct daemon *daemon)
{
	unsigned i;
	int r;

	r = loop_start(daemon->resolver_loop);
	for (i = 0; i < daemon->worker_count && r == 0; i++)
		r = worker_start(daemon->workers[i]);
	if (r == 0)
		r = queue_start(daemon->queue);
	if (r == 0)
		r = scheduler_start(daemon->scheduler);
	if (r == 0)
		r = reporter_start(daemon->reporter);
	if (r == 0)
		r = loop_start(daemon->control_loop);
	if (r == 0)
		r = loop_start(daemon->receive_loop);
	return r;
}

/* ------------------------------------------------------------------ stop */

/* New mail is turned away, attempts that run may end; a second signal or
 * delivery.drain cuts them. */
static void on_stop_signal(evutil_socket_t number, short what, void *argument)
{
	struct daemon *daemon = argument;
	struct timeval limit = {
		.tv_sec = daemon->settings->delivery.drain_s,
	};
	unsigned i;

	(void)what;
	if (daemon->is_stopping) {
		loop_stop(daemon->main_loop);
		return;
	}
	daemon->is_stopping = true;
	vital_signs_set_stopping(daemon->signs);
	log_message(LOG_LEVEL_INFO, "stopping", "signal %d", (int)number);
	service_notify("STOPPING=1\nSTATUS=Waiting for attempts that run");
	receiver_drain(daemon->receiver);
	(void)event_add(daemon->drain_timer, &limit);
	scheduler_drain(daemon->scheduler, on_scheduler_idle, daemon);
	for (i = 0; i < daemon->worker_count; i++)
		worker_drain(daemon->workers[i]);
}

static void on_scheduler_idle(void *argument)
{
	struct daemon *daemon = argument;

	loop_stop(daemon->main_loop);
}

static void on_drain_timeout(evutil_socket_t fd, short what, void *argument)
{
	struct daemon *daemon = argument;

	(void)fd;
	(void)what;
	log_message(LOG_LEVEL_WARNING, "drain_ended",
	            "some attempts were cut after %" PRIu32
	            " s; they are made again",
	            daemon->settings->delivery.drain_s);
	loop_stop(daemon->main_loop);
}

/*
 * Letters that were posted to a thread while it ended are opened here, for what
 * they carry to be freed. A question of the control API goes two ways and back.
 */
static void open_late_letters(struct daemon *daemon)
{
	for (unsigned i = 0; i < 3; i++) {
		loop_finish(daemon->main_loop);
		loop_finish(daemon->control_loop);
		loop_finish(daemon->receive_loop);
	}
}

/* The receiver ends its loop itself, once its last client has its answer. */
static void stop_all(struct daemon *daemon)
{
	unsigned i;

	loop_join(daemon->receive_loop);
	for (i = 0; i < daemon->worker_count; i++)
		worker_cut(daemon->workers[i]);
	for (i = 0; i < daemon->worker_count; i++)
		worker_join(daemon->workers[i]);
	loop_stop(daemon->control_loop);
	loop_join(daemon->control_loop);
	reporter_stop(daemon->reporter);
	open_late_letters(daemon); /* some are for the committer */
	queue_stop(daemon->queue);
	open_late_letters(daemon);
	loop_stop(daemon->resolver_loop);
	loop_join(daemon->resolver_loop);
	loop_finish(daemon->control_loop); /* news of accounts */
	for (i = 0; i < daemon->worker_count; i++)
		loop_finish(worker_loop(daemon->workers[i]));
}

static void free_all(struct daemon *daemon)
{
	unsigned i;

	for (i = 0; i < SIGNALS; i++)
		if (daemon->signals[i] != NULL)
			event_free(daemon->signals[i]);
	if (daemon->drain_timer != NULL)
		event_free(daemon->drain_timer);
	vital_signs_free(daemon->signs);
	free(daemon->watched);
	receiver_free(daemon->receiver);
	scheduler_free(daemon->scheduler);
	control_free(daemon->control);
	for (i = 0; i < daemon->worker_count; i++)
		worker_free(daemon->workers[i]);
	free(daemon->workers);
	oauth_free(daemon->oauth);
	resolver_free(daemon->resolver);
	reporter_free(daemon->reporter);
	mailbox_free(daemon->inbox);
	queue_reader_free(daemon->reader);
	queue_free(daemon->queue);
	/* Its events are of a loop's base. */
	command_helper_free(daemon->helper);
	loop_free(daemon->receive_loop);
	loop_free(daemon->control_loop);
	loop_free(daemon->resolver_loop);
	loop_free(daemon->main_loop);
	settings_unref(daemon->settings);
}

/* ---------------------------------------------------------------- reload */

static void on_hup(evutil_socket_t number, short what, void *argument)
{
	char *report = NULL;

	(void)number;
	(void)what;
	(void)reload(argument, &(struct reload_edits){ .count = 0 }, &report);
	free(report);
}

static int reload(struct daemon *daemon, const struct reload_edits *edits,
                  char **ret_report)
{
	const struct settings *settings = NULL;
	int r;

	service_notify_reloading();
	r = reload_settings(&settings, daemon->settings_path, daemon->settings,
	                    edits, ret_report);
	if (r < 0) {
		service_notify("READY=1\nSTATUS=Reload refused: the settings "
		               "have errors");
		return r;
	}

	log_set_level(reload_log_level(settings));
	queue_apply_settings(daemon->queue, settings);
	resolver_apply_settings_take(daemon->resolver, settings_ref(settings));
	oauth_apply_settings_take(daemon->oauth, settings_ref(settings));
	for (unsigned i = 0; i < daemon->worker_count; i++)
		worker_apply_settings_take(daemon->workers[i],
		                           settings_ref(settings));
	scheduler_apply_settings(daemon->scheduler, settings);
	reporter_apply_settings_take(daemon->reporter, settings_ref(settings));
	receiver_apply_settings(daemon->receiver, settings);
	control_apply_settings(daemon->control, settings);
	settings_unref(daemon->settings);
	daemon->settings = settings;
	log_message(LOG_LEVEL_INFO, "reloaded", "new settings are in force");
	reload_log_staging(settings);
	service_notify("READY=1\nSTATUS=New settings are in force");
	return 0;
}

/* From the control loop to the receive loop, which is started after it. */
static void hand_over_take(void *context, struct handover *handover)
{
	const struct daemon *daemon = context;

	receiver_hand_over_take(daemon->receiver, handover);
}

/* From the control loop: over to ours. */
static void ask_reload_take(void *context, struct control_reload *request)
{
	struct daemon *daemon = context;
	struct reload_request *mine = xcalloc(1, sizeof(*mine));

	mine->letter.open = on_reload_request;
	mine->daemon = daemon;
	mine->reload = request;
	mailbox_post_take(daemon->inbox, &mine->letter);
}

static void on_reload_request(struct letter *letter)
{
	struct reload_request *mine =
	    LETTER_OF(letter, struct reload_request, letter);
	struct control_reload *request = mine->reload;

	request->result = reload(
	    mine->daemon,
	    &(struct reload_edits){ request->edits, request->edit_count },
	    &request->report);
	request->letter.open = request->on_done;
	mailbox_post_take(request->home, &request->letter);
	free(mine);
}
