/*
 * resolver - names to addresses and mail exchangers
 *
 * One loop owns the questions (dns.h) and a cache of their answers by time to
 * live (dns_cache.h); workers ask by letter.
 *
 * Addresses of a host are given in the order to try them: IPv6 and IPv4 take
 * turns, first the family whose first address has a route.
 *
 * A relay's host may stand in /etc/hosts, and a name without a dot is looked
 * for in resolv.conf's search list; mail exchangers come from DNS alone.
 */
#ifndef RELAIS_DELIVER_RESOLVER_H
#define RELAIS_DELIVER_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deliver/transport.h"
#include "runtime/mailbox.h"

struct loop;
struct resolver;
struct settings;

enum resolver_kind {
	RESOLVE_HOST, /* AAAA and A of one name; literals answer at once */
	RESOLVE_MX,   /* RFC 5321 5.1: hosts in the order to try */
	/* RFC 6186: where the domain takes submissions, in the order to try,
	   without addresses; and its mail exchanger */
	RESOLVE_SUBMISSION,
};

struct resolver_host {
	char *name;
	struct transport_address *addresses; /* may be none: try the next */
	size_t address_count;
	uint16_t port; /* SUBMISSION */
	bool is_tls;   /* likewise: from the first byte; else STARTTLS */
};

enum resolver_status {
	RESOLVED,
	RESOLVE_TEMPORARY, /* SERVFAIL, time-out: ask again later */
	RESOLVE_NO_DOMAIN, /* NXDOMAIN: 5.1.2 (for a relay's host: config) */
	RESOLVE_NULL_MX,   /* RFC 7505: 5.1.10 */
	RESOLVE_NO_HOST,   /* exists, but has no address at all */
	RESOLVE_LOOP,      /* this host is its best mail exchanger: 5.4.6 */
};

struct resolver_query {
	struct letter letter;
	enum resolver_kind kind;
	char *name; /* malloc'ed */
	uint16_t port;
	struct mailbox *home;
	void (*on_done)(struct letter *letter);
	void *context; /* the asker's */
	/* out */
	enum resolver_status status;
	char *text; /* for people, where the status isn't RESOLVED */
	struct resolver_host *hosts; /* at most 5 with MX, 1 with HOST */
	size_t host_count;
	char *exchanger; /* SUBMISSION: the first one's name; or NULL */
};

/* The addresses of a host lead to this port from now on. */
void resolver_host_set_port(struct resolver_host *host, uint16_t port);

struct resolver_query *resolver_query_new(enum resolver_kind kind,
                                          const char *name, uint16_t port);
void resolver_query_free(struct resolver_query *query);

int resolver_new(struct resolver **ret_resolver, struct loop *loop,
                 const struct settings *settings);
/* Any thread. New servers; what was asked before is still answered. */
void resolver_apply_settings_take(struct resolver *resolver,
                                  const struct settings *settings_ref);
/* Any thread. */
void resolver_ask_take(struct resolver *resolver, struct resolver_query *query);
/* With its loop stopped; queries that have no answer yet get none. */
void resolver_free(struct resolver *resolver);

#endif
