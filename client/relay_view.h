/*
 * relay_view - a relay as a person reads it: how it does, and every key
 */
#ifndef RELAIS_RELAY_VIEW_H
#define RELAIS_RELAY_VIEW_H

struct json;
struct output;

/* As the API gives it; of secrets it only knows whether they are set. */
void relay_view_print(const struct output *output, const struct json *relay);

/* How it does alone. */
void relay_view_print_state(const struct output *output,
                            const struct json *relay);

#endif
