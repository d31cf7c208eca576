/*
 * jwt - the signed word of a service account (RFC 7519, RFC 7523 3)
 *
 * Thread: any; keeps no state.
 */
#ifndef RELAIS_DELIVER_JWT_H
#define RELAIS_DELIVER_JWT_H

struct relay_oauth;

/* Good for some minutes from now_s (wall clock) on. Wipe and free it. NULL: the
 * key cannot sign. */
char *jwt_assertion(const struct relay_oauth *oauth, long long now_s);

#endif
