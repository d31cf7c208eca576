/*
 * relay_discovery - where the mail of an address goes out
 */
#ifndef RELAIS_RELAY_DISCOVERY_H
#define RELAIS_RELAY_DISCOVERY_H

struct invocation;
struct json;
struct output;

/*
 * Asks relaisd, which knows providers and asks name servers. An exit code,
 * said why on stderr.
 */
int relay_discover(const struct invocation *invocation, const char *address,
                   struct json **ret_found);

/* "Fastmail: smtp.fastmail.com, port 465, tls", and how that is known. */
void relay_discovery_print(const struct output *output,
                           const struct json *found);

#endif
