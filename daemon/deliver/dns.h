/*
 * dns - one question to the name servers at a time, through c-ares
 *
 * Knows records and their time to live, nothing of mail. The only includer of
 * <ares.h>. Servers are those of the settings, else those of resolv.conf,
 * which is read again as soon as it looks different; questions asked before
 * are answered by the servers they were put to.
 *
 * Promise: an answer says DNS_NO_NAME or DNS_NO_DATA only if a name server
 *          said so; whatever went wrong on the way is DNS_FAILED.
 * Thread:  its loop's.
 */
#ifndef RELAIS_DELIVER_DNS_H
#define RELAIS_DELIVER_DNS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct dns;
struct loop;
struct settings;

/* The numbers of RFC 1035 3.2.2, RFC 3596 and RFC 2782. */
enum dns_type {
	DNS_A = 1,
	DNS_MX = 15,
	DNS_AAAA = 28,
	DNS_SRV = 33,
};

enum dns_status {
	DNS_FOUND,   /* at least one record */
	DNS_NO_DATA, /* the name exists, but has no such record */
	DNS_NO_NAME, /* NXDOMAIN, or it can't be a name at all */
	DNS_FAILED,  /* nobody knows: SERVFAIL, time-out, nonsense */
};

struct dns_record {
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
	uint16_t preference; /* MX; SRV: its priority */
	uint16_t weight;     /* SRV */
	uint16_t port;       /* SRV */
	char *exchange;      /* MX, and SRV's target: "" is the root; or NULL */
};

struct dns_answer {
	enum dns_status status;
	uint32_t ttl_s;      /* the least of the answer's, or of its SOA */
	const char *problem; /* static; what failed, for people */
	unsigned count;
	struct dns_record records[];
};
void dns_answer_free(struct dns_answer *answer);

/* resolv_conf: borrowed for ever; NULL: /etc/resolv.conf */
int dns_new(struct dns **ret_dns, struct loop *loop,
            const struct settings *settings, const char *resolv_conf);

/* Questions not answered yet are forgotten without an answer. */
void dns_free(struct dns *dns);

/* Later questions go to the servers of these settings. */
void dns_apply_settings(struct dns *dns, const struct settings *settings);

/*
 * Counts up whenever the servers have changed, by dns_apply_settings() or in
 * resolv.conf: what was learnt from the old ones may be wrong.
 */
uint64_t dns_generation(struct dns *dns);

/* Gets the answer, its own; may be called before dns_ask() returns. */
typedef void (*dns_on_answer_take)(void *context, struct dns_answer *answer);

/* may_search: resolv.conf's search list applies to a name without a dot. */
void dns_ask(struct dns *dns, enum dns_type type, const char *name,
             bool may_search, dns_on_answer_take on_answer, void *context);

/*
 * What /etc/hosts says of this name; NULL without an entry. Reads the file.
 */
struct dns_answer *dns_read_hosts(struct dns *dns, enum dns_type type,
                                  const char *name);

#endif
