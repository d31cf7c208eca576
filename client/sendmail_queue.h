/*
 * sendmail_queue - mailq, and trying again what waits (-q)
 *
 * The list has the shape that Postfix gave it, which monitoring reads. What
 * relaisctl shows is better; this is for what exists.
 */
#ifndef RELAIS_SENDMAIL_QUEUE_H
#define RELAIS_SENDMAIL_QUEUE_H

#include "sendmail_options.h"

/* Exit codes; what went wrong has been said. */
int sendmail_list(void);
int sendmail_flush(const struct sendmail_options *options);

#endif
