/*
 * narrate - messages, recipients and relays in plain words
 */
#ifndef RELAIS_NARRATE_H
#define RELAIS_NARRATE_H

#include "output.h"

struct json;

/* How a state of a message or a recipient looks. */
enum output_style narrate_style(const char *state);

/* "451 4.7.1 text", or the text alone where nobody replied. */
void narrate_reply(const struct json *reply, char *out, size_t size);

/* Since when and until when a relay doesn't work: "is paused: …, until …". */
void narrate_breaker(const struct output *output, const struct json *relay,
                     char *out, size_t size);

/* A whole message: who, what, where to, and the story. relay: or NULL. */
void narrate_message(const struct output *output, const struct json *message,
                     const struct json *relay);

/* One line of what happened, without its time. */
void narrate_event(const struct output *output, const struct json *entry);

/* Where an address is, and how it went. */
void narrate_recipient(const struct output *output,
                       const struct json *recipient);

#endif
