/*
 * smtp_peer - an SMTP server on loopback that answers as a test tells it to
 *
 * Takes every message unless told otherwise, and remembers what it got. Each
 * connection has a thread of its own.
 */
#ifndef RELAIS_TESTS_SMTP_PEER_H
#define RELAIS_TESTS_SMTP_PEER_H

#include <stdbool.h>
#include <stdint.h>

struct smtp_peer;

/* port 0: any free one. NULL where it can't be had. */
struct smtp_peer *smtp_peer_new(const char *address, uint16_t port);
/* Ends all connections. */
void smtp_peer_free(struct smtp_peer *peer);
uint16_t smtp_peer_port(const struct smtp_peer *peer);

/*
 * How commands that begin with `command` are answered, the next `times` times
 * (0: always); "" stands for the connection itself, "." for the final dot.
 * The reply is without its last CRLF; NULL: hangs up instead. Borrowed.
 */
void smtp_peer_answer(struct smtp_peer *peer, const char *command,
                      const char *reply, unsigned times);
/* Never answers these, … */
void smtp_peer_keep_silent(struct smtp_peer *peer, const char *command);
/* … until here: then as it would have. */
void smtp_peer_speak(struct smtp_peer *peer);

/* Ends connections on which nothing is under way. */
void smtp_peer_hang_up(struct smtp_peer *peer);

unsigned smtp_peer_connections(struct smtp_peer *peer);
/* Messages it took the final dot of, whatever it answered. */
unsigned smtp_peer_messages(struct smtp_peer *peer);
/* How many commands began so. */
unsigned smtp_peer_count(struct smtp_peer *peer, const char *command);
/* Waits until there was one that began so. */
void smtp_peer_await(struct smtp_peer *peer, const char *command);
/* The last message, as sent; the caller frees it. */
char *smtp_peer_last_message(struct smtp_peer *peer);

#endif
