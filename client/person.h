/*
 * person - the user who calls: login name, full name, and a From field of them
 */
#ifndef RELAIS_PERSON_H
#define RELAIS_PERSON_H

#include "buffer.h"

#define PERSON_LOGIN_SIZE 64
#define PERSON_NAME_SIZE  128

struct person {
	/* always a local part; "uid1234" where the user has no name */
	char login[PERSON_LOGIN_SIZE];
	/* of the account; may be empty */
	char full_name[PERSON_NAME_SIZE];
};

/* Of the effective uid: it is the one relaisd is told by the kernel. */
void person_look_up(struct person *person);

/*
 * Appends "From: name <address>" and its line end, the name quoted or encoded
 * as it needs to be (RFC 5322 3.2.4, RFC 2047), or left out where nothing of
 * it can be shown. 0 or -ENOMEM.
 */
int person_append_from(struct buffer *out, const char *name,
                       const char *address);

#endif
