/*
 * sendmail_settings - the options -O name=value
 *
 * Names that begin with "relais." are ours, two more are those of other
 * programs that mean the same; all others, and that is what sendmail had most
 * of, are ignored.
 */
#ifndef RELAIS_SENDMAIL_SETTINGS_H
#define RELAIS_SENDMAIL_SETTINGS_H

#include "sendmail_options.h"

/* 0, or -EINVAL with a sentence in error. */
int sendmail_settings_read(struct sendmail_options *options,
                           const char *setting, char error[OPTIONS_ERROR_SIZE]);

#endif
