/*
 * content - a message that can be told whole from its first line alone
 *
 * "Subject: power SEED LINES", and a body that follows from the two numbers.
 */
#ifndef RELAIS_TESTS_CONTENT_H
#define RELAIS_TESTS_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#define CONTENT_LINE       78
#define CONTENT_HEADER_MAX 64

/* Octets of the header block written. */
size_t content_header(char header[CONTENT_HEADER_MAX], unsigned seed,
                      unsigned lines);
/* Line `number` of the body, its CRLF included; no NUL. */
void content_line(char line[CONTENT_LINE], unsigned seed, unsigned number);
/* False where the header block doesn't start with such a subject. */
bool content_parse(const char *header, size_t len, unsigned *ret_seed,
                   unsigned *ret_lines);

#endif
