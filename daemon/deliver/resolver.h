/*
 * resolver - names to addresses and mail exchangers, through c-ares
 *
 * One loop owns the c-ares channel and a cache by time to live; workers ask by
 * letter. The only includer of <ares.h>.
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
};

struct resolver_host {
	char *name;
	struct transport_address *addresses; /* may be none: try the next */
	size_t address_count;
};

enum resolver_status {
	RESOLVED,
	RESOLVE_TEMPORARY, /* SERVFAIL, time-out: ask again later */
	RESOLVE_NO_DOMAIN, /* NXDOMAIN: 5.1.2 (for a relay's host: config) */
	RESOLVE_NULL_MX,   /* RFC 7505: 5.1.10 */
	RESOLVE_NO_HOST,   /* exists, but has no address at all */
};

struct resolver_query {
	struct letter letter;
	enum resolver_kind kind;
	char *name; /* malloc'ed */
	uint16_t port;
	struct mailbox *home;
	void (*on_done)(struct letter *letter);
	/* out */
	enum resolver_status status;
	char *text; /* for people, where the status isn't RESOLVED */
	struct resolver_host *hosts; /* at most 5 with MX, 1 with HOST */
	size_t host_count;
};

struct resolver_query *resolver_query_new(enum resolver_kind kind,
    const char *name, uint16_t port);
void resolver_query_free(struct resolver_query *query);

int resolver_new(struct resolver **ret_resolver, struct loop *loop,
    const struct settings *settings);
/* Any thread: new servers or a changed resolv.conf; old queries finish. */
void resolver_apply_settings_take(struct resolver *resolver,
    const struct settings *settings_ref);
void resolver_ask_take(struct resolver *resolver, struct resolver_query *query);
/* With its loop stopped. */
void resolver_free(struct resolver *resolver);

#endif
