#include "config.h"

#include "deliver/dns.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include <ares.h>
#include <event2/event.h>

#include "deliver/dns_answer.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* The size that fits into one packet nearly everywhere (DNS flag day 2020). */
#define EDNS_SIZE 1232

struct dns_socket {
	LIST_ENTRY(dns_socket) link;
	struct dns_channel *channel;
	ares_socket_t fd;
	struct event *event;
};

/*
 * One c-ares channel reads its servers once, so a change makes a new one; the
 * old one goes when its last question is answered, never in its own callback.
 */
struct dns_channel {
	LIST_ENTRY(dns_channel) link;
	struct dns *dns;
	ares_channel ares;
	struct event *timer;
	LIST_HEAD(, dns_socket) sockets;
	unsigned pending;
	unsigned depth; /* calls into c-ares under way */
	bool is_retired;
};

struct dns {
	struct event_base *base;
	const struct settings *settings;
	const char *resolv_conf;
	struct stat resolv_conf_stat; /* zero where there is none */
	uint64_t generation;
	bool is_closing;
	struct dns_channel *current;
	LIST_HEAD(, dns_channel) channels;
};

struct dns_question {
	struct dns_channel *channel;
	enum dns_type type;
	dns_on_answer_take on_answer;
	void *context;
};

static int channel_new(struct dns_channel **ret_channel, struct dns *dns);
static void channel_free(struct dns_channel *channel);
static void channel_settle(struct dns_channel *channel);
static void on_socket_state(void *context, ares_socket_t fd, int readable,
                            int writable);
static void on_reply(void *context, int status, int timeouts,
                     unsigned char *message, int len);

/* ------------------------------------------------------------ life cycle */

int dns_new(struct dns **ret_dns, struct loop *loop,
            const struct settings *settings, const char *resolv_conf)
{
	struct dns *dns;
	int r;

	/* Without memory c-ares 1.18 may free twice: ours end in order. */
	if (ares_library_init_mem(ARES_LIB_INIT_ALL, xmalloc, free, xrealloc) !=
	    ARES_SUCCESS)
		return -ENOMEM;
	dns = xcalloc(1, sizeof(*dns));
	dns->base = loop_base(loop);
	dns->settings = settings_ref(settings);
	dns->resolv_conf = resolv_conf ? resolv_conf : RESOLV_CONF;
	LIST_INIT(&dns->channels);
	(void)stat(dns->resolv_conf, &dns->resolv_conf_stat);
	r = channel_new(&dns->current, dns);
	if (r < 0) {
		dns_free(dns);
		return r;
	}
	*ret_dns = dns;
	return 0;
}

void dns_free(struct dns *dns)
{
	struct dns_channel *channel;

	if (!dns)
		return;
	dns->is_closing = true;
	while ((channel = LIST_FIRST(&dns->channels)))
		channel_free(channel);
	settings_unref(dns->settings);
	free(dns);
	ares_library_cleanup();
}

/* Where no new channel can be had, the old one goes on. */
static void renew_channel(struct dns *dns)
{
	struct dns_channel *old = dns->current;

	if (channel_new(&dns->current, dns) < 0) {
		dns->current = old;
		return;
	}
	dns->generation++;
	old->is_retired = true;
	channel_settle(old);
}

void dns_apply_settings(struct dns *dns, const struct settings *settings)
{
	const struct settings *old = dns->settings;

	dns->settings = settings_ref(settings);
	settings_unref(old);
	renew_channel(dns);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* An unreadable file is one that is being replaced: keep what we have. */
static void look_at_resolv_conf(struct dns *dns)
{
	struct stat now;

	if (dns->settings->resolver.servers.count > 0)
		return;
	if (stat(dns->resolv_conf, &now) < 0)
		return;
	if (is_same_file(&now, &dns->resolv_conf_stat))
		return;
	dns->resolv_conf_stat = now;
	renew_channel(dns);
}

uint64_t dns_generation(struct dns *dns)
{
	look_at_resolv_conf(dns);
	return dns->generation;
}

/* -------------------------------------------------------------- channels */

/* The settings' servers in the form c-ares takes: `a,b:port,[v6]:port`. */
static char *join_servers(const struct settings_words *servers)
{
	struct in6_addr v6;
	char *list = xstrdup("");

	for (size_t i = 0; i < servers->count; i++) {
		const char *word = servers->word[i];
		bool is_bare_v6 = inet_pton(AF_INET6, word, &v6) == 1;
		char *longer;

		longer = xasprintf("%s%s%s%s%s", list, i ? "," : "",
		                   is_bare_v6 ? "[" : "", word,
		                   is_bare_v6 ? "]" : "");
		free(list);
		list = longer;
	}
	return list;
}

static int set_servers(struct dns_channel *channel,
                       const struct settings_words *servers)
{
	char *list;
	int status;

	if (servers->count == 0)
		return ARES_SUCCESS;
	list = join_servers(servers);
	status = ares_set_servers_ports_csv(channel->ares, list);
	free(list);
	return status;
}

static int channel_init(struct dns_channel *channel, struct dns *dns)
{
	const struct settings_resolver *wanted = &dns->settings->resolver;
	char *path = xstrdup(dns->resolv_conf);
	struct ares_options options = {
		.flags = ARES_FLAG_EDNS | ARES_FLAG_NOALIASES,
		.ednspsz = EDNS_SIZE,
		.timeout = (int)wanted->timeout_s * 1000,
		.tries = (int)wanted->tries,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = channel,
		.resolvconf_path = path,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB |
	           ARES_OPT_RESOLVCONF;
	int status;

	if (wanted->timeout_s > 0)
		mask |= ARES_OPT_TIMEOUTMS;
	if (wanted->tries > 0)
		mask |= ARES_OPT_TRIES;
	status = ares_init_options(&channel->ares, &options, mask);
	free(path);
	if (status == ARES_SUCCESS)
		status = set_servers(channel, &wanted->servers);
	return status == ARES_SUCCESS  ? 0
	       : status == ARES_ENOMEM ? -ENOMEM
	                               : -EINVAL;
}

static void on_time(evutil_socket_t fd, short what, void *context);

static int channel_new(struct dns_channel **ret_channel, struct dns *dns)
{
	struct dns_channel *channel = xcalloc(1, sizeof(*channel));
	int r;

	channel->dns = dns;
	LIST_INIT(&channel->sockets);
	LIST_INSERT_HEAD(&dns->channels, channel, link);
	channel->timer = evtimer_new(dns->base, on_time, channel);
	r = channel->timer ? channel_init(channel, dns) : -ENOMEM;
	if (r < 0) {
		channel_free(channel);
		return r;
	}
	*ret_channel = channel;
	return 0;
}

static void channel_free(struct dns_channel *channel)
{
	struct dns_socket *socket;

	if (channel->ares)
		ares_destroy(channel->ares);
	while ((socket = LIST_FIRST(&channel->sockets)))
		on_socket_state(channel, socket->fd, 0, 0);
	if (channel->timer)
		event_free(channel->timer);
	LIST_REMOVE(channel, link);
	free(channel);
}

/* After every call into c-ares: the next time-out, or the end of the old. */
static void channel_settle(struct dns_channel *channel)
{
	struct timeval room, *wait;

	if (channel->depth > 0)
		return;
	if (channel->pending == 0) {
		if (channel->is_retired)
			channel_free(channel);
		else
			(void)evtimer_del(channel->timer);
		return;
	}
	wait = ares_timeout(channel->ares, NULL, &room);
	if (wait)
		(void)evtimer_add(channel->timer, wait);
}

static void process(struct dns_channel *channel, ares_socket_t readable,
                    ares_socket_t writable)
{
	channel->depth++;
	ares_process_fd(channel->ares, readable, writable);
	channel->depth--;
	channel_settle(channel);
}

static void on_time(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	process(context, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_io(evutil_socket_t fd, short what, void *context)
{
	struct dns_socket *socket = context;

	process(socket->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
	        what & EV_WRITE ? fd : ARES_SOCKET_BAD);
}

static struct dns_socket *find_socket(struct dns_channel *channel,
                                      ares_socket_t fd)
{
	struct dns_socket *socket;

	LIST_FOREACH (socket, &channel->sockets, link)
		if (socket->fd == fd)
			return socket;
	return NULL;
}

static void on_socket_state(void *context, ares_socket_t fd, int readable,
                            int writable)
{
	struct dns_channel *channel = context;
	struct dns_socket *socket = find_socket(channel, fd);
	short what = (short)((readable ? EV_READ : 0) |
	                     (writable ? EV_WRITE : 0) | EV_PERSIST);

	if (socket) {
		LIST_REMOVE(socket, link);
		event_free(socket->event);
		free(socket);
	}
	if (!readable && !writable)
		return;
	socket = xcalloc(1, sizeof(*socket));
	socket->channel = channel;
	socket->fd = fd;
	socket->event = event_new(channel->dns->base, fd, what, on_io, socket);
	if (!socket->event || event_add(socket->event, NULL) < 0)
		abort();
	LIST_INSERT_HEAD(&channel->sockets, socket, link);
}

/* ------------------------------------------------------------- questions */

void dns_ask(struct dns *dns, enum dns_type type, const char *name,
             bool may_search, dns_on_answer_take on_answer, void *context)
{
	struct dns_question *question = xcalloc(1, sizeof(*question));
	struct dns_channel *channel;

	look_at_resolv_conf(dns);
	channel = dns->current;
	question->channel = channel;
	question->type = type;
	question->on_answer = on_answer;
	question->context = context;
	channel->pending++;
	channel->depth++;
	if (may_search)
		ares_search(channel->ares, name, 1, type, on_reply, question);
	else
		ares_query(channel->ares, name, 1, type, on_reply, question);
	channel->depth--;
	channel_settle(channel);
}

static void on_reply(void *context, int status, int timeouts,
                     unsigned char *message, int len)
{
	struct dns_question *question = context;
	struct dns_answer *answer;

	(void)timeouts;
	assert(question->channel->pending > 0);
	question->channel->pending--;
	if (question->channel->dns->is_closing) {
		free(question);
		return;
	}
	answer = dns_answer_parse(question->type, status, message, len);
	question->on_answer(question->context, answer);
	free(question);
}

struct dns_answer *dns_read_hosts(struct dns *dns, enum dns_type type,
                                  const char *name)
{
	int family = type == DNS_AAAA ? AF_INET6 : AF_INET;
	struct hostent *host = NULL;
	struct dns_answer *answer;

	if (ares_gethostbyname_file(dns->current->ares, name, family, &host) !=
	    ARES_SUCCESS)
		return NULL;
	answer = dns_answer_from_host(host);
	ares_free_hostent(host);
	return answer;
}
