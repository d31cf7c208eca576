#include "config.h"

#include "deliver/resolver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/util.h>

#include "deliver/addresses.h"
#include "deliver/discovery.h"
#include "deliver/dns.h"
#include "deliver/dns_cache.h"
#include "deliver/idna.h"
#include "deliver/mail_exchanger.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define CACHE_ENTRIES 4096

struct resolver {
	const struct settings *settings;
	struct mailbox *inbox;
	struct dns *dns;
	struct dns_cache *cache;
	LIST_HEAD(, lookup) lookups;
	struct discovery_list discoveries;
};

/* The addresses of one host, of both families. */
struct host_lookup {
	struct lookup *lookup;
	char *name;
	struct dns_waiter a, aaaa;
	struct addresses found;
	bool has_name;       /* some server knows it */
	const char *problem; /* of a question that failed */
};

/* One query under way; lives until nothing is missing. */
struct lookup {
	LIST_ENTRY(lookup) link;
	struct resolver *resolver;
	struct resolver_query *query;
	char name[IDNA_SIZE];
	struct dns_waiter mx;
	struct host_lookup hosts[MAIL_EXCHANGER_MAX];
	unsigned host_count;
	bool has_more;
	bool is_implicit; /* no MX record: the domain is its own host */
	unsigned missing; /* answers, and the calls that ask for them */
};

struct new_settings {
	struct letter letter;
	struct resolver *resolver;
	const struct settings *settings;
};

static void lookup_start(struct resolver *resolver,
                         struct resolver_query *query);
static void lookup_step(struct lookup *lookup);
static void lookup_free(struct lookup *lookup);

/* --------------------------------------------------------------- queries */

void resolver_host_set_port(struct resolver_host *host, uint16_t port)
{
	for (size_t i = 0; i < host->address_count; i++) {
		struct sockaddr_storage *any = &host->addresses[i].address;

		if (any->ss_family == AF_INET6)
			((struct sockaddr_in6 *)any)->sin6_port = htons(port);
		else
			((struct sockaddr_in *)any)->sin_port = htons(port);
	}
}

struct resolver_query *resolver_query_new(enum resolver_kind kind,
                                          const char *name, uint16_t port)
{
	struct resolver_query *query = xcalloc(1, sizeof(*query));

	query->kind = kind;
	query->name = xstrdup(name);
	query->port = port;
	return query;
}

void resolver_query_free(struct resolver_query *query)
{
	if (!query)
		return;
	for (size_t i = 0; i < query->host_count; i++) {
		free(query->hosts[i].name);
		free(query->hosts[i].addresses);
	}
	free(query->hosts);
	free(query->name);
	free(query->text);
	free(query->exchanger);
	free(query);
}

/* ------------------------------------------------------------ life cycle */

int resolver_new(struct resolver **ret_resolver, struct loop *loop,
                 const struct settings *settings)
{
	struct resolver *resolver = xcalloc(1, sizeof(*resolver));
	int r;

	LIST_INIT(&resolver->lookups);
	LIST_INIT(&resolver->discoveries);
	resolver->settings = settings_ref(settings);
	r = mailbox_new(&resolver->inbox, loop);
	if (r < 0)
		goto out;
	r = dns_new(&resolver->dns, loop, settings, NULL);
	if (r < 0)
		goto out;
	resolver->cache = dns_cache_new(resolver->dns, CACHE_ENTRIES);

	*ret_resolver = resolver;
	resolver = NULL;
out:
	resolver_free(resolver);
	return r;
}

void resolver_free(struct resolver *resolver)
{
	struct lookup *lookup;

	if (!resolver)
		return;
	while ((lookup = LIST_FIRST(&resolver->lookups))) {
		resolver_query_free(lookup->query);
		lookup_free(lookup);
	}
	discovery_free_all(&resolver->discoveries);
	dns_cache_free(resolver->cache);
	dns_free(resolver->dns);
	if (resolver->inbox)
		mailbox_free(resolver->inbox);
	settings_unref(resolver->settings);
	free(resolver);
}

static void on_settings(struct letter *letter)
{
	struct new_settings *news =
	    LETTER_OF(letter, struct new_settings, letter);
	struct resolver *resolver = news->resolver;

	settings_unref(resolver->settings);
	resolver->settings = news->settings;
	dns_apply_settings(resolver->dns, news->settings);
	free(news);
}

void resolver_apply_settings_take(struct resolver *resolver,
                                  const struct settings *settings_ref)
{
	struct new_settings *news = xcalloc(1, sizeof(*news));

	news->letter.open = on_settings;
	news->resolver = resolver;
	news->settings = settings_ref;
	mailbox_post_take(resolver->inbox, &news->letter);
}

/* The resolver a query is on its way to travels in its letter's place. */
struct errand {
	struct letter letter;
	struct resolver *resolver;
	struct resolver_query *query;
};

static void on_errand(struct letter *letter)
{
	struct errand *errand = LETTER_OF(letter, struct errand, letter);
	struct resolver *resolver = errand->resolver;
	struct resolver_query *query = errand->query;

	free(errand);
	lookup_start(resolver, query);
}

void resolver_ask_take(struct resolver *resolver, struct resolver_query *query)
{
	struct errand *errand = xcalloc(1, sizeof(*errand));

	assert(query->home && query->on_done);
	errand->letter.open = on_errand;
	errand->resolver = resolver;
	errand->query = query;
	mailbox_post_take(resolver->inbox, &errand->letter);
}

static void go_home(struct resolver_query *query)
{
	query->letter.open = query->on_done;
	mailbox_post_take(query->home, &query->letter);
}

/* --------------------------------------------------------------- lookups */

static void lookup_free(struct lookup *lookup)
{
	LIST_REMOVE(lookup, link);
	for (unsigned i = 0; i < MAIL_EXCHANGER_MAX; i++)
		free(lookup->hosts[i].name);
	free(lookup);
}

static void finish(struct lookup *lookup, enum resolver_status status,
                   char *text)
{
	struct resolver_query *query = lookup->query;

	query->status = status;
	query->text = text;
	go_home(query);
	lookup_free(lookup);
}

static void on_addresses(struct host_lookup *host, enum dns_type type,
                         const struct dns_answer *answer)
{
	switch (answer->status) {
	case DNS_FOUND:
		addresses_add(&host->found, type, answer);
		host->has_name = true;
		break;
	case DNS_NO_DATA:
		host->has_name = true;
		break;
	case DNS_NO_NAME:
		break;
	case DNS_FAILED:
		host->problem = answer->problem;
		break;
	}
	lookup_step(host->lookup);
}

static void on_a(struct dns_waiter *waiter, const struct dns_answer *answer)
{
	on_addresses(LETTER_OF(waiter, struct host_lookup, a), DNS_A, answer);
}

static void on_aaaa(struct dns_waiter *waiter, const struct dns_answer *answer)
{
	on_addresses(LETTER_OF(waiter, struct host_lookup, aaaa), DNS_AAAA,
	             answer);
}

static struct host_lookup *add_host(struct lookup *lookup, const char *name)
{
	struct host_lookup *host;

	assert(lookup->host_count < MAIL_EXCHANGER_MAX);
	host = &lookup->hosts[lookup->host_count++];
	host->lookup = lookup;
	host->name = xstrdup(name);
	host->a.on_answer = on_a;
	host->aaaa.on_answer = on_aaaa;
	return host;
}

static void ask_addresses(struct host_lookup *host, bool may_search)
{
	struct lookup *lookup = host->lookup;
	struct dns_cache *cache = lookup->resolver->cache;

	lookup->missing += 2;
	dns_cache_ask(cache, DNS_AAAA, host->name, may_search, &host->aaaa);
	dns_cache_ask(cache, DNS_A, host->name, may_search, &host->a);
}

static bool look_into_hosts_file(struct host_lookup *host)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA };
	bool is_there = false;

	for (unsigned i = 0; i < 2; i++) {
		struct dns_answer *answer;

		answer = dns_read_hosts(host->lookup->resolver->dns, types[i],
		                        host->name);
		if (!answer)
			continue;
		addresses_add(&host->found, types[i], answer);
		is_there = is_there || answer->count > 0;
		dns_answer_free(answer);
	}
	return is_there;
}

static uint32_t random_number(void)
{
	uint32_t number;

	evutil_secure_rng_get_bytes(&number, sizeof(number));
	return number;
}

static void on_exchangers(struct lookup *lookup,
                          const struct dns_answer *answer)
{
	const char *self = lookup->resolver->settings->hostname;
	struct mail_exchangers chosen;

	switch (mail_exchanger_choose(&chosen, answer, self, random_number)) {
	case MAIL_EXCHANGER_HOSTS:
		break;
	case MAIL_EXCHANGER_NULL:
		finish(lookup, RESOLVE_NULL_MX,
		       xasprintf("%s accepts no mail (null MX)", lookup->name));
		return;
	case MAIL_EXCHANGER_LOOP:
		finish(lookup, RESOLVE_LOOP,
		       xasprintf("this host, %s, is the mail exchanger of %s: "
		                 "its mail would come back",
		                 self, lookup->name));
		return;
	}
	lookup->has_more = chosen.has_more;
	for (unsigned i = 0; i < chosen.count; i++)
		(void)add_host(lookup, chosen.names[i]);
	for (unsigned i = 0; i < chosen.count; i++)
		ask_addresses(&lookup->hosts[i], false);
	lookup_step(lookup);
}

static void on_mx(struct dns_waiter *waiter, const struct dns_answer *answer)
{
	struct lookup *lookup = LETTER_OF(waiter, struct lookup, mx);

	switch (answer->status) {
	case DNS_FOUND:
		on_exchangers(lookup, answer);
		return;
	case DNS_NO_DATA:
		lookup->is_implicit = true;
		ask_addresses(add_host(lookup, lookup->name), false);
		lookup_step(lookup);
		return;
	case DNS_NO_NAME:
		finish(lookup, RESOLVE_NO_DOMAIN,
		       xasprintf("the domain %s does not exist", lookup->name));
		return;
	case DNS_FAILED:
		finish(lookup, RESOLVE_TEMPORARY,
		       xasprintf("cannot look up the mail exchangers of %s: %s",
		                 lookup->name, answer->problem));
		return;
	}
}

static void report_no_address(struct lookup *lookup)
{
	bool has_name = false;
	const char *problem = NULL;

	for (unsigned i = 0; i < lookup->host_count; i++) {
		has_name = has_name || lookup->hosts[i].has_name;
		if (lookup->hosts[i].problem)
			problem = lookup->hosts[i].problem;
	}
	if (problem || lookup->has_more)
		finish(lookup, RESOLVE_TEMPORARY,
		       xasprintf("cannot look up the address of %s: %s",
		                 lookup->hosts[0].name,
		                 problem ? problem
		                         : "none of the first hosts has one"));
	else if (lookup->query->kind == RESOLVE_HOST && !has_name)
		finish(lookup, RESOLVE_NO_DOMAIN,
		       xasprintf("the name %s does not exist", lookup->name));
	else if (lookup->query->kind == RESOLVE_HOST)
		finish(lookup, RESOLVE_NO_HOST,
		       xasprintf("the name %s has no address", lookup->name));
	else if (lookup->is_implicit)
		finish(
		    lookup, RESOLVE_NO_HOST,
		    xasprintf("the domain %s has neither a mail exchanger nor "
		              "an address",
		              lookup->name));
	else
		finish(lookup, RESOLVE_NO_HOST,
		       xasprintf("no mail exchanger of %s has an address (%s…)",
		                 lookup->name, lookup->hosts[0].name));
}

/* One thing less is missing. */
static void lookup_step(struct lookup *lookup)
{
	struct resolver_query *query = lookup->query;
	bool is_found = false;

	assert(lookup->missing > 0);
	if (--lookup->missing > 0)
		return;
	for (unsigned i = 0; i < lookup->host_count; i++)
		if (addresses_count(&lookup->hosts[i].found) > 0)
			is_found = true;
	if (!is_found) {
		report_no_address(lookup);
		return;
	}
	query->hosts = xcalloc(lookup->host_count, sizeof(*query->hosts));
	query->host_count = lookup->host_count;
	for (unsigned i = 0; i < lookup->host_count; i++) {
		struct resolver_host *host = &query->hosts[i];

		host->name = xstrdup(lookup->hosts[i].name);
		host->addresses = addresses_order(
		    &lookup->hosts[i].found, query->port, &host->address_count);
	}
	finish(lookup, RESOLVED, NULL);
}

static void start_host(struct lookup *lookup)
{
	struct host_lookup *host = add_host(lookup, lookup->name);

	if (!addresses_parse(&host->found, lookup->name) &&
	    !look_into_hosts_file(host))
		ask_addresses(host, strchr(host->name, '.') == NULL);
	lookup_step(lookup);
}

static void start_mx(struct lookup *lookup)
{
	struct host_lookup *host;

	if (lookup->name[0] != '[') {
		lookup->mx.on_answer = on_mx;
		dns_cache_ask(lookup->resolver->cache, DNS_MX, lookup->name,
		              false, &lookup->mx);
		return;
	}
	host = add_host(lookup, lookup->name);
	if (addresses_parse_literal(&host->found, lookup->name))
		lookup_step(lookup);
	else
		finish(lookup, RESOLVE_NO_DOMAIN,
		       xasprintf("%s is no address", lookup->name));
}

static void start_discovery(struct lookup *lookup)
{
	struct resolver *resolver = lookup->resolver;
	struct resolver_query *query = lookup->query;

	discovery_start(&resolver->discoveries, resolver->cache, lookup->name,
	                query, go_home);
	lookup_free(lookup);
}

static void lookup_start(struct resolver *resolver,
                         struct resolver_query *query)
{
	struct lookup *lookup = xcalloc(1, sizeof(*lookup));

	LIST_INSERT_HEAD(&resolver->lookups, lookup, link);
	lookup->resolver = resolver;
	lookup->query = query;
	lookup->missing = 1;
	if (idna_to_ascii(query->name, lookup->name) < 0)
		finish(lookup, RESOLVE_NO_DOMAIN,
		       xasprintf("%s is no domain name", query->name));
	else if (query->kind == RESOLVE_HOST)
		start_host(lookup);
	else if (query->kind == RESOLVE_SUBMISSION)
		start_discovery(lookup);
	else
		start_mx(lookup);
}
