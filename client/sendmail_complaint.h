/*
 * sendmail_complaint - what went wrong, in one line and one exit code
 *
 * "sendmail: what (why; what to do)" on standard error, and in the system log:
 * cron, PHP and many others throw away what a program says.
 */
#ifndef RELAIS_SENDMAIL_COMPLAINT_H
#define RELAIS_SENDMAIL_COMPLAINT_H

#include "relais.h"
#include "sendmail_options.h"

/* Control characters are replaced. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same on standard error alone. */
void complain_mildly(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/*
 * The exit code for an answer, and, but for success, the line that goes with
 * it. recipients: those of the envelope.
 */
int complain_of_answer(const struct sendmail_options *options,
                       const struct relais_answer *answer,
                       const char *const *recipients);

/* The exit code alone, as relais-sendmail(8) lists them. */
int sendmail_exit_code(const struct sendmail_options *options,
                       const struct relais_answer *answer);

#endif
