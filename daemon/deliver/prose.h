/*
 * prose - texts of our own for people and programs
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_PROSE_H
#define RELAIS_DELIVER_PROSE_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

/* Appends, or aborts without memory: for texts of our own of bounded size. */
void prose_add(struct buffer *into, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Appends text as lines of at most 72 columns where it has spaces, each with so
 * many spaces in front, ended by CRLF. Control characters become spaces.
 */
void prose_add_wrapped(struct buffer *into, unsigned indent, const char *text);

/* Octets above 127? */
bool prose_is_8bit(const char *text, size_t len);

#endif
