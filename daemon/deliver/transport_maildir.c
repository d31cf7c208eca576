/*
 * transport_maildir - the capture relay: nothing leaves the host
 *
 * Each transaction becomes one file of a Maildir, in LF form as programs on
 * this host expect it. What was in the envelope is added on top:
 *
 *	Return-Path: <sender>
 *	X-Envelope-To: one recipient
 *	X-Envelope-To: another
 *
 * Promise: a recipient is delivered only once file and directory entry are on
 *          stable storage. The file's name follows from message and recipients,
 *          so a delivery that is repeated replaces the file of the first.
 * Thread:  its loop's, which waits for one piece of writing or one fsync at a
 *          time and turns in between.
 */
#include "config.h"

#include "deliver/transport.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "buffer.h"
#include "queue_id.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* Written between two turns of the loop. */
#define TURN_BYTES (1024 * 1024)

#define NAME_SIZE 160

enum step {
	STEP_IDLE,
	STEP_OPEN,
	STEP_BODY,
	STEP_SYNC,
	STEP_MOVE,
};

struct maildir {
	struct transport transport;
	struct transport_events events;
	struct event *turn;
	char *path;
	char *host; /* ours, for the names */
	enum step step;
	const struct transport_message *message;
	char name[NAME_SIZE];
	int directory; /* path; -1: closed */
	int file;      /* in tmp/; -1: none */
	struct buffer out;
	bool has_cr; /* the last octet seen was a CR, not written yet */
};

static int maildir_new(struct transport **ret_transport, struct loop *loop,
                       const struct transport_target *target,
                       const struct transport_events *events);
static void maildir_send(struct transport *transport,
                         const struct transport_message *message);
static void maildir_free(struct transport *transport);

const struct transport_kind transport_maildir = {
	.create = maildir_new,
	.send = maildir_send,
	.destroy = maildir_free,
};

static void on_turn(evutil_socket_t fd, short what, void *context);
static int open_file(struct maildir *maildir);
static int write_body(struct maildir *maildir, bool *ret_is_over);
static int move_file(struct maildir *maildir);
static void drop_file(struct maildir *maildir);
static void report(struct maildir *maildir, int error);

/* Of a Maildir's file names, "/" and ":" have a meaning. */
static char *host_for_names(const char *host)
{
	char *name = xstrdup(host && *host ? host : "localhost");

	for (char *p = name; *p; p++)
		if (*p == '/' || *p == ':')
			*p = '_';
	if (strlen(name) > 64)
		name[64] = '\0';
	return name;
}

static int maildir_new(struct transport **ret_transport, struct loop *loop,
                       const struct transport_target *target,
                       const struct transport_events *events)
{
	struct maildir *maildir = xcalloc(1, sizeof(*maildir));

	maildir->transport.kind = &transport_maildir;
	maildir->events = *events;
	maildir->path = xstrdup(target->relay->path);
	maildir->host = host_for_names(target->ehlo_name);
	maildir->directory = -1;
	maildir->file = -1;
	buffer_init(&maildir->out, 0);
	maildir->turn = event_new(loop_base(loop), -1, 0, on_turn, maildir);
	if (!maildir->turn) {
		maildir_free(&maildir->transport);
		return -ENOMEM;
	}
	*ret_transport = &maildir->transport;
	return 0;
}

static void maildir_free(struct transport *transport)
{
	struct maildir *maildir = (struct maildir *)transport;

	if (maildir->turn)
		event_free(maildir->turn);
	drop_file(maildir);
	if (maildir->directory >= 0)
		(void)close(maildir->directory);
	buffer_done(&maildir->out);
	free(maildir->host);
	free(maildir->path);
	free(maildir);
}

static void maildir_send(struct transport *transport,
                         const struct transport_message *message)
{
	struct maildir *maildir = (struct maildir *)transport;

	assert(maildir->step == STEP_IDLE);
	maildir->message = message;
	maildir->step = STEP_OPEN;
	event_active(maildir->turn, 0, 0);
}

/* One step of a delivery, then the others on this loop have their turn. */
static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct maildir *maildir = context;
	bool is_over = true;
	int r = 0;

	(void)fd;
	(void)what;
	switch (maildir->step) {
	case STEP_IDLE:
		return;
	case STEP_OPEN:
		r = open_file(maildir);
		break;
	case STEP_BODY:
		r = write_body(maildir, &is_over);
		break;
	case STEP_SYNC:
		r = fsync(maildir->file) < 0 ? -errno : 0;
		break;
	case STEP_MOVE:
		r = move_file(maildir);
		break;
	}
	if (r < 0 || maildir->step == STEP_MOVE) {
		report(maildir, r);
		return;
	}
	if (is_over)
		maildir->step++;
	event_active(maildir->turn, 0, 0);
}

/* ------------------------------------------------------------- the file */

static int make_directory(int parent, const char *name)
{
	return mkdirat(parent, name, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* Makes what is missing of PATH, PATH/tmp, PATH/new and PATH/cur. */
static int open_directory(struct maildir *maildir)
{
	static const char *const parts[] = { "tmp", "new", "cur" };
	int r;

	if (maildir->directory >= 0)
		return 0;
	r = make_directory(AT_FDCWD, maildir->path);
	if (r < 0)
		return r;
	maildir->directory =
	    open(maildir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (maildir->directory < 0)
		return -errno;
	for (size_t i = 0; i < 3; i++) {
		r = make_directory(maildir->directory, parts[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* FNV-1a */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	while (*text++);
	return hash;
}

/* Tells the transactions of one message apart. */
static uint64_t hash_recipients(const struct transport_message *message)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (unsigned i = 0; i < message->recipient_count; i++)
		hash = hash_text(hash, message->recipients[i].address);
	if (message->redirected_from)
		hash = hash_text(hash, message->redirected_from);
	return hash;
}

/* `seconds.unique.host`; the id's upper 42 bits are milliseconds. */
static void make_name(struct maildir *maildir)
{
	const struct transport_message *message = maildir->message;
	char id[QUEUE_ID_SIZE];

	queue_id_format(message->id, id);
	(void)snprintf(
	    maildir->name, sizeof(maildir->name), "%llu.%s_%016llx.%s",
	    (unsigned long long)(message->id >> 22) / 1000, id,
	    (unsigned long long)hash_recipients(message), maildir->host);
}

static void path_below(const struct maildir *maildir, const char *folder,
                       char path[NAME_SIZE + 8])
{
	(void)snprintf(path, NAME_SIZE + 8, "%s/%s", folder, maildir->name);
}

/* CRLF becomes LF, wherever the text is cut. */
static int append_lines(struct maildir *maildir, const char *data, size_t len)
{
	int r = 0;

	while (len > 0 && r == 0) {
		const char *cr;
		size_t run;

		if (maildir->has_cr && data[0] != '\n')
			r = buffer_append(&maildir->out, "\r", 1);
		maildir->has_cr = false;
		cr = memchr(data, '\r', len);
		run = cr ? (size_t)(cr - data) : len;
		if (r == 0)
			r = buffer_append(&maildir->out, data, run);
		if (cr) {
			maildir->has_cr = true;
			run++;
		}
		data += run;
		len -= run;
	}
	return r;
}

static int append_envelope(struct maildir *maildir)
{
	const struct transport_message *message = maildir->message;
	int r;

	r = buffer_appendf(&maildir->out, "Return-Path: <%s>\n",
	                   message->sender);
	for (unsigned i = 0; i < message->recipient_count && r == 0; i++)
		r = buffer_appendf(&maildir->out, "X-Envelope-To: %s\n",
		                   message->recipients[i].address);
	return r;
}

static int open_file(struct maildir *maildir)
{
	const struct transport_message *message = maildir->message;
	char path[NAME_SIZE + 8];
	int r;

	r = open_directory(maildir);
	if (r < 0)
		return r;
	make_name(maildir);
	path_below(maildir, "tmp", path);
	maildir->file = openat(maildir->directory, path,
	                       O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (maildir->file < 0)
		return -errno;
	maildir->has_cr = false;
	buffer_clear(&maildir->out);
	r = append_envelope(maildir);
	if (r == 0)
		r = append_lines(maildir, message->header, message->header_len);
	return r;
}

static int write_out(struct maildir *maildir)
{
	struct buffer *out = &maildir->out;

	while (out->len > 0) {
		ssize_t n = write(maildir->file, out->data, out->len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			buffer_consume(out, (size_t)n);
	}
	return 0;
}

/* A mistake of the store, not of the disk the Maildir is on. */
#define BODY_UNREADABLE (-EBADMSG)

static int write_body(struct maildir *maildir, bool *ret_is_over)
{
	const struct transport_message *message = maildir->message;
	size_t written = 0;

	*ret_is_over = false;
	while (written < TURN_BYTES) {
		const char *data;
		size_t len;
		int r;

		if (message->read_body(message->context, &data, &len) < 0)
			return BODY_UNREADABLE;
		r = len > 0           ? append_lines(maildir, data, len)
		    : maildir->has_cr ? buffer_append(&maildir->out, "\r", 1)
		                      : 0;
		if (r == 0)
			r = write_out(maildir);
		if (r < 0)
			return r;
		if (len == 0) {
			*ret_is_over = true;
			return 0;
		}
		written += len;
	}
	return 0;
}

/* From the rename on the message is there, whatever becomes of us. */
static int move_file(struct maildir *maildir)
{
	const struct transport_message *message = maildir->message;
	char from[NAME_SIZE + 8], to[NAME_SIZE + 8];
	int folder, r = 0;

	path_below(maildir, "tmp", from);
	path_below(maildir, "new", to);
	folder = openat(maildir->directory, "new",
	                O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	if (message->on_dot)
		message->on_dot(message->context);
	if (renameat(maildir->directory, from, maildir->directory, to) < 0)
		r = -errno;
	else if (fsync(folder) < 0)
		r = -errno;
	(void)close(folder);
	if (r == 0) {
		/* It is on the disk: closing has nothing left to say. */
		(void)close(maildir->file);
		maildir->file = -1;
	}
	return r;
}

static void drop_file(struct maildir *maildir)
{
	char path[NAME_SIZE + 8];

	if (maildir->file < 0)
		return;
	(void)close(maildir->file);
	maildir->file = -1;
	path_below(maildir, "tmp", path);
	(void)unlinkat(maildir->directory, path, 0);
}

/* ----------------------------------------------------------- the outcome */

static void set_delivered(struct maildir *maildir, struct verdict *verdict)
{
	char text[VERDICT_TEXT_SIZE];

	(void)snprintf(text, sizeof(text), "saved as new/%s", maildir->name);
	verdict_local(verdict, VERDICT_DELIVERED, SCOPE_RECIPIENT, PHASE_DOT,
	              FAULT_NONE, text);
	verdict->enhanced[0] = 2;
}

static void set_fault(struct maildir *maildir, struct verdict *verdict,
                      int error)
{
	bool is_config = error == -EACCES || error == -ENOENT ||
	                 error == -ENOTDIR || error == -EROFS;
	char text[VERDICT_TEXT_SIZE];

	(void)snprintf(text, sizeof(text), "cannot write to the Maildir %s: %s",
	               maildir->path, strerror(-error));
	verdict_local(verdict, VERDICT_TEMPORARY, SCOPE_RELAY, PHASE_BODY,
	              is_config ? FAULT_CONFIG : FAULT_OTHER, text);
	verdict->enhanced[0] = 4;
	verdict->enhanced[1] = 3;
}

static void report(struct maildir *maildir, int error)
{
	unsigned count = maildir->message->recipient_count;
	struct verdict *verdicts = xcalloc(count + 1, sizeof(*verdicts));
	struct transport_result result = {
		.verdicts = verdicts,
		.count = count,
		.host = maildir->path,
		.phase = error == 0 ? PHASE_DOT : PHASE_BODY,
	};

	if (error == 0)
		set_delivered(maildir, &verdicts[0]);
	else if (error == BODY_UNREADABLE)
		verdict_local(&verdicts[0], VERDICT_TEMPORARY, SCOPE_MESSAGE,
		              PHASE_BODY, FAULT_NONE,
		              "the message could not be read");
	else
		set_fault(maildir, &result.fault, error);
	for (unsigned i = 1; i < count; i++)
		verdicts[i] = verdicts[0];
	drop_file(maildir);
	if (error < 0 && maildir->directory >= 0) {
		/* Somebody may have put another in its place. */
		(void)close(maildir->directory);
		maildir->directory = -1;
	}
	maildir->step = STEP_IDLE;
	maildir->message = NULL;
	maildir->events.on_done(maildir->events.context, &result);
	free(verdicts);
}
