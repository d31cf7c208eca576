/*
 * dns_answer - what c-ares brings, as records or the lack of them
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_DNS_ANSWER_H
#define RELAIS_DELIVER_DNS_ANSWER_H

#include "deliver/dns.h"

struct hostent;

/* status: of c-ares; message: the name server's, or NULL. The caller's. */
struct dns_answer *dns_answer_parse(enum dns_type type, int status,
                                    const unsigned char *message, int len);

/* Time to live 0. The caller's. */
struct dns_answer *dns_answer_from_host(const struct hostent *host);

#endif
