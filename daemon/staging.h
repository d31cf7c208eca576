/*
 * staging - where mail of a test system may go, by the settings
 *
 * Pure functions of redirect, recipients and chaos, which a relay has of its
 * own or from the whole. Its own redirect and chaos go before those of the
 * whole; the patterns of both hold.
 *
 * Thread: any.
 */
#ifndef RELAIS_STAGING_H
#define RELAIS_STAGING_H

#include <stdbool.h>
#include <stddef.h>

#include "settings.h"

#define STAGING_TEXT_SIZE 400

/* Works out which relays are staged; once, while settings are loaded. */
void staging_complete(struct settings *settings);
/* Reports what does not fit together, and what would let mail escape. */
void staging_check(const struct settings *settings,
                   struct settings_errors *errors);

/* Who gets the mail of this relay instead of its recipients; NULL: nobody. */
const char *staging_redirect(const struct settings *settings,
                             const struct relay_settings *relay);

/* Never NULL. */
const struct settings_chaos *staging_chaos(const struct settings *settings,
                                           const struct relay_settings *relay);

/* Are there any? Else nobody is refused. */
bool staging_has_patterns(const struct settings_staging *staging);

/* Is this recipient, as submitted, refused; by which setting? */
bool staging_refuses(const struct settings *settings, const char *address,
                     char text[STAGING_TEXT_SIZE]);
/* The same by this relay's patterns or those of the whole. */
bool staging_relay_refuses(const struct settings *settings,
                           const struct relay_settings *relay,
                           const char *address, char text[STAGING_TEXT_SIZE]);

/* One sentence, and what to do to end it; both borrowed for the call. */
typedef void staging_on_line(void *context, const char *what, const char *next);
/* All that is staged, a sentence each; none where nothing is. */
void staging_describe(const struct settings *settings, staging_on_line *on_line,
                      void *context);

#endif
