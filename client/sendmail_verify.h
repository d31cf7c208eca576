/*
 * sendmail_verify - may these addresses be mailed to? (-bv)
 *
 * Asks relaisd as if a message came, and takes it back.
 */
#ifndef RELAIS_SENDMAIL_VERIFY_H
#define RELAIS_SENDMAIL_VERIFY_H

#include "sendmail_options.h"

/* An exit code; a line an address on standard output. */
int sendmail_verify(const struct sendmail_options *options);

#endif
