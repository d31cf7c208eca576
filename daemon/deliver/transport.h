/*
 * transport - the seam: hand messages to one next hop, a verdict each
 *
 * A transport is one way out for one connection's worth of messages: SMTP and
 * LMTP (transport_smtp.c), the capture relay (transport_maildir.c). Its owner
 * is a worker; everything happens on the worker's loop, and nothing here
 * touches the queue: the owner reads the body for it and settles the verdicts.
 *
 * Life: new; then send, on_done, send, on_done … ; free at any time. A message
 * that is cut by free has no verdict.
 * Promise: on_done comes exactly once for each send that returned, never from
 * inside transport_send(); a transport is not used again after a result with
 * is_closed set.
 */
#ifndef RELAIS_DELIVER_TRANSPORT_H
#define RELAIS_DELIVER_TRANSPORT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "smtp/verdict.h"

struct loop;
struct relay_settings;
struct settings;
struct transport;

struct transport_address {
	struct sockaddr_storage address; /* or a sockaddr_un */
	socklen_t length;
};

/* Copied by transport_new(), but for `relay`, which outlives the transport. */
struct transport_target {
	const struct relay_settings *relay;
	const struct settings *settings; /* they outlive it, too */
	/* The name that was configured, or an MX host; for SNI and the
	 * certificate; NULL with maildir. */
	const char *host;
	uint16_t port;
	const struct transport_address *addresses;
	size_t address_count;
	const char *ehlo_name;
	/* Of each step's time limit; 0: all of it. */
	unsigned timeouts_percent;
	/* Secrets as they are now; NULL without. Wiped by the transport. */
	const char *password;
	const char *token;
};

struct transport_recipient {
	const char *address;
	const char *original; /* ORCPT as received, or NULL */
	uint8_t notify;       /* NOTIFY_… of queue/message.h; 0: not said */
};

/* Borrowed until on_done. */
struct transport_message {
	uint64_t id;
	const char *sender; /* "": the null sender */
	const char *envelope_id;
	const struct transport_recipient *recipients;
	unsigned recipient_count;
	/* The first of those whose mail the only recipient gets; or NULL. */
	const char *redirected_from;
	uint32_t flags; /* MESSAGE_8BIT, _SMTPUTF8, _RET_… */
	int priority;   /* level of RFC 6710; 0: none is told */
	/* The whole header block with the empty line behind it, CRLF. */
	const char *header;
	size_t header_len;
	uint64_t size; /* header and body, before dot-stuffing */
	/* Only the envelope is offered, for a test; with SMTP and LMTP. */
	bool is_envelope_only;
	/*
	 * The next octets of the body, CRLF form, borrowed until the next
	 * call; len 0 at the end. 0, or -errno: then the connection is cut
	 * before the final dot and every recipient gets a temporary verdict
	 * of scope message.
	 */
	int (*read_body)(void *context, const char **ret_data, size_t *ret_len);
	/*
	 * Right before the final dot is handed to the kernel: from here on
	 * the far side may have the message. May be NULL.
	 */
	void (*on_dot)(void *context);
	void *context;
};

/* Borrowed for the call of on_done. */
struct transport_result {
	/* One a recipient, in their order. */
	const struct verdict *verdicts;
	unsigned count;
	/*
	 * A relay-scope fault (name, connect, TLS, login, greeting, quota …)
	 * for the breaker; its class is VERDICT_NONE without one. Recipients
	 * not reached because of it have VERDICT_NONE too.
	 */
	struct verdict fault;
	/*
	 * The connection was reused and turned out dead before anything was
	 * said of this message: try again on a new one, nobody is charged.
	 */
	bool is_stale;
	bool is_closed;   /* the transport takes no further message */
	const char *host; /* "name:port" or address as connected; may be NULL */
	const char *tls;  /* "TLSv1.3", or NULL */
	uint64_t certificate_end_ms; /* of the far side's, wall; 0: no TLS */
	enum smtp_phase phase;       /* how far it came */
	/* Who takes mail here tells its sender of its success (RFC 3461). */
	bool tells_success;
	/* Learnt from EHLO; 0: not said. */
	uint64_t size_limit;
	uint32_t recipient_limit;
};

struct transport_events {
	void (*on_done)(void *context, const struct transport_result *result);
	/* An idle transport was closed by the far side; free it. */
	void (*on_idle_closed)(void *context);
	void *context;
};

/*
 * By the kind of target->relay, behind transport_staging.c where the settings
 * want it. 0 or -errno; connects at the first send.
 */
int transport_new(struct transport **ret_transport, struct loop *loop,
                  const struct transport_target *target,
                  const struct transport_events *events);

/* The same, whatever the settings of staging say. */
int transport_new_unstaged(struct transport **ret_transport, struct loop *loop,
                           const struct transport_target *target,
                           const struct transport_events *events);

/* One at a time. */
void transport_send(struct transport *transport,
                    const struct transport_message *message);

/* An idle one says QUIT first, as far as that goes without waiting. */
void transport_free(struct transport *transport);

/* The kinds' own functions; transport.c is the switch between them. */
struct transport_kind {
	int (*create)(struct transport **ret_transport, struct loop *loop,
	              const struct transport_target *target,
	              const struct transport_events *events);
	void (*send)(struct transport *transport,
	             const struct transport_message *message);
	void (*destroy)(struct transport *transport);
};
extern const struct transport_kind transport_smtp;
extern const struct transport_kind transport_maildir;
extern const struct transport_kind transport_staging;

/* First member of each kind's struct. */
struct transport {
	const struct transport_kind *kind;
};

#endif
