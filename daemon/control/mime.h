/*
 * mime - a draft as the bytes of a message (RFC 5322, RFC 2045 to 2049, 2231)
 *
 * The only file that knows GMime, which is loaded when it is first needed. Date
 * and Message-ID are left to those who add them to any message.
 *
 * Thread: the control loop's.
 */
#ifndef RELAIS_CONTROL_MIME_H
#define RELAIS_CONTROL_MIME_H

#include <stddef.h>

struct draft;

/*
 * Loads the library, once. 0, or -ELIBACC and the loader's words, which are
 * valid until it is asked again.
 */
int mime_prepare(const char **ret_why);

/*
 * Once the library is there. The draft is complete and checked. LF line ends;
 * malloc'ed, the caller's. Aborts without memory: the caller has bounded the
 * draft.
 */
void mime_build(const struct draft *draft, char **ret_data, size_t *ret_len);

#endif
