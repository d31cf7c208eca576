/*
 * relay_url - `smtp+starttls://user@host:587`, taken apart
 *
 * smtp:// smtp+starttls:// smtps:// lmtp://  [USER[:PASSWORD]@]HOST[:PORT]
 * lmtp:///PATH                               a Unix socket
 * maildir:PATH   direct:
 *
 * USER and PASSWORD may hold %XX, and USER an `@`: the last one counts.
 *
 * Thread: any; pure functions.
 */
#ifndef RELAIS_RELAY_URL_H
#define RELAIS_RELAY_URL_H

#include "settings.h"

struct relay_url {
	enum relay_kind kind;
	bool has_security; /* smtp: and lmtp: leave it open */
	enum relay_security security;
	char *host;    /* without brackets, or NULL */
	uint16_t port; /* 0: not given */
	char *path;
	char *username;
	char *password;
};

/**
 * @param[out] ret_problem  on -EINVAL what is wrong, in words; a constant
 * @return 0; -EINVAL, with *ret untouched
 */
int relay_url_parse(struct relay_url *ret, const char *text,
                    const char **ret_problem);

/* Wipes the password. */
void relay_url_done(struct relay_url *url);

#endif
