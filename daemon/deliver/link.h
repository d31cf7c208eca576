/*
 * link - the connection that a slot keeps to its relay, or makes anew
 *
 * Finds the hosts, fetches the secrets, opens the transport, and knows when a
 * connection may be used again: it serves one relay of one edition of the
 * settings, one domain with `direct`, for so many messages, for so long, idle
 * for so long.
 *
 * Thread: its worker's. No event comes from inside a transport's callback but
 * on_result.
 */
#ifndef RELAIS_DELIVER_LINK_H
#define RELAIS_DELIVER_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/transport.h"

struct link;
struct relay_settings;
struct settings;
struct workshop;

struct link_events {
	/* link_connect() has found its way: a message may be sent. */
	void (*on_ready)(void *context);
	/*
	 * It has not: TEMPORARY and of scope relay, a fault of the relay (or
	 * of the domain's hosts); PERMANENT: the recipients' domain takes no
	 * mail. host: NULL or what was tried. Both borrowed.
	 */
	void (*on_failed)(void *context, const struct verdict *verdict,
	                  const char *host);
	/* Borrowed, for the call only; nothing may be done but note it. */
	void (*on_result)(void *context, const struct transport_result *result);
	/* Then, as soon as the loop has turned: go on. */
	void (*on_sent)(void *context);
	void *context;
};

struct link *link_new(struct workshop *workshop,
                      const struct link_events *events);
void link_free(struct link *link);

bool link_is_open(const struct link *link);
bool link_is_usable(const struct link *link, const struct settings *settings,
                    const struct relay_settings *relay, const char *domain);

/*
 * A new connection, whatever was there. on_ready or on_failed may come before
 * this returns; the hop is tried at the first link_send().
 */
void link_connect(struct link *link, const struct settings *settings,
                  const struct relay_settings *relay, const char *domain);

/* With `direct`: is there another of the domain's hosts to try? */
bool link_has_next_host(const struct link *link);
/* Like link_connect(), to that host. */
void link_connect_next_host(struct link *link);

void link_send(struct link *link, const struct transport_message *message);

/* Nothing is sent for now: it is closed when that takes too long. */
void link_rest(struct link *link);
/*
 * At rest, with other settings in force: one of the old ones is closed at once,
 * since it holds them, and their secrets.
 */
void link_on_settings(struct link *link);
void link_disconnect(struct link *link);

/* As this connection has said or the settings do; 0, UINT_MAX: no limit. */
uint64_t link_size_limit(const struct link *link);
unsigned link_recipients_max(const struct link *link);

#endif
