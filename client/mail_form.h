/*
 * mail_form - a mail as relaisctl hands it over: a form with its files
 *
 * One part is the message as JSON, the others are the files as they are, so
 * that nothing is encoded here that relaisd would have to decode.
 */
#ifndef RELAIS_MAIL_FORM_H
#define RELAIS_MAIL_FORM_H

#include "buffer.h"
#include "uuid.h"

/* "multipart/form-data; boundary=" and a boundary */
#define MAIL_FORM_TYPE_SIZE (64 + UUID_SIZE)

struct mail_form {
	struct buffer body;
	char boundary[UUID_SIZE];
	char type[MAIL_FORM_TYPE_SIZE];
};

/* 0 or -errno; mail_form_done() in any case. */
int mail_form_init(struct mail_form *form, const char *message_json);
void mail_form_done(struct mail_form *form);

/*
 * "PATH" or "PATH:TYPE/SUBTYPE"; without a type, what the name's end means. 0,
 * -errno of the file, or -EINVAL: its name can't be sent.
 */
int mail_form_attach(struct mail_form *form, const char *file);

/* No more comes. 0 or -ENOMEM. */
int mail_form_end(struct mail_form *form);

/* Appends all of a file; "-" stands for stdin. 0 or -errno. */
int mail_form_read_file(struct buffer *into, const char *path);

#endif
