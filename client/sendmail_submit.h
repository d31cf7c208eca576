/*
 * sendmail_submit - a message from standard input into the queue
 *
 * Nothing is queued unless all of the input was read and was good. A signal
 * that ends the process before ends the connection, and so the message.
 */
#ifndef RELAIS_SENDMAIL_SUBMIT_H
#define RELAIS_SENDMAIL_SUBMIT_H

#include "sendmail_options.h"

/* An exit code; what went wrong has been said. */
int sendmail_submit(struct sendmail_options *options);

#endif
