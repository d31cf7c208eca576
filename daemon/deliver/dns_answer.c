#include "config.h"

#include "deliver/dns_answer.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include <ares.h>

#include "deliver/dns_message.h"
#include "runtime/xalloc.h"

#define RECORDS_MAX 64

void dns_answer_free(struct dns_answer *answer)
{
	if (!answer)
		return;
	for (unsigned i = 0; i < answer->count; i++)
		free(answer->records[i].exchange);
	free(answer);
}

static struct dns_answer *answer_new(enum dns_status status, unsigned count)
{
	struct dns_answer *answer;

	answer =
	    xcalloc(1, sizeof(*answer) + count * sizeof(answer->records[0]));
	answer->status = status;
	answer->count = count;
	return answer;
}

static struct dns_answer *parse_a(const unsigned char *message, int len)
{
	struct ares_addrttl rows[RECORDS_MAX];
	struct dns_answer *answer;
	int count = RECORDS_MAX;

	if (ares_parse_a_reply(message, len, NULL, rows, &count) !=
	    ARES_SUCCESS)
		return NULL;
	answer = answer_new(DNS_FOUND, (unsigned)count);
	for (int i = 0; i < count; i++)
		answer->records[i].v4 = rows[i].ipaddr;
	return answer;
}

static struct dns_answer *parse_aaaa(const unsigned char *message, int len)
{
	struct ares_addr6ttl rows[RECORDS_MAX];
	struct dns_answer *answer;
	int count = RECORDS_MAX;

	if (ares_parse_aaaa_reply(message, len, NULL, rows, &count) !=
	    ARES_SUCCESS)
		return NULL;
	answer = answer_new(DNS_FOUND, (unsigned)count);
	for (int i = 0; i < count; i++)
		memcpy(&answer->records[i].v6, &rows[i].ip6addr,
		       sizeof(struct in6_addr));
	return answer;
}

static struct dns_answer *parse_mx(const unsigned char *message, int len)
{
	struct ares_mx_reply *rows = NULL;
	struct dns_answer *answer;
	unsigned count = 0;

	if (ares_parse_mx_reply(message, len, &rows) != ARES_SUCCESS)
		return NULL;
	for (struct ares_mx_reply *row = rows; row; row = row->next)
		count++;
	answer = answer_new(DNS_FOUND, count);
	count = 0;
	for (struct ares_mx_reply *row = rows; row; row = row->next) {
		answer->records[count].preference = row->priority;
		answer->records[count++].exchange = xstrdup(row->host);
	}
	ares_free_data(rows);
	return answer;
}

static struct dns_answer *parse_srv(const unsigned char *message, int len)
{
	struct ares_srv_reply *rows = NULL;
	struct dns_answer *answer;
	unsigned count = 0;

	if (ares_parse_srv_reply(message, len, &rows) != ARES_SUCCESS)
		return NULL;
	for (struct ares_srv_reply *row = rows; row; row = row->next)
		count++;
	answer = answer_new(DNS_FOUND, count);
	count = 0;
	for (struct ares_srv_reply *row = rows; row; row = row->next) {
		answer->records[count].preference = row->priority;
		answer->records[count].weight = row->weight;
		answer->records[count].port = row->port;
		answer->records[count++].exchange = xstrdup(row->host);
	}
	ares_free_data(rows);
	return answer;
}

static struct dns_answer *parse_records(enum dns_type type,
                                        const unsigned char *message, int len)
{
	struct dns_answer *answer = NULL;

	switch (type) {
	case DNS_A:
		answer = parse_a(message, len);
		break;
	case DNS_AAAA:
		answer = parse_aaaa(message, len);
		break;
	case DNS_MX:
		answer = parse_mx(message, len);
		break;
	case DNS_SRV:
		answer = parse_srv(message, len);
		break;
	}
	if (!answer) {
		answer = answer_new(DNS_FAILED, 0);
		answer->problem = "the name server's answer is malformed";
	} else if (answer->count == 0) {
		/* only a CNAME in it */
		answer->status = DNS_NO_DATA;
	}
	return answer;
}

static struct dns_answer *answer_without_records(int status)
{
	struct dns_answer *answer = answer_new(DNS_FAILED, 0);

	switch (status) {
	case ARES_ENODATA:
		answer->status = DNS_NO_DATA;
		break;
	case ARES_ENOTFOUND:
	case ARES_EBADNAME:
		answer->status = DNS_NO_NAME;
		break;
	case ARES_ECONNREFUSED:
	case ARES_ESERVFAIL:
	case ARES_EREFUSED:
	case ARES_ENOTIMP:
		answer->problem = "no name server could answer";
		break;
	case ARES_ETIMEOUT:
		answer->problem = "no name server answered in time";
		break;
	default:
		answer->problem = ares_strerror(status);
		break;
	}
	return answer;
}

struct dns_answer *dns_answer_parse(enum dns_type type, int status,
                                    const unsigned char *message, int len)
{
	struct dns_answer *answer;

	if (status == ARES_SUCCESS)
		answer = parse_records(type, message, len);
	else
		answer = answer_without_records(status);
	if (message && len > 0)
		answer->ttl_s = dns_message_ttl(message, (size_t)len);
	return answer;
}

struct dns_answer *dns_answer_from_host(const struct hostent *host)
{
	struct dns_answer *answer;
	unsigned count = 0;

	while (host->h_addr_list[count])
		count++;
	answer = answer_new(count ? DNS_FOUND : DNS_NO_DATA, count);
	for (unsigned i = 0; i < count; i++)
		memcpy(&answer->records[i], host->h_addr_list[i],
		       (size_t)host->h_length);
	return answer;
}
