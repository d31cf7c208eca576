/*
 * tls_context - what is common to the TLS connections of one policy
 */
#include "config.h"

#include "deliver/tls_context.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "clock.h"
#include "settings.h"

/* Of one thread; the least recently made goes first. */
#define CONTEXTS_MAX 32
#define SESSIONS_MAX 64

#define CONTEXT_AGE_MS (3600 * 1000)

#define PEER_SIZE 280

struct session {
	LIST_ENTRY(session) link;
	char peer[PEER_SIZE];
	SSL_SESSION *session;
};

struct tls_context {
	LIST_ENTRY(tls_context) link;
	unsigned references;
	char *key;
	int64_t made_ms;
	SSL_CTX *ssl;
	LIST_HEAD(, session) sessions;
	unsigned session_count;
};

LIST_HEAD(context_list, tls_context);

static pthread_key_t thread_contexts;
/* Where an SSL keeps its context and its peer's name. */
static int context_index;
static int peer_index;

static struct context_list *my_contexts(void);
static char *policy_key(const struct relay_tls *settings,
                        bool is_opportunistic);
static int make(struct tls_context **ret_context,
                const struct relay_tls *settings, bool is_opportunistic,
                char ret_text[TLS_TEXT_SIZE]);
static int load_authorities(SSL_CTX *ssl, const char *file,
                            char ret_text[TLS_TEXT_SIZE]);
static int load_certificate(SSL_CTX *ssl, const struct relay_tls *settings,
                            char ret_text[TLS_TEXT_SIZE]);
static int on_session(SSL *ssl, SSL_SESSION *session);
static void session_free(struct tls_context *context, struct session *session);

int tls_context_get(struct tls_context **ret_context,
                    const struct relay_tls *settings, bool is_opportunistic,
                    char ret_text[TLS_TEXT_SIZE])
{
	struct context_list *contexts = my_contexts();
	char *key = policy_key(settings, is_opportunistic);
	int64_t now_ms = clock_monotonic_us() / 1000;
	struct tls_context *found = NULL;
	struct tls_context *context;
	unsigned count = 0;
	int r = -ENOMEM;

	if (!contexts || !key)
		goto out;
	LIST_FOREACH (context, contexts, link) {
		if (strcmp(context->key, key) == 0)
			found = context;
		if (++count == CONTEXTS_MAX && !found)
			found = context;
	}
	if (found && (strcmp(found->key, key) != 0 ||
	              now_ms - found->made_ms > CONTEXT_AGE_MS)) {
		LIST_REMOVE(found, link);
		tls_context_unref(found);
		found = NULL;
	}
	if (!found) {
		r = make(&found, settings, is_opportunistic, ret_text);
		if (r < 0)
			goto out;
		found->key = key;
		key = NULL;
		found->made_ms = now_ms;
		LIST_INSERT_HEAD(contexts, found, link);
	}
	found->references++;
	*ret_context = found;
	r = 0;
out:
	free(key);
	return r;
}

void tls_context_unref(struct tls_context *context)
{
	struct session *session, *next;

	if (!context || --context->references > 0)
		return;
	for (session = LIST_FIRST(&context->sessions); session;
	     session = next) {
		next = LIST_NEXT(session, link);
		session_free(context, session);
	}
	SSL_CTX_free(context->ssl);
	free(context->key);
	free(context);
}

SSL_CTX *tls_context_borrow(struct tls_context *context)
{
	return context->ssl;
}

/* --- One set a thread ---------------------------------------------------- */

static void free_contexts(void *list)
{
	struct context_list *contexts = list;

	while (!LIST_EMPTY(contexts)) {
		struct tls_context *context = LIST_FIRST(contexts);

		LIST_REMOVE(context, link);
		tls_context_unref(context);
	}
	free(contexts);
}

static void prepare(void)
{
	if (pthread_key_create(&thread_contexts, free_contexts) != 0)
		abort();
	context_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	peer_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	assert(context_index >= 0 && peer_index >= 0);
}

static struct context_list *my_contexts(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct context_list *contexts;

	(void)pthread_once(&once, prepare);
	contexts = pthread_getspecific(thread_contexts);
	if (!contexts) {
		contexts = calloc(1, sizeof *contexts);
		if (contexts &&
		    pthread_setspecific(thread_contexts, contexts) != 0) {
			free(contexts);
			contexts = NULL;
		}
	}
	return contexts;
}

static long long file_time(const char *path)
{
	struct stat file;

	if (!path || stat(path, &file) < 0)
		return 0;
	return (long long)file.st_mtim.tv_sec * 1000000000 +
	       file.st_mtim.tv_nsec;
}

/* Everything that make() looks at. */
static char *policy_key(const struct relay_tls *settings, bool is_opportunistic)
{
	char *key;

	if (is_opportunistic)
		return strdup("opportunistic");
	if (asprintf(&key, "%d %d %s %s %lld %s %lld %s %lld", settings->verify,
	             (int)settings->minimum,
	             settings->fingerprint ? settings->fingerprint : "-",
	             settings->ca_file ? settings->ca_file : "-",
	             file_time(settings->ca_file),
	             settings->certificate ? settings->certificate : "-",
	             file_time(settings->certificate),
	             settings->key ? settings->key : "-",
	             file_time(settings->key)) < 0)
		return NULL;
	return key;
}

/* --- A policy made an SSL_CTX -------------------------------------------- */

static int say_why(char ret_text[TLS_TEXT_SIZE], const char *what,
                   const char *file)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	(void)snprintf(ret_text, TLS_TEXT_SIZE, "%s %s cannot be used: %s",
	               what, file, reason ? reason : "unknown error");
	return -EINVAL;
}

static int protocol_of(enum tls_minimum minimum)
{
	switch (minimum) {
	case TLS_MINIMUM_1_0:
		return TLS1_VERSION;
	case TLS_MINIMUM_1_1:
		return TLS1_1_VERSION;
	case TLS_MINIMUM_1_2:
		return TLS1_2_VERSION;
	case TLS_MINIMUM_1_3:
		return TLS1_3_VERSION;
	}
	return TLS1_2_VERSION;
}

static int make(struct tls_context **ret_context,
                const struct relay_tls *settings, bool is_opportunistic,
                char ret_text[TLS_TEXT_SIZE])
{
	int minimum =
	    is_opportunistic ? TLS1_VERSION : protocol_of(settings->minimum);
	struct tls_context *context = calloc(1, sizeof *context);
	int r = -ENOMEM;
	SSL_CTX *ssl;

	ERR_clear_error();
	if (!context)
		return -ENOMEM;
	context->references = 1;
	LIST_INIT(&context->sessions);
	ssl = SSL_CTX_new(TLS_client_method());
	context->ssl = ssl;
	if (!ssl || SSL_CTX_set_min_proto_version(ssl, minimum) != 1)
		goto out;
	/* Old versions are below what level 1 and up let through. */
	if (minimum < TLS1_2_VERSION)
		SSL_CTX_set_security_level(ssl, 0);
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
	                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                          SSL_MODE_RELEASE_BUFFERS);
	/* A record's header and body in one read(2). */
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(
	    ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(ssl, on_session);

	/* A pinned key needs no authority: tls.c compares it. */
	SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
	if (!is_opportunistic && settings->verify && !settings->fingerprint) {
		SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
		r = load_authorities(ssl, settings->ca_file, ret_text);
		if (r < 0)
			goto out;
	}
	r = is_opportunistic ? 0 : load_certificate(ssl, settings, ret_text);
	if (r < 0)
		goto out;

	*ret_context = context;
	context = NULL;
out:
	tls_context_unref(context);
	return r;
}

static int load_authorities(SSL_CTX *ssl, const char *file,
                            char ret_text[TLS_TEXT_SIZE])
{
	if (!file)
		return SSL_CTX_set_default_verify_paths(ssl) == 1 ? 0 : -ENOMEM;
	if (SSL_CTX_load_verify_file(ssl, file) != 1)
		return say_why(ret_text, "tls.ca_file", file);
	return 0;
}

static int load_certificate(SSL_CTX *ssl, const struct relay_tls *settings,
                            char ret_text[TLS_TEXT_SIZE])
{
	const char *key = settings->key ? settings->key : settings->certificate;

	if (!settings->certificate)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ssl, settings->certificate) != 1)
		return say_why(ret_text, "tls.certificate",
		               settings->certificate);
	if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
		return say_why(ret_text, "tls.key", key);
	return 0;
}

/* --- Sessions ------------------------------------------------------------ */

static void session_free(struct tls_context *context, struct session *session)
{
	LIST_REMOVE(session, link);
	context->session_count--;
	SSL_SESSION_free(session->session);
	free(session);
}

static struct session *find_session(struct tls_context *context,
                                    const char *peer)
{
	struct session *session;

	LIST_FOREACH (session, &context->sessions, link) {
		if (strcmp(session->peer, peer) == 0)
			return session;
	}
	return NULL;
}

/* RFC 8446 C.4: a ticket is used once; the server sends the next one. */
SSL_SESSION *tls_context_take_session(struct tls_context *context,
                                      const char *peer)
{
	struct session *session = find_session(context, peer);
	SSL_SESSION *taken;

	if (!session)
		return NULL;
	taken = session->session;
	(void)SSL_SESSION_up_ref(taken);
	if (SSL_SESSION_get_protocol_version(taken) >= TLS1_3_VERSION)
		session_free(context, session);
	return taken;
}

void tls_context_keep_sessions(struct tls_context *context, SSL *ssl,
                               const char *peer)
{
	(void)SSL_set_ex_data(ssl, context_index, context);
	/* cast: OpenSSL's slot is void *; on_session() only reads it */
	(void)SSL_set_ex_data(ssl, peer_index, (void *)(uintptr_t)peer);
}

/* Returns 1 where it keeps the reference. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_context *context = SSL_get_ex_data(ssl, context_index);
	const char *peer = SSL_get_ex_data(ssl, peer_index);
	struct session *kept;

	if (!context || !peer || strlen(peer) >= PEER_SIZE)
		return 0;
	kept = find_session(context, peer);
	if (!kept && context->session_count >= SESSIONS_MAX)
		kept = LIST_FIRST(&context->sessions);
	if (kept)
		session_free(context, kept);
	kept = calloc(1, sizeof *kept);
	if (!kept)
		return 0;
	(void)snprintf(kept->peer, sizeof kept->peer, "%s", peer);
	kept->session = session;
	LIST_INSERT_HEAD(&context->sessions, kept, link);
	context->session_count++;
	return 1;
}
