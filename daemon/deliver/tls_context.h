/*
 * tls_context - what is common to the TLS connections of one policy
 *
 * A policy is what an administrator wrote for a relay, or "opportunistic":
 * encrypt with whoever is there. Each policy has its own authorities and its
 * own sessions to resume, so that a session made without verification can
 * never stand in for one with it. Each thread keeps its own set.
 *
 * Thread: any; a context stays in the thread that got it.
 */
#ifndef RELAIS_DELIVER_TLS_CONTEXT_H
#define RELAIS_DELIVER_TLS_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

struct relay_tls;
struct tls_context;

/* OpenSSL's SSL_CTX, SSL and SSL_SESSION, by their own names. */
struct ssl_ctx_st;
struct ssl_st;
struct ssl_session_st;

#define TLS_TEXT_SIZE 256

/*
 * The context for a policy, one reference. Files are read again when they
 * have changed, and after an hour. 0; -EINVAL with the reason in ret_text if
 * a file cannot be used; -ENOMEM.
 */
int tls_context_get(struct tls_context **ret_context,
                    const struct relay_tls *settings, bool is_opportunistic,
                    char ret_text[TLS_TEXT_SIZE]);
void tls_context_unref(struct tls_context *context);

struct ssl_ctx_st *tls_context_borrow(struct tls_context *context);

/* Sessions by "host:port". A session that is taken is the caller's to free;
 * NULL where there is none. */
struct ssl_session_st *tls_context_take_session(struct tls_context *context,
                                                const char *peer);

/* Marks a connection's sessions, as they come, as this peer's: both are
 * borrowed for the life of the connection. */
void tls_context_keep_sessions(struct tls_context *context, struct ssl_st *ssl,
                               const char *peer);

#endif
