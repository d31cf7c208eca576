#include "config.h"

#include "deliver/submission_servers.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/xalloc.h"

void submission_servers_add(struct submission_servers *servers,
                            const struct dns_answer *answer, bool is_tls)
{
	for (unsigned i = 0; i < answer->count; i++) {
		const struct dns_record *record = &answer->records[i];
		struct submission_server *server;
		size_t len = strlen(record->exchange);

		if (len > 0 && record->exchange[len - 1] == '.')
			len--;
		if (len == 0) {
			servers->is_declined = true;
			continue;
		}
		if (servers->count == SUBMISSION_SERVERS_MAX)
			return;
		server = &servers->server[servers->count++];
		server->host = xasprintf("%.*s", (int)len, record->exchange);
		server->port = record->port;
		server->priority = record->preference;
		server->weight = record->weight;
		server->is_tls = is_tls;
	}
}

/* Those without weight come first, so that they are chosen now and then. */
static int compare(const void *left, const void *right)
{
	const struct submission_server *a = left, *b = right;

	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (a->is_tls != b->is_tls)
		return a->is_tls ? -1 : 1;
	return a->weight < b->weight ? -1 : a->weight > b->weight;
}

static bool are_equal(const struct submission_server *a,
                      const struct submission_server *b)
{
	return a->priority == b->priority && a->is_tls == b->is_tls;
}

/* RFC 2782: the first whose sum of weights reaches a random number. */
static unsigned draw(const struct submission_server *server, unsigned count,
                     uint32_t lot)
{
	uint32_t sum = 0, running = 0;
	unsigned i;

	for (i = 0; i < count; i++)
		sum += server[i].weight;
	lot %= sum + 1;
	for (i = 0; i < count - 1; i++) {
		running += server[i].weight;
		if (running >= lot)
			break;
	}
	return i;
}

static void move_to_front(struct submission_server *server, unsigned index)
{
	struct submission_server chosen = server[index];

	memmove(server + 1, server, index * sizeof(*server));
	server[0] = chosen;
}

void submission_servers_order(struct submission_servers *servers,
                              uint32_t (*random_number)(void))
{
	struct submission_server *server = servers->server;
	unsigned count, i;

	qsort(server, servers->count, sizeof(*server), compare);
	for (i = 0; i < servers->count; i++) {
		count = 1;
		while (i + count < servers->count &&
		       are_equal(&server[i], &server[i + count]))
			count++;
		move_to_front(&server[i],
		              draw(&server[i], count, random_number()));
	}
}

void submission_servers_done(struct submission_servers *servers)
{
	for (unsigned i = 0; i < servers->count; i++)
		free(servers->server[i].host);
	servers->count = 0;
}
