/*
 * relay_order - what a command line says of a relay, as the API wants it
 */
#ifndef RELAIS_RELAY_ORDER_H
#define RELAIS_RELAY_ORDER_H

#include "ask.h"

struct invocation;
struct json;

/*
 * The options and the operands KEY=VALUE from `first` on, into an order. 0 or
 * an exit code; it has been said why.
 */
int relay_order_read(const struct invocation *invocation, int first,
                     struct json *order);

/* `key` may have dots; an empty value removes it. */
void relay_order_put(struct json *order, const char *key, const char *value);

/*
 * The password that the options ask for, into an order; without any of them on
 * a terminal it is asked for where `needs_one`. 0 or an exit code.
 */
int relay_order_read_password(const struct invocation *invocation,
                              struct json *order, bool needs_one);

/* The first operand that is KEY=VALUE: 0, or 1 behind a name. */
int relay_order_first_key(const struct invocation *invocation);

/* Was anything said of what the relay is to be? */
bool relay_order_is_given(const struct invocation *invocation, int first);

/*
 * What to send: the file of --yaml, or the order. 0 or an exit code; wipe and
 * free the text.
 */
int relay_order_text(const struct invocation *invocation,
                     const struct json *order, struct ask_text *ret_text,
                     char **ret_memory);

#endif
