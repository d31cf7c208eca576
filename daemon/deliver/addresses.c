#include "config.h"

#include "deliver/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/xalloc.h"

void addresses_add(struct addresses *addresses, enum dns_type type,
                   const struct dns_answer *answer)
{
	for (unsigned i = 0; i < answer->count; i++) {
		const struct dns_record *record = &answer->records[i];

		if (type == DNS_A && addresses->v4_count < ADDRESSES_MAX)
			addresses->v4[addresses->v4_count++] = record->v4;
		if (type == DNS_AAAA && addresses->v6_count < ADDRESSES_MAX)
			addresses->v6[addresses->v6_count++] = record->v6;
	}
}

bool addresses_parse(struct addresses *addresses, const char *text)
{
	memset(addresses, 0, sizeof(*addresses));
	if (inet_pton(AF_INET, text, &addresses->v4[0]) == 1)
		addresses->v4_count = 1;
	else if (inet_pton(AF_INET6, text, &addresses->v6[0]) == 1)
		addresses->v6_count = 1;
	return addresses_count(addresses) > 0;
}

/* RFC 5321 4.1.3 */
bool addresses_parse_literal(struct addresses *addresses, const char *text)
{
	char inside[INET6_ADDRSTRLEN + sizeof("IPv6:")];
	size_t len = strlen(text);
	bool is_v6;

	if (len < 2 || len - 2 >= sizeof(inside) || text[0] != '[' ||
	    text[len - 1] != ']')
		return false;
	memcpy(inside, text + 1, len - 2);
	inside[len - 2] = '\0';
	is_v6 = strncasecmp(inside, "IPv6:", 5) == 0;
	return addresses_parse(addresses, is_v6 ? inside + 5 : inside) &&
	       is_v6 == (addresses->v6_count > 0);
}

unsigned addresses_count(const struct addresses *addresses)
{
	return addresses->v4_count + addresses->v6_count;
}

static void set_v4(struct transport_address *address, const struct in_addr *v4,
                   uint16_t port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = *v4,
	};

	memset(address, 0, sizeof(*address));
	memcpy(&address->address, &in, sizeof(in));
	address->length = sizeof(in);
}

static void set_v6(struct transport_address *address, const struct in6_addr *v6,
                   uint16_t port)
{
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = *v6,
	};

	memset(address, 0, sizeof(*address));
	memcpy(&address->address, &in6, sizeof(in6));
	address->length = sizeof(in6);
}

/* RFC 6724 rule 1, by the kernel's word: connecting UDP sends nothing. */
static bool has_route(const struct in6_addr *v6)
{
	struct transport_address address;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_reachable;

	if (fd < 0)
		return false;
	set_v6(&address, v6, 25);
	is_reachable = connect(fd, (struct sockaddr *)&address.address,
	                       address.length) == 0;
	(void)close(fd);
	return is_reachable;
}

struct transport_address *addresses_order(const struct addresses *addresses,
                                          uint16_t port, size_t *ret_count)
{
	unsigned count = addresses_count(addresses), v4 = 0, v6 = 0;
	struct transport_address *order = xcalloc(count + 1, sizeof(*order));
	bool is_v6_next =
	    addresses->v6_count > 0 && has_route(&addresses->v6[0]);

	for (unsigned i = 0; i < count; i++) {
		if ((is_v6_next && v6 < addresses->v6_count) ||
		    v4 == addresses->v4_count)
			set_v6(&order[i], &addresses->v6[v6++], port);
		else
			set_v4(&order[i], &addresses->v4[v4++], port);
		is_v6_next = !is_v6_next;
	}
	*ret_count = count;
	return order;
}

int address_of_path(struct transport_address *ret_address, const char *path)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(local.sun_path))
		return -ENAMETOOLONG;
	memcpy(local.sun_path, path, strlen(path) + 1);
	memset(ret_address, 0, sizeof(*ret_address));
	memcpy(&ret_address->address, &local, sizeof(local));
	ret_address->length = sizeof(local);
	return 0;
}
