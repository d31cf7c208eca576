/*
 * webhook_trouble - what relais-webhook says of what does not work, and its
 *                   patience
 *
 * To stderr, with the priorities that systemd reads there.
 */
#ifndef RELAIS_WEBHOOK_TROUBLE_H
#define RELAIS_WEBHOOK_TROUBLE_H

#include <time.h>

/* 3: an error, 4: a warning, 6: for information. */
void webhook_say(int priority, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Zeroed: there is none. */
struct webhook_trouble {
	time_t since, said;
};
/* It is said when it begins, and every ten minutes. */
void webhook_trouble_say(struct webhook_trouble *trouble, const char *what,
                         const char *problem);
/* So is its end. */
void webhook_trouble_end(struct webhook_trouble *trouble, const char *what);

/* From half of it to all of it, so that many do not come back at once. */
void webhook_wait_about(unsigned ms);

#endif
