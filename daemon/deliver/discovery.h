/*
 * discovery - one domain's submission servers and first mail exchanger
 *
 * Three questions at once: the SRV records of both services, and MX, whose
 * first host tells who keeps the domain's mail.
 *
 * Thread: the resolver's loop.
 */
#ifndef RELAIS_DELIVER_DISCOVERY_H
#define RELAIS_DELIVER_DISCOVERY_H

#include <sys/queue.h>

struct discovery;
struct dns_cache;
struct resolver_query;

LIST_HEAD(discovery_list, discovery);

/*
 * Asks, and fills in what came of it. domain: borrowed for the call, in ASCII.
 * on_done may be called before this returns.
 */
void discovery_start(struct discovery_list *list, struct dns_cache *cache,
                     const char *domain, struct resolver_query *query,
                     void (*on_done)(struct resolver_query *query));

/* Those that have no answer yet, and their queries. */
void discovery_free_all(struct discovery_list *list);

#endif
