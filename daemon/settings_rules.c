/*
 * settings_rules - how lists of maps are read: routes, submitters, listen
 */
#include "config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/xalloc.h"
#include "settings_table.h"

static size_t enter_item(struct settings_reader *reader,
                         const struct settings_key *key, size_t index);
static bool is_loopback(const char *address);

static void read_routes(struct settings_reader *reader,
                        const struct settings_key *key,
                        const struct settings_node *node, void *field)
{
	struct settings *settings = &reader->main->settings;
	const struct settings_node *item;
	struct route_rule *rule;
	size_t index = 0, len;

	(void)field;
	if (!settings_reader_is_list(reader, key, node, "a list of rules"))
		return;
	for (item = node->first; item; item = item->next) {
		settings->routes =
		    xrealloc(settings->routes, (settings->route_count + 1) *
		                                   sizeof(*settings->routes));
		rule = &settings->routes[settings->route_count++];
		memset(rule, 0, sizeof(*rule));
		len = enter_item(reader, key, ++index);
		settings_reader_read(reader, settings_keys_route, item, rule);
		rule->has_user = settings_node_find(item, "user");
		rule->has_group = settings_node_find(item, "group");
		rule->has_priority = settings_node_find(item, "priority");
		rule->has_if_priority = settings_node_find(item, "if_priority");
		if (item->kind == SETTINGS_NODE_MAPPING && rule->relay == 0 &&
		    !rule->has_priority)
			settings_reader_error(
			    reader, NULL, item,
			    "sets nothing; expected a relay or a priority");
		settings_reader_leave(reader, len);
	}
}

const struct settings_type settings_type_routes = { "list of maps",
	                                            read_routes };

static void read_submitters(struct settings_reader *reader,
                            const struct settings_key *key,
                            const struct settings_node *node, void *field)
{
	struct settings *settings = &reader->main->settings;
	const struct settings_node *item;
	struct submitter_rule *rule;
	size_t index = 0, len;

	(void)field;
	if (!settings_reader_is_list(reader, key, node, "a list of rules"))
		return;
	for (item = node->first; item; item = item->next) {
		settings->submitters = xrealloc(
		    settings->submitters, (settings->submitter_count + 1) *
					      sizeof(*settings->submitters));
		rule = &settings->submitters[settings->submitter_count++];
		memset(rule, 0, sizeof(*rule));
		settings_reader_set_defaults(reader, settings_keys_submitter,
		                             rule);
		len = enter_item(reader, key, ++index);
		settings_reader_read(reader, settings_keys_submitter, item,
		                     rule);
		rule->has_user = settings_node_find(item, "user");
		rule->has_group = settings_node_find(item, "group");
		settings_reader_leave(reader, len);
	}
}

const struct settings_type settings_type_submitters = { "list of maps",
	                                                read_submitters };

static void read_listen(struct settings_reader *reader,
                        const struct settings_key *key,
                        const struct settings_node *node, void *field)
{
	struct settings_receive *receive = &reader->main->settings.receive;
	const struct settings_node *item;
	struct settings_listen *listen;
	size_t index = 0, len;

	(void)field;
	if (!settings_reader_is_list(reader, key, node, "a list of maps"))
		return;
	for (item = node->first; item; item = item->next) {
		receive->listen =
		    xrealloc(receive->listen, (receive->listen_count + 1) *
		                                  sizeof(*receive->listen));
		listen = &receive->listen[receive->listen_count++];
		memset(listen, 0, sizeof(*listen));
		settings_reader_set_defaults(reader, settings_keys_listen,
		                             listen);
		len = enter_item(reader, key, ++index);
		settings_reader_read(reader, settings_keys_listen, item,
		                     listen);
		if (!listen->address || !is_loopback(listen->address))
			settings_reader_error(
			    reader, NULL, item,
			    "expected a loopback address: relais takes no "
			    "mail from the network");
		if (listen->port == 0)
			settings_reader_error(reader, NULL, item,
			                      "needs a port");
		if (!settings_node_find(item, "user") || listen->user == 0)
			settings_reader_error(
			    reader, NULL, item,
			    "needs a user, other than root, that its clients "
			    "count as");
		settings_reader_leave(reader, len);
	}
}

const struct settings_type settings_type_listen = { "list of maps",
	                                            read_listen };

/* `routes[2].` */
static size_t enter_item(struct settings_reader *reader,
                         const struct settings_key *key, size_t index)
{
	char *name = xasprintf("%s[%zu].", key->path, index);
	size_t len = settings_reader_enter(reader, name);

	free(name);
	return len;
}

static bool is_loopback(const char *address)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, address, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &v6) == 1 &&
	       IN6_IS_ADDR_LOOPBACK(&v6);
}
