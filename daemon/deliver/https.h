/*
 * https - one question to a web service at a time, by libcurl's multi interface
 *
 * Names are looked up by our own resolver, so that no thread of libcurl's can
 * hang; certificates are checked; redirects are not followed. The only
 * includer of <curl/…>.
 *
 * Promise: every call comes back within HTTPS_TIME_LIMIT_S of the look-up of
 *          its name, with an answer of at most HTTPS_ANSWER_MAX octets or the
 *          reason why there is none. What was sent and received is wiped.
 * Thread:  its loop's, which is the resolver's.
 */
#ifndef RELAIS_DELIVER_HTTPS_H
#define RELAIS_DELIVER_HTTPS_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

struct https;
struct https_transfer;
struct loop;
struct resolver;

#define HTTPS_TIME_LIMIT_S 30
#define HTTPS_ANSWER_MAX   65536

struct https_call {
	char *url;     /* malloc'ed, like all that follow */
	char *ca_file; /* NULL: the system's authorities */
	char *form;    /* POSTed; application/x-www-form-urlencoded */
	/* From the loop; the call is the asker's again. */
	void (*on_done)(struct https_call *call);
	void *context;
	/* out */
	int status; /* HTTP's; 0: no answer, as `problem` says */
	struct buffer answer;
	uint32_t retry_after_s; /* 0: not said */
	char problem[320];
	/* https's own; NULL: not under way */
	struct https_transfer *transfer;
};

struct https_call *https_call_new(const char *url, const char *ca_file);
/* Cancels it if it is under way. NULL is allowed. */
void https_call_free(struct https_call *call);

/* The host and port of an URL as libcurl understands it; yours; or NULL. */
char *https_host_dup(const char *url);

/* Before its loop runs, which is the resolver's, too. 0 or -errno */
int https_new(struct https **ret_https, struct loop *loop,
              struct resolver *resolver);
/* With its loop stopped; calls that are under way are freed by their owners
 * first. */
void https_free(struct https *https);

/* The call stays the asker's, in place until on_done or https_call_free(). */
void https_start(struct https *https, struct https_call *call);

#endif
