/*
 * receiver - where mail comes in: listeners, sessions, and what they share
 *
 * Owned by the receive loop. Sessions read from their clients, hand complete
 * messages to the queue, and answer once the commit is there. All of them
 * together hold receive.memory of content; above that those stop reading that
 * have more than a piece, 64 KiB, and send it to the store.
 */
#ifndef RELAIS_RECEIVE_RECEIVER_H
#define RELAIS_RECEIVE_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct handover;
struct loop;
struct queue;
struct receiver;
struct settings;

/* In the loop's thread or before it runs. settings: takes a reference. */
int receiver_new(struct receiver **ret_receiver, struct loop *loop,
                 struct queue *queue, const struct settings *settings);

/*
 * Listens where the settings say, and on passed_fd (from the service manager)
 * instead of receive.socket if it isn't -1. Before the loop runs. On error
 * *ret_error is a sentence that names the socket; the caller frees it.
 */
int receiver_listen(struct receiver *receiver, int passed_fd, char **ret_error);

/* Any thread; running sessions keep the settings they began with. */
void receiver_apply_settings(struct receiver *receiver,
                             const struct settings *settings);

/* Any thread. It goes home when all of it is answered; count isn't 0. */
void receiver_hand_over_take(struct receiver *receiver,
                             struct handover *handover);

/*
 * Any thread. Stops listening, says 421 to who is silent, lets commits that
 * are under way be answered, then stops the loop.
 */
void receiver_drain(struct receiver *receiver);

/* With the loop ended. */
void receiver_free(struct receiver *receiver);

#endif
