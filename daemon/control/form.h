/*
 * form - the parts of a multipart/form-data body (RFC 7578)
 *
 * Thread: any; plain functions.
 */
#ifndef RELAIS_CONTROL_FORM_H
#define RELAIS_CONTROL_FORM_H

#include <stddef.h>

#include "arena.h"

#define FORM_ERROR_SIZE 256
#define FORM_PARTS_MAX  2000

struct form_part {
	const char *name;
	const char *filename; /* NULL: a field */
	const char *type;     /* or NULL */
	const char *data;     /* borrowed from the body, without a NUL */
	size_t len;
};

struct form {
	struct arena arena;
	struct form_part *parts;
	size_t count;
};

/*
 * type: the whole Content-Type of the body, which is borrowed as long as the
 * form is used. 0, or -EINVAL with a sentence in `error`; form_done() in any
 * case.
 */
int form_read(struct form *form, const char *type, const char *data, size_t len,
              char error[FORM_ERROR_SIZE]);
void form_done(struct form *form);

#endif
