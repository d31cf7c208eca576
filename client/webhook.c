/*
 * relais-webhook - posts each event of relaisd to a URL
 *
 * Reads the event stream and posts one event, or one batch, after the other:
 * the next is not sent before the last was taken, so that all of a message
 * arrive in order. What was taken is remembered on disk, then the next is read.
 *
 * Promise: every event after the position is posted at least once, whatever
 *          dies in between; an endpoint that fails is tried again without end.
 *          While it does, nothing is read: events wait in relaisd's ring.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "buffer.h"
#include "clock.h"
#include "json.h"
#include "webhook_events.h"
#include "webhook_position.h"
#include "webhook_post.h"
#include "webhook_settings.h"
#include "webhook_signature.h"
#include "webhook_trouble.h"

/* While one event follows the other the position goes to disk so often. */
#define SAVE_EVERY_MS   200
#define BATCH_BYTES_MAX (1024 * 1024)
/* A failure that goes on is said again after so long. */
#define SAY_AGAIN_S 600

struct webhook {
	struct webhook_settings settings;
	struct webhook_keys *keys;
	struct webhook_post *post;
	struct webhook_events *events;
	char host[72];     /* ours, for ids */
	uint64_t position; /* the last event that is done with */
	uint64_t saved;    /* likewise, on disk */
	int64_t saved_ms;  /* when; monotonic */
	bool has_position;
	/* The batch in hand. */
	struct buffer body;
	uint64_t first, last;
	unsigned count;
	struct webhook_trouble trouble;
};

static int read_settings(struct webhook *webhook, int argc, char *argv[]);
static int prepare(struct webhook *webhook);
static void follow(struct webhook *webhook);
static int read_batch(struct webhook *webhook);
static void deliver(struct webhook *webhook);

int main(int argc, char *argv[])
{
	static struct webhook webhook; /* kept until the process ends */
	int r;

	(void)signal(SIGPIPE, SIG_IGN);
	r = read_settings(&webhook, argc, argv);
	if (r >= 0)
		return r;
	r = prepare(&webhook);
	if (r != EX_OK)
		return r;
	for (;;)
		follow(&webhook);
}

/* --------------------------------------------------------------- settings */

static void print_help(void)
{
	const char *name, *what;

	puts("usage: relais-webhook [--config FILE] [--KEY VALUE ...]\n\n"
	     "Posts each event of relaisd to a URL, signed, at least once.\n"
	     "Keys, for the command line and for the file (KEY: VALUE):\n");
	for (size_t i = 0; (name = webhook_settings_option(i, &what)); i++)
		printf("  %-14s %s\n", name, what);
	puts("\nWithout --config: " WEBHOOK_FILE ", if it is there.\n"
	     "See relais-webhook(8).");
}

/* -1: go on; else the exit code. */
static int read_settings(struct webhook *webhook, int argc, char *argv[])
{
	char error[WEBHOOK_ERROR_SIZE];
	const char *file = NULL;
	int i, r = 0;

	for (i = 1; i < argc && r == 0; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			print_help();
			return EX_OK;
		}
		if (strcmp(argv[i], "--version") == 0) {
			puts("relais-webhook " PACKAGE_VERSION);
			return EX_OK;
		}
		r = webhook_settings_read_option(&webhook->settings, argc, argv,
		                                 &i, &file, error);
	}
	if (r < 0) {
		webhook_say(3, "%s", error);
		return EX_USAGE;
	}
	r = webhook_settings_read(&webhook->settings,
	                          file ? file : WEBHOOK_FILE, !file, error);
	if (r == 0)
		r = webhook_settings_complete(&webhook->settings, error);
	if (r < 0)
		webhook_say(3, "%s", error);
	return r < 0 ? EX_CONFIG : -1;
}

/* ---------------------------------------------------------------- prepare */

static int read_keys(struct webhook *webhook)
{
	const char *path = webhook->settings.text[WEBHOOK_SECRET_FILE];
	int r = webhook_keys_read(&webhook->keys, path);

	if (r < 0)
		webhook_say(
		    3, "the secret in %s: %s", path,
		    r == -ENODATA  ? "the file has none"
		    : r == -ERANGE ? "expected at least 16 octets"
		    : r == -EINVAL ? "what is behind whsec_ is not base64"
		    : r == -E2BIG  ? "it is too long, or there are too many"
				   : strerror(-r));
	return r < 0 ? EX_CONFIG : EX_OK;
}

static int read_position(struct webhook *webhook)
{
	const char *path = webhook->settings.text[WEBHOOK_POSITION_FILE];
	int r = webhook_position_lock(path);

	if (r == -EWOULDBLOCK) {
		webhook_say(3,
		            "another relais-webhook posts from %s; give "
		            "each a position_file of its own",
		            path);
		return EX_TEMPFAIL;
	}
	if (r == 0)
		r = webhook_position_load(path, &webhook->position);
	webhook->saved = webhook->position;
	webhook->has_position = r == 0;
	if (r == 0 || r == -ENOENT)
		return EX_OK;
	if (r == -EBADMSG)
		webhook_say(3, "%s is no position; remove it to begin anew",
		            path);
	else
		webhook_say(3, "%s: %s", path, strerror(-r));
	return EX_CANTCREAT;
}

static int prepare(struct webhook *webhook)
{
	int r;

	buffer_init(&webhook->body, 0);
	if (gethostname(webhook->host, sizeof(webhook->host) - 1) < 0)
		memcpy(webhook->host, "relais", 7);
	r = read_keys(webhook);
	if (r == EX_OK)
		r = read_position(webhook);
	if (r == EX_OK && webhook_post_new(&webhook->post, &webhook->settings,
	                                   webhook->keys) < 0) {
		webhook_say(3, "libcurl cannot be used");
		r = EX_OSERR;
	}
	return r;
}

/* ----------------------------------------------------------------- follow */

static unsigned longer(const struct webhook *webhook, unsigned wait_ms)
{
	unsigned maximum_ms = webhook->settings.retry_maximum_ms;

	return wait_ms < maximum_ms / 2 ? wait_ms * 2 : maximum_ms;
}

/*
 * To be stopped waits for a request that is under way and for the position on
 * disk, so that an orderly stop posts nothing twice.
 */
static void hold_signals(int how)
{
	sigset_t ends;

	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	(void)sigprocmask(how, &ends, NULL);
}

static bool is_to_end(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) == 1 ||
	        sigismember(&pending, SIGINT) == 1);
}

static bool is_saved(const struct webhook *webhook)
{
	return webhook->has_position && webhook->saved == webhook->position;
}

/* May end the process, where it was to end. */
static void save(struct webhook *webhook)
{
	const char *path = webhook->settings.text[WEBHOOK_POSITION_FILE];
	int r = 0;

	if (!is_saved(webhook))
		r = webhook_position_save(path, webhook->position);
	/* What is posted is posted: at worst it is again. */
	if (r < 0)
		webhook_say(3, "%s cannot be written: %s", path, strerror(-r));
	webhook->saved = webhook->position;
	webhook->saved_ms = clock_monotonic_us() / 1000;
	webhook->has_position = true;
	hold_signals(SIG_UNBLOCK);
}

/* The disk's time is not to be that of each event. */
static void save_now_and_then(struct webhook *webhook)
{
	int64_t age_ms = clock_monotonic_us() / 1000 - webhook->saved_ms;

	if (age_ms >= SAVE_EVERY_MS || is_to_end() ||
	    webhook->settings.linger_ms > SAVE_EVERY_MS)
		save(webhook);
}

/* relaisd's ring has moved on, or is another one: the endpoint hears of it. */
static void tell_gap(struct webhook *webhook, const struct webhook_gap *gap)
{
	uint64_t next = gap->oldest > 0 ? gap->oldest - 1 : 0;
	char text[160];

	webhook_say(4,
	            "events after %" PRIu64 " are gone; going on from "
	            "%" PRIu64 ", the oldest there is",
	            webhook->position, next + 1);
	(void)snprintf(text, sizeof(text),
	               "{\"event\":\"events_lost\",\"after\":%" PRIu64
	               ",\"oldest\":%" PRIu64 "}",
	               webhook->position, next + 1);
	buffer_clear(&webhook->body);
	if (buffer_appendf(&webhook->body,
	                   webhook->settings.is_batched ? "[%s]" : "%s",
	                   text) < 0)
		abort();
	webhook->first = webhook->position;
	webhook->last = next;
	webhook->count = 0;
	deliver(webhook);
}

static void warn_of_view(const struct webhook *webhook)
{
	bool is_administrator = true;

	if (webhook_events_ask_view(webhook->settings.text[WEBHOOK_SOCKET],
	                            &is_administrator) == 0 &&
	    !is_administrator)
		webhook_say(4,
		            "relaisd tells uid %u of its own mail alone; "
		            "for all mail, run in the group relais-admin",
		            (unsigned)geteuid());
}

/* Once connected; -ERANGE is over when this returns. */
static int open_events(struct webhook *webhook)
{
	const char *socket = webhook->settings.text[WEBHOOK_SOCKET];
	struct webhook_gap gap = { .oldest = 0 };
	uint64_t position = webhook->position;
	int r;

	if (!webhook->has_position && !webhook->settings.is_from_oldest)
		position = WEBHOOK_NOW;
	r = webhook_events_open(&webhook->events, socket, position, &gap);
	if (r == -ERANGE && !webhook->has_position) {
		/* From the oldest, wherever that is. */
		webhook->position = gap.oldest > 0 ? gap.oldest - 1 : 0;
		r = webhook_events_open(&webhook->events, socket,
		                        webhook->position, &gap);
	}
	if (r == -ERANGE)
		tell_gap(webhook, &gap);
	if (r < 0)
		return r;
	webhook->position = webhook_events_start(webhook->events);
	/* Before anything happens: nothing is missed from here on. */
	save(webhook);
	return 0;
}

/* One connection to relaisd, from its beginning to its end. */
static void follow(struct webhook *webhook)
{
	unsigned wait_ms = webhook->settings.retry_first_ms;
	int r;

	while ((r = open_events(webhook)) < 0) {
		if (r == -ERANGE)
			continue;
		webhook_trouble_say(
		    &webhook->trouble, "relaisd cannot be reached",
		    r == -EACCES ? "it has no events for this user"
				 : strerror(-r));
		webhook_wait_about(wait_ms);
		wait_ms = longer(webhook, wait_ms);
	}
	webhook_trouble_end(&webhook->trouble, "relaisd");
	warn_of_view(webhook);
	do {
		r = read_batch(webhook);
		if (webhook->count > 0)
			deliver(webhook);
	} while (r == 0);
	save(webhook);
	webhook_events_close(webhook->events);
	webhook->events = NULL;
	webhook_wait_about(webhook->settings.retry_first_ms);
}

/* ------------------------------------------------------------------ batch */

static bool is_wanted(const struct webhook *webhook,
                      const struct webhook_event *event)
{
	struct json *data = NULL;
	bool is;

	if (webhook->settings.text[WEBHOOK_TAG])
		data = json_parse(event->data, event->data_len);
	is = webhook_settings_want(&webhook->settings, event->kind,
	                           json_text(data, "tag"));
	json_free(data);
	return is;
}

static void add(struct webhook *webhook, const struct webhook_event *event)
{
	struct buffer *body = &webhook->body;
	int r = 0;

	if (webhook->settings.is_batched)
		r = buffer_append_string(body,
		                         webhook->count == 0 ? "[" : ",\n");
	if (r == 0)
		r = buffer_append(body, event->data, event->data_len);
	if (r < 0)
		abort();
	if (webhook->count++ == 0)
		webhook->first = event->sequence;
}

static bool has_room(const struct webhook *webhook)
{
	return webhook->count < webhook->settings.batch &&
	       webhook->body.len < BATCH_BYTES_MAX;
}

/* The position does not stay unsaved for long. */
static int patience(const struct webhook *webhook)
{
	int64_t age_ms = clock_monotonic_us() / 1000 - webhook->saved_ms;

	if (is_saved(webhook))
		return -1;
	return age_ms < SAVE_EVERY_MS ? (int)(SAVE_EVERY_MS - age_ms) : 0;
}

/*
 * One event, or as many as come together. 0; -errno: the stream has ended,
 * behind what is in the batch.
 */
static int read_batch(struct webhook *webhook)
{
	struct webhook_gap gap = { .oldest = 0 };
	struct webhook_event event;
	int patience_ms = patience(webhook), r;

	buffer_clear(&webhook->body);
	webhook->count = 0;
	webhook->last = webhook->position;
	do {
		r = webhook_events_next(webhook->events, patience_ms, &event,
		                        &gap);
		if (r == -ETIMEDOUT && webhook->count == 0 &&
		    !is_saved(webhook)) {
			save(webhook);
			return 0;
		}
		if (r < 0)
			break;
		if (is_wanted(webhook, &event))
			add(webhook, &event);
		else if (webhook->count == 0)
			webhook->position = event.sequence;
		webhook->last = event.sequence;
		if (webhook->count > 0)
			patience_ms = (int)webhook->settings.linger_ms;
	} while (webhook->count > 0 && has_room(webhook));
	if (webhook->count > 0 && webhook->settings.is_batched &&
	    buffer_append_string(&webhook->body, "]") < 0)
		abort();
	return r == -ETIMEDOUT && webhook->count > 0 ? 0 : r;
}

/* The URL without a password that may be in it. */
static const char *shown_url(const struct webhook *webhook)
{
	const char *url = webhook->settings.text[WEBHOOK_URL];
	const char *host = strstr(url, "://") + 3;
	const char *at = memchr(host, '@', strcspn(host, "/?#"));

	return at ? at + 1 : url;
}

/* An id is the same at each try, so that who has it already can tell. */
static void make_id(const struct webhook *webhook, char *id, size_t size)
{
	if (webhook->count == 1)
		(void)snprintf(id, size, "%s-%" PRIu64, webhook->host,
		               webhook->first);
	else
		(void)snprintf(id, size, "%s-%" PRIu64 "-%" PRIu64,
		               webhook->host, webhook->first, webhook->last);
}

/* Until it is taken. */
static void deliver(struct webhook *webhook)
{
	unsigned wait_ms = webhook->settings.retry_first_ms, after_s;
	char id[128];
	int r;

	make_id(webhook, id, sizeof(id));
	for (;;) {
		hold_signals(SIG_BLOCK);
		r = webhook_post_send(webhook->post, id, webhook->body.data,
		                      webhook->body.len, &after_s);
		if (r == 0)
			break;
		save(webhook);
		webhook_trouble_say(&webhook->trouble, shown_url(webhook),
		                    r == -ENOMEM
		                        ? "out of memory"
		                        : webhook_post_problem(webhook->post));
		if (after_s > 0)
			sleep(after_s);
		webhook_wait_about(wait_ms);
		wait_ms = longer(webhook, wait_ms);
	}
	webhook->position = webhook->last;
	webhook_trouble_end(&webhook->trouble, shown_url(webhook));
	save_now_and_then(webhook);
}
