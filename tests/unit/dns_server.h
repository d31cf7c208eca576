/*
 * dns_server - a name server on loopback, for tests
 *
 * Answers from a table in a thread of its own, over UDP and TCP. A name that is
 * not in the table does not exist; one that is, but not with the type asked
 * for, has no such record; both come with an SOA that lets this be believed for
 * a minute.
 */
#ifndef RELAIS_TESTS_DNS_SERVER_H
#define RELAIS_TESTS_DNS_SERVER_H

#include <stdint.h>

struct dns_server;

enum {
	ROW_A = 1,
	ROW_CNAME = 5,
	ROW_MX = 15,
	ROW_AAAA = 28,
	/* Questions for this name fail: data is the reply code, "2". */
	ROW_RCODE = 1000,
	/* They are not answered at all. */
	ROW_SILENCE,
	/* An answer that is too short to be one. */
	ROW_NONSENSE,
};

/* The table ends with a row whose name is NULL. */
struct dns_row {
	const char *name;
	int type;
	uint32_t ttl_s;
	const char *data; /* "192.0.2.1", "10 mx.test", "other.test" */
};

struct dns_server *dns_server_new(const struct dns_row *rows);
/* At this address and port; NULL where that is not allowed. */
struct dns_server *dns_server_new_at(const struct dns_row *rows,
                                     const char *address, uint16_t port);
void dns_server_free(struct dns_server *server);

uint16_t dns_server_port(const struct dns_server *server);

/* How often it was asked this so far. */
unsigned dns_server_asked(struct dns_server *server, const char *name,
                          int type);
/* How many questions came over TCP. */
unsigned dns_server_asked_by_tcp(struct dns_server *server);

/* Another table from now on. */
void dns_server_change(struct dns_server *server, const struct dns_row *rows);

#endif
