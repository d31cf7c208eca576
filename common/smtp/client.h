/*
 * smtp/client - the sending side of SMTP (RFC 5321) and LMTP (RFC 2033)
 *
 * A pure engine: replies in, commands out, one verdict per recipient. The
 * shell around it owns the socket, TLS and the timer:
 *
 *	write what smtp_client_output() gives, and tell smtp_client_wrote();
 *	give each reply to smtp_client_on_reply(), an end or a failure of the
 *	connection to smtp_client_on_lost();
 *	after each of these calls look at smtp_client_status(), and when a
 *	message was under way, at smtp_client_is_sending();
 *	wait at most smtp_client_timeout_s() without progress.
 *
 * Envelope commands go out in one group where the server offers PIPELINING;
 * the end of the content and the final dot are in one output.
 *
 * Promise: a recipient is DELIVERED only by the server's 2xx to the final dot;
 *          from the moment the whole dot was written until its reply, a lost
 *          connection makes it UNKNOWN, never anything else; content whose
 *          reading failed is never ended by a dot.
 * Thread:  one at a time.
 */
#ifndef RELAIS_SMTP_CLIENT_H
#define RELAIS_SMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtp/capabilities.h"
#include "smtp/envelope.h"
#include "smtp/reply.h"
#include "smtp/verdict.h"

struct buffer;
struct smtp_client;

enum smtp_client_security {
	/* clear text, or TLS from the first byte (has_tls) */
	SMTP_CLIENT_AS_IT_IS,
	/* STARTTLS, or no mail */
	SMTP_CLIENT_STARTTLS,
	/* STARTTLS where it is offered and not refused */
	SMTP_CLIENT_OPPORTUNISTIC,
};

/*
 * Who logs in. The texts are base64 as they go over the wire, without line
 * ends; `out` may hold other bytes already.
 */
struct smtp_client_auth {
	/*
	 * Picks a mechanism and appends its name, and behind a space the
	 * initial response if there is one. -EOPNOTSUPP: no mechanism in
	 * common; -EACCES: only such as would show the password to the
	 * network; other -errno.
	 */
	int (*start)(void *context, const struct smtp_capabilities *offer,
	             bool has_tls, struct buffer *out);
	/* Answers a challenge. -EPROTO: it makes no sense, cancel. */
	int (*step)(void *context, const char *challenge, size_t len,
	            struct buffer *out);
	/* 235 came. -EPERM: the server has not proved itself as it must. */
	int (*finish)(void *context);
	/* Refused with this code: is there another way worth a start()? */
	bool (*may_retry)(void *context, uint16_t code);
	void *context;
	/* Refused for good: adds what only a challenge said; or NULL. */
	void (*explain)(void *context, struct verdict *verdict);
};

/* Strings and auth are borrowed until smtp_client_free(). */
struct smtp_client_options {
	const char *ehlo_name;
	bool is_lmtp;
	/* is the connection encrypted from the start? */
	bool has_tls;
	enum smtp_client_security security;
	/* NULL: no login */
	const struct smtp_client_auth *auth;
	/* The server is a recipient's own, not one that serves us: that it
	 * wants a login or refuses to relay is final. */
	bool is_direct;
	bool has_no_pipelining;
	/* what replies mean, before smtp/verdict has a say; or NULL */
	const struct verdict_ruleset *own_rules;
	/* at most so many in one transaction; 0: as many as there are */
	unsigned recipients_max;
	/* no larger message is offered; 0: what the server says */
	uint64_t size_max_bytes;
	/* nor a larger one than this where neither says anything; 0: any */
	uint64_t size_usual_bytes;
};

/* Borrowed until the message is no longer being sent. */
struct smtp_client_message {
	const char *sender;
	const struct smtp_mail_params *params;
	const struct smtp_recipient *recipients;
	unsigned recipient_count;
	/* the header block with the empty line, CRLF */
	const char *header;
	size_t header_len;
	/* Only the envelope is offered, and taken back: who is accepted has no
	 * verdict then. */
	bool is_envelope_only;
	/* The next octets of the body, borrowed until the next call; len 0 at
	 * the end; -errno cuts the connection. */
	int (*read_body)(void *context, const char **ret_data, size_t *ret_len);
	/* The final dot comes with the next output. May be NULL. */
	void (*on_dot)(void *context);
	void *context;
};

enum smtp_client_status {
	/* write the output, read replies */
	SMTP_CLIENT_BUSY,
	/* No byte may be left unread: else it was injected (RFC 3207 6) and
	 * the connection is to be dropped. Handshake, then on_tls(). */
	SMTP_CLIENT_WANTS_TLS,
	/* takes a message or QUIT; replies now are unexpected */
	SMTP_CLIENT_READY,
	/* close the connection */
	SMTP_CLIENT_CLOSED,
};

/* 0 or -ENOMEM. */
int smtp_client_new(struct smtp_client **ret_client,
                    const struct smtp_client_options *options);
void smtp_client_free(struct smtp_client *client);

enum smtp_client_status smtp_client_status(const struct smtp_client *client);

/* What to write next, borrowed until the next call; *ret_len 0: nothing. */
void smtp_client_output(struct smtp_client *client, const char **ret_data,
                        size_t *ret_len);
void smtp_client_wrote(struct smtp_client *client, size_t len);

void smtp_client_on_reply(struct smtp_client *client,
                          const struct smtp_reply *reply);

/* The handshake is done; everything known before is forgotten. */
void smtp_client_on_tls(struct smtp_client *client);

/* End of file, an error, a timeout, or what came is not SMTP. */
void smtp_client_on_lost(struct smtp_client *client, enum verdict_fault fault,
                         const char *text);

/*
 * Starts to send; only when READY. Ends at once for a message the server
 * cannot take. -ENOMEM: nothing happened.
 */
int smtp_client_send(struct smtp_client *client,
                     const struct smtp_client_message *message);

/* Is the last message's outcome still open? */
bool smtp_client_is_sending(const struct smtp_client *client);

/*
 * The outcome of the last message, one a recipient, until the next
 * smtp_client_send(). VERDICT_NONE: not reached because of a fault of the
 * relay or the connection.
 */
const struct verdict *smtp_client_verdicts(const struct smtp_client *client);

/* The relay's fault, of scope relay; class VERDICT_NONE where there is none.
 * With this one, smtp_client_status() may be CLOSED before any message. */
const struct verdict *smtp_client_fault(const struct smtp_client *client);

/* The connection has carried a message before and was found dead, or as good
 * as, before DATA: the message was not tried, take a new connection. */
bool smtp_client_is_stale(const struct smtp_client *client);

/* Was the sender's wish for reports handed over (RFC 3461)? */
bool smtp_client_has_dsn(const struct smtp_client *client);

/* READY, and the server's own limits allow one more message. */
bool smtp_client_may_send(const struct smtp_client *client);

/* When READY: says QUIT. */
void smtp_client_quit(struct smtp_client *client);

/* Where in the dialogue; what is waited for, in words; how long. */
enum smtp_phase smtp_client_phase(const struct smtp_client *client);
const char *smtp_client_awaited(const struct smtp_client *client);
unsigned smtp_client_timeout_s(const struct smtp_client *client);

const struct smtp_capabilities *
smtp_client_capabilities(const struct smtp_client *client);

#endif
