/*
 * visit - a handover's way through the receive loop
 *
 * Each message has an SMTP engine and a transaction of its own, fed with its
 * commands and its content: identity, policy, limits, keys and the wait for
 * the outcome are those of a session at the socket. Nothing of a message is
 * taken unless all of its recipients are. The messages of a visit go to the
 * committer together, so they share commits; the visit counts as one
 * connection of its submitter.
 *
 * Thread: the receive loop's.
 */
#ifndef RELAIS_RECEIVE_VISIT_H
#define RELAIS_RECEIVE_VISIT_H

struct handover;
struct session_host;
struct settings;
struct visit;

/* The handover goes home when every message has its answer. */
void visit_begin_take(struct session_host *host, struct handover *handover,
                      const struct settings *settings);

/* At the very end: its answers are dropped. */
void visit_free(struct visit *visit);

#endif
