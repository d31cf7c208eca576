/*
 * request - one question from its arrival to its answer
 *
 * A handler answers at once or later, by exactly one call of those that end
 * the request. The client may go away meanwhile: the answer is dropped then,
 * and what was asked for happens all the same.
 *
 * Thread: the control loop.
 */
#ifndef RELAIS_CONTROL_REQUEST_H
#define RELAIS_CONTROL_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "buffer.h"
#include "control/emit.h"
#include "control/endpoint.h"
#include "control/shape.h"

#define REQUEST_HEAD_MAX (16 * 1024)
#define REQUEST_BODY_MAX (64 * 1024) /* but of mail: gate.h */
/*
 * evhttp keeps a body in the input buffer until it is whole; beyond this a
 * client that sends on and on is no longer read.
 */
#define REQUEST_INPUT_MAX (2 * REQUEST_BODY_MAX)

struct connection;
struct control;
struct evbuffer;
struct evhttp_request;
struct evkeyvalq;
struct scheduler_query;
struct settings;

struct request {
	LIST_ENTRY(request) link;
	struct control *control;
	struct connection *connection; /* NULL: the client is gone */
	struct evhttp_request *http;   /* NULL: likewise */
	const struct endpoint *endpoint;
	const struct settings *settings; /* as they were when it came */
	uid_t uid;
	pid_t pid; /* for the log */
	char uid_text[24];
	bool is_administrator;
	struct evkeyvalq *query;
	char parameter[ENDPOINT_PARAMETER_SIZE]; /* {id} or {name} */
	uint64_t id;                             /* of {id} */
	struct scheduler_query *scheduler;       /* its answer; or NULL */

	bool is_accepted_only; /* what was asked for comes later: 202 */
	char *report; /* what a reload found odd, one a line; or NULL */

	/* The answer: JSON that request_reply() sends. */
	struct buffer body;
	struct emitter emit;

	/* For answers that take long: called once when the client has gone;
	 * without it the request waits for whoever holds it. */
	void (*on_gone)(struct request *request);
	void *context;
	/* What goes on when what is waited for has come; request.c's. */
	void (*then)(struct request *request);
};

/* Everything of a new request; answers it or hands it to its handler. */
void request_dispatch(struct connection *connection,
                      struct evhttp_request *http, const struct endpoint *table,
                      size_t count);

/* The query parameter's decoded value, or NULL. */
const char *request_query(const struct request *request, const char *name);

/* What was sent along, borrowed until the request ends. */
const char *request_input(struct request *request, size_t *ret_len);

/* What the shapes need beside a record; borrowed from the request. */
void request_view(struct request *request, struct shape_view *ret_view);

/* "root", or the uid where it has no name; borrowed until the next call. */
const char *request_user(struct request *request);

/*
 * The audit line: who did what to which message (0: none) or relay (NULL), or
 * to how many (-1: not said).
 */
void request_log(struct request *request, const char *action, uint64_t id,
                 const char *relay, int64_t count);

/* The same for a change of a relay; keys: what was given, or NULL. */
void request_log_relay(struct request *request, const char *action,
                       const char *relay, const char *keys);

/* Ends the request with what was emitted. */
void request_reply(struct request *request, int status);

/* Ends it with an error; `next` says what to do about it, or is NULL. */
void request_fail(struct request *request, int status, const char *code,
                  const char *next, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The same with `lines`, one a line, as its details; they may be NULL. */
void request_fail_lines(struct request *request, const char *code,
                        const char *message, const char *next,
                        const char *lines);

/* The same with the errors as details. */
struct settings_errors;
void request_fail_errors(struct request *request, const char *code,
                         const char *message,
                         const struct settings_errors *errors);

/* A member that is an array of lines; NULL: an empty one. */
void request_emit_lines(struct emitter *emit, const char *key,
                        const char *lines);

/* The body is YAML, says its head; else it is JSON. */
bool request_is_yaml(const struct request *request);

/* Ends it with what an -errno of the queue means. */
void request_fail_errno(struct request *request, int error);

/* Ends it with a text of another kind; data is malloc'ed and taken. */
void request_reply_text_take(struct request *request, const char *type,
                             char *data, size_t len);

/* An answer in pieces; length -1: not known. */
void request_stream_begin(struct request *request, const char *type,
                          int64_t length);
/*
 * Empties `data`. on_drained, if not NULL, is called with the request when
 * all of it is with the kernel. Not for a request whose client is gone.
 */
void request_stream_send(struct request *request, struct evbuffer *data,
                         void (*on_drained)(struct request *request));
/* What was emitted is a line; the next one begins. */
void request_stream_line(struct request *request);
/* An empty line, so that nobody takes us for dead. */
void request_stream_heartbeat(struct request *request);
/* Ends it with what was emitted as the last piece. */
void request_stream_reply(struct request *request);
/* Ends the request; the connection lives on. */
void request_stream_end(struct request *request);
/* Ends the request and the connection: the answer isn't whole. */
void request_stream_cut(struct request *request);

/* Asks the scheduler (again), then calls `then`, also without a client. */
void request_ask_scheduler(struct request *request,
                           void (*then)(struct request *request));

/* Its http request is evhttp's again; for request_stream.c. */
void request_forget_connection(struct request *request);

/* For connection.c. */
void request_on_turn(struct request *request);
void request_client_gone(struct request *request);

/* For evbuffer_add_reference(): context is malloc'ed, and the data. */
void request_free_data(const void *data, size_t len, void *context);

/* Ends it without an answer; for on_gone, and at the very end. */
void request_free(struct request *request);

#endif
