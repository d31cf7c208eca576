/*
 * scripted_peer - a mail server that says exactly what a test wants
 *
 * It listens on a free port of 127.0.0.1 and plays one script a connection, in
 * a thread of its own. A script is a list of lines:
 *
 *	"S: text"     says it (several in a row go out in one write)
 *	"C: text"     hears exactly this line
 *	"C~ text"     hears a line that starts so
 *	"body"        hears a message up to its final dot, and keeps it
 *	"tls"         takes the server's side of a handshake
 *	"eof"         hears the other side close, with close_notify in TLS
 *	"drain"       hears anything, until the other side closes
 *	"cut"         closes at once, without close_notify
 *	"reset"       closes with a TCP reset
 *
 * After its last line the connection is closed properly.
 */
#ifndef SCRIPTED_PEER_H
#define SCRIPTED_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scripted_peer;

struct peer_script {
	/* key and certificate in one file, for "tls"; NULL: none */
	const char *certificate;
	/* 0: the newest; else the only TLS version, as OpenSSL numbers them */
	int tls_version;
	/* NULL-terminated; one a connection, in their order */
	const char *const *connections[4];
};

struct scripted_peer *scripted_peer_start(const struct peer_script *script);
uint16_t scripted_peer_port(const struct scripted_peer *peer);

/* Waits until all scripts are done; fails the test where one was not met. */
void scripted_peer_finish(struct scripted_peer *peer);

/* After finish: the last body as it came over the wire, with its dots. */
const char *scripted_peer_body(const struct scripted_peer *peer,
                               size_t *ret_len);
/* Was the last TLS session a resumed one? */
bool scripted_peer_is_resumed(const struct scripted_peer *peer);
void scripted_peer_free(struct scripted_peer *peer);

#endif
