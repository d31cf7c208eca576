/*
 * https - one question to a web service at a time
 */
#include "config.h"

#include "deliver/https.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <event2/event.h>

#include "deliver/resolver.h"
#include "runtime/loop.h"
#include "runtime/mailbox.h"
#include "runtime/xalloc.h"
#include "secret.h"

#define CONNECT_LIMIT_S 10

struct https {
	struct event_base *base;
	struct resolver *resolver;
	struct mailbox *inbox;
	CURLM *multi;
	struct event *timer;
	struct curl_slist *headers;
};

/* A call under way: first its name is looked up, then libcurl has it. */
struct https_transfer {
	struct https *https;
	struct https_call *call;
	struct resolver_query *asked;
	char *host; /* without brackets */
	uint16_t port;
	CURL *easy;
	struct curl_slist *addresses;
	char error[CURL_ERROR_SIZE];
	bool is_too_large;
};

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context,
                     void *event);
static int on_timer(CURLM *multi, long timeout_ms, void *context);
static void on_event(evutil_socket_t fd, short what, void *context);
static void on_timeout(evutil_socket_t fd, short what, void *context);
static void on_addresses(struct letter *letter);
static void start_transfer(struct https_transfer *transfer,
                           const struct resolver_host *host);
static void set_options(struct https_transfer *transfer);
static size_t on_data(char *data, size_t size, size_t count, void *context);
static void finish_all(struct https *https);
static void finish(struct https_transfer *transfer, CURLcode code);
static void transfer_free(struct https_transfer *transfer);

/* ------------------------------------------------------------ life cycle */

int https_new(struct https **ret_https, struct loop *loop,
              struct resolver *resolver)
{
	struct https *https = xcalloc(1, sizeof(*https));
	int r;

	https->base = loop_base(loop);
	https->resolver = resolver;
	r = mailbox_new(&https->inbox, loop);
	if (r < 0)
		free(https);
	else
		*ret_https = https;
	return r;
}

/* Most hosts never need it, which saves them its memory. */
static void start_libcurl(struct https *https)
{
	/* Tokens pass through its buffers. */
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, xmalloc, xfree_wiping,
	                         xrealloc_wiping, xstrdup, xcalloc) != CURLE_OK)
		abort();
	https->multi = curl_multi_init();
	https->timer = evtimer_new(https->base, on_timeout, https);
	https->headers = curl_slist_append(NULL, "Accept: application/json");
	if (!https->multi || !https->timer || !https->headers)
		abort();
	(void)curl_multi_setopt(https->multi, CURLMOPT_SOCKETFUNCTION,
	                        on_socket);
	(void)curl_multi_setopt(https->multi, CURLMOPT_SOCKETDATA, https);
	(void)curl_multi_setopt(https->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	(void)curl_multi_setopt(https->multi, CURLMOPT_TIMERDATA, https);
}

void https_free(struct https *https)
{
	if (!https)
		return;
	if (https->multi) {
		(void)curl_multi_cleanup(https->multi);
		event_free(https->timer);
		curl_slist_free_all(https->headers);
		curl_global_cleanup();
	}
	mailbox_free(https->inbox);
	free(https);
}

struct https_call *https_call_new(const char *url, const char *ca_file)
{
	struct https_call *call = xcalloc(1, sizeof(*call));

	call->url = xstrdup(url);
	call->ca_file = ca_file ? xstrdup(ca_file) : NULL;
	buffer_init(&call->answer, HTTPS_ANSWER_MAX);
	return call;
}

void https_call_free(struct https_call *call)
{
	if (!call)
		return;
	transfer_free(call->transfer);
	if (call->form)
		explicit_bzero(call->form, strlen(call->form));
	buffer_done(&call->answer);
	free(call->form);
	free(call->url);
	free(call->ca_file);
	free(call);
	secret_wipe_stack();
}

static void transfer_free(struct https_transfer *transfer)
{
	if (!transfer)
		return;
	if (transfer->asked)
		transfer->asked->context = NULL; /* comes home for nobody */
	if (transfer->easy) {
		(void)curl_multi_remove_handle(transfer->https->multi,
		                               transfer->easy);
		curl_easy_cleanup(transfer->easy);
	}
	curl_slist_free_all(transfer->addresses);
	free(transfer->host);
	free(transfer);
}

/* ---------------------------------------------------------------- names */

static int take_apart(const char *url, char **ret_host, uint16_t *ret_port)
{
	CURLU *parts = curl_url();
	char *host = NULL, *port = NULL;
	size_t len;
	int r = -EINVAL;

	if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ==
	        CURLUE_OK) {
		len = strlen(host);
		*ret_host = host[0] == '['
		                ? xasprintf("%.*s", (int)len - 2, host + 1)
		                : xstrdup(host);
		*ret_port = (uint16_t)strtoul(port, NULL, 10);
		r = 0;
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(parts);
	return r;
}

char *https_host_dup(const char *url)
{
	char *host = NULL;
	uint16_t port;

	(void)take_apart(url, &host, &port);
	return host;
}

void https_start(struct https *https, struct https_call *call)
{
	struct https_transfer *transfer = xcalloc(1, sizeof(*transfer));
	struct resolver_query *query;

	assert(!call->transfer);
	if (!https->multi)
		start_libcurl(https);
	call->transfer = transfer;
	transfer->https = https;
	transfer->call = call;
	/* It was checked with the settings; nonsense has no such name. */
	if (take_apart(call->url, &transfer->host, &transfer->port) < 0)
		transfer->host = xstrdup("");
	query =
	    resolver_query_new(RESOLVE_HOST, transfer->host, transfer->port);
	query->home = https->inbox;
	query->on_done = on_addresses;
	query->context = transfer;
	transfer->asked = query;
	resolver_ask_take(https->resolver, query);
}

static void on_addresses(struct letter *letter)
{
	struct resolver_query *query =
	    LETTER_OF(letter, struct resolver_query, letter);
	struct https_transfer *transfer = query->context;

	if (!transfer) {
		resolver_query_free(query);
		return;
	}
	transfer->asked = NULL;
	if (query->status == RESOLVED) {
		start_transfer(transfer, &query->hosts[0]);
	} else {
		(void)snprintf(transfer->error, sizeof(transfer->error), "%s",
		               query->text);
		finish(transfer, CURLE_COULDNT_RESOLVE_HOST);
	}
	resolver_query_free(query);
}

/* ------------------------------------------------------------- transfers */

/* "host:port:address,[address]": what libcurl would have to look up. */
static struct curl_slist *list_addresses(const struct https_transfer *transfer,
                                         const struct resolver_host *host)
{
	char *line = xasprintf("%s:%u:", transfer->host, transfer->port);
	struct curl_slist *list;

	for (size_t i = 0; i < host->address_count; i++) {
		const struct sockaddr_storage *any =
		    &host->addresses[i].address;
		bool is_v6 = any->ss_family == AF_INET6;
		char text[INET6_ADDRSTRLEN] = "", *longer;

		(void)inet_ntop(
		    any->ss_family,
		    is_v6 ? (const void *)&((const struct sockaddr_in6 *)any)
				->sin6_addr
			  : &((const struct sockaddr_in *)any)->sin_addr,
		    text, sizeof(text));
		longer = xasprintf("%s%s%s%s%s", line, i > 0 ? "," : "",
		                   is_v6 ? "[" : "", text, is_v6 ? "]" : "");
		free(line);
		line = longer;
	}
	list = curl_slist_append(NULL, line);
	free(line);
	if (!list)
		abort();
	return list;
}

static void start_transfer(struct https_transfer *transfer,
                           const struct resolver_host *host)
{
	transfer->addresses = list_addresses(transfer, host);
	transfer->easy = curl_easy_init();
	if (!transfer->easy)
		abort();
	set_options(transfer);
	if (curl_multi_add_handle(transfer->https->multi, transfer->easy) !=
	    CURLM_OK)
		abort();
}

static void set_options(struct https_transfer *transfer)
{
	const struct https_call *call = transfer->call;
	CURL *easy = transfer->easy;

	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_URL, call->url);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(easy, CURLOPT_RESOLVE, transfer->addresses);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
	                       (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION,
	                       (long)CURL_SSLVERSION_TLSv1_2);
	if (call->ca_file) {
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, call->ca_file);
		(void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT,
	                       (long)CONNECT_LIMIT_S);
	(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)HTTPS_TIME_LIMIT_S);
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT,
	                       "relais/" PACKAGE_VERSION);
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER,
	                       transfer->https->headers);
	(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->form);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
}

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
	struct https_transfer *transfer = context;

	if (buffer_append(&transfer->call->answer, data, size * count) == 0)
		return size * count;
	transfer->is_too_large = true;
	return 0;
}

static void say_why(struct https_transfer *transfer, CURLcode code)
{
	struct https_call *call = transfer->call;
	const char *text = transfer->error;

	if (!*text)
		text = curl_easy_strerror(code);
	if (transfer->is_too_large)
		text = "the answer is too large";
	if (code == CURLE_OPERATION_TIMEDOUT)
		text = "no answer in time";
	(void)snprintf(call->problem, sizeof(call->problem), "%.60s: %.250s",
	               transfer->host, text);
}

static void finish(struct https_transfer *transfer, CURLcode code)
{
	struct https_call *call = transfer->call;
	curl_off_t retry_after_s = 0;
	long status = 0;

	if (code == CURLE_OK) {
		(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE,
		                        &status);
		(void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER,
		                        &retry_after_s);
		call->status = (int)status;
		if (retry_after_s > 0 && retry_after_s < UINT32_MAX)
			call->retry_after_s = (uint32_t)retry_after_s;
	} else {
		say_why(transfer, code);
	}
	call->transfer = NULL;
	transfer_free(transfer);
	call->on_done(call);
}

/* What is said may start other calls, but not in libcurl's own callbacks. */
static void finish_all(struct https *https)
{
	struct https_transfer *transfer;
	CURLMsg *message;
	CURLcode code;
	int more;

	while ((message = curl_multi_info_read(https->multi, &more))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		code = message->data.result;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
		                        &transfer);
		finish(transfer, code);
	}
}

/* ---------------------------------------------------------------- events */

/* Each of libcurl's sockets has an event, which it remembers for us. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context,
                     void *event)
{
	struct https *https = context;
	short events = EV_PERSIST;

	(void)easy;
	if (event)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		if (what & CURL_POLL_IN)
			events |= EV_READ;
		if (what & CURL_POLL_OUT)
			events |= EV_WRITE;
		event = event_new(https->base, fd, events, on_event, https);
		if (!event || event_add(event, NULL) < 0)
			abort();
	}
	(void)curl_multi_assign(https->multi, fd, event);
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct https *https = context;
	struct timeval wait = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000,
	};

	(void)multi;
	if (timeout_ms < 0)
		(void)evtimer_del(https->timer);
	else
		(void)evtimer_add(https->timer, &wait);
	return 0;
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
	struct https *https = context;
	int running;

	(void)curl_multi_socket_action(
	    https->multi, fd,
	    (what & EV_READ ? CURL_CSELECT_IN : 0) |
		(what & EV_WRITE ? CURL_CSELECT_OUT : 0),
	    &running);
	finish_all(https);
}

static void on_timeout(evutil_socket_t fd, short what, void *context)
{
	struct https *https = context;
	int running;

	(void)fd;
	(void)what;
	(void)curl_multi_socket_action(https->multi, CURL_SOCKET_TIMEOUT, 0,
	                               &running);
	finish_all(https);
}
