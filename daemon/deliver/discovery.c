#include "config.h"

#include "deliver/discovery.h"

#include <stdlib.h>

#include <event2/util.h>

#include "deliver/dns_cache.h"
#include "deliver/mail_exchanger.h"
#include "deliver/resolver.h"
#include "deliver/submission_servers.h"
#include "runtime/xalloc.h"

struct discovery {
	LIST_ENTRY(discovery) link;
	struct resolver_query *query;
	void (*on_done)(struct resolver_query *query);
	struct dns_waiter tls, starttls, mx;
	struct submission_servers servers;
	const char *problem; /* of a question that failed */
	unsigned missing;    /* answers, and the call that asks for them */
};

static uint32_t random_number(void)
{
	uint32_t number;

	evutil_secure_rng_get_bytes(&number, sizeof(number));
	return number;
}

static void discovery_free(struct discovery *discovery)
{
	LIST_REMOVE(discovery, link);
	submission_servers_done(&discovery->servers);
	free(discovery);
}

void discovery_free_all(struct discovery_list *list)
{
	struct discovery *discovery, *next;

	for (discovery = LIST_FIRST(list); discovery; discovery = next) {
		next = LIST_NEXT(discovery, link);
		resolver_query_free(discovery->query);
		discovery_free(discovery);
	}
}

static void give_servers(struct discovery *discovery)
{
	struct submission_servers *servers = &discovery->servers;
	struct resolver_query *query = discovery->query;

	submission_servers_order(servers, random_number);
	query->hosts = xcalloc(servers->count, sizeof(*query->hosts));
	query->host_count = servers->count;
	for (unsigned i = 0; i < servers->count; i++) {
		struct submission_server *server = &servers->server[i];

		query->hosts[i].name = server->host;
		query->hosts[i].port = server->port;
		query->hosts[i].is_tls = server->is_tls;
	}
	servers->count = 0; /* the names are the query's */
}

/* A mail exchanger is only a guess: none where the domain has declined. */
static void finish(struct discovery *discovery)
{
	struct resolver_query *query = discovery->query;

	query->status = RESOLVED;
	if (discovery->servers.count > 0) {
		give_servers(discovery);
	} else if (discovery->servers.is_declined) {
		query->status = RESOLVE_NO_HOST;
		query->text = xasprintf("%s says that it has no server to "
		                        "submit mail to",
		                        query->name);
	} else if (!query->exchanger && discovery->problem) {
		query->status = RESOLVE_TEMPORARY;
		query->text = xasprintf("cannot ask about %s: %s", query->name,
		                        discovery->problem);
	} else if (!query->exchanger) {
		query->status = RESOLVE_NO_DOMAIN;
		query->text = xasprintf("%s names no server to submit mail to",
		                        query->name);
	}
	discovery->on_done(query);
	discovery_free(discovery);
}

static void step(struct discovery *discovery)
{
	if (--discovery->missing == 0)
		finish(discovery);
}

static void on_servers(struct discovery *discovery,
                       const struct dns_answer *answer, bool is_tls)
{
	if (answer->status == DNS_FAILED)
		discovery->problem = answer->problem;
	submission_servers_add(&discovery->servers, answer, is_tls);
	step(discovery);
}

static void on_tls(struct dns_waiter *waiter, const struct dns_answer *answer)
{
	on_servers(LETTER_OF(waiter, struct discovery, tls), answer, true);
}

static void on_starttls(struct dns_waiter *waiter,
                        const struct dns_answer *answer)
{
	on_servers(LETTER_OF(waiter, struct discovery, starttls), answer,
	           false);
}

static void on_mx(struct dns_waiter *waiter, const struct dns_answer *answer)
{
	struct discovery *discovery = LETTER_OF(waiter, struct discovery, mx);
	struct mail_exchangers chosen;

	if (answer->status == DNS_FAILED)
		discovery->problem = answer->problem;
	if (answer->status == DNS_FOUND &&
	    mail_exchanger_choose(&chosen, answer, "", random_number) ==
	        MAIL_EXCHANGER_HOSTS)
		discovery->query->exchanger = xstrdup(chosen.names[0]);
	step(discovery);
}

void discovery_start(struct discovery_list *list, struct dns_cache *cache,
                     const char *domain, struct resolver_query *query,
                     void (*on_done)(struct resolver_query *query))
{
	struct discovery *discovery = xcalloc(1, sizeof(*discovery));
	char *name;

	LIST_INSERT_HEAD(list, discovery, link);
	discovery->query = query;
	discovery->on_done = on_done;
	discovery->tls.on_answer = on_tls;
	discovery->starttls.on_answer = on_starttls;
	discovery->mx.on_answer = on_mx;
	discovery->missing = 4;
	name = xasprintf("_submissions._tcp.%s", domain);
	dns_cache_ask(cache, DNS_SRV, name, false, &discovery->tls);
	free(name);
	name = xasprintf("_submission._tcp.%s", domain);
	dns_cache_ask(cache, DNS_SRV, name, false, &discovery->starttls);
	free(name);
	dns_cache_ask(cache, DNS_MX, domain, false, &discovery->mx);
	step(discovery);
}
