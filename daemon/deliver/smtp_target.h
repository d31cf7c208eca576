/*
 * smtp_target - where an SMTP connection goes, and with what
 *
 * A copy of a transport's target that lives as long as the connection, and
 * what follows from it: how the engine is to behave, who logs in.
 *
 * Thread: one at a time.
 */
#ifndef RELAIS_DELIVER_SMTP_TARGET_H
#define RELAIS_DELIVER_SMTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deliver/transport.h"
#include "smtp/client.h"

struct sasl;

struct smtp_target {
	const struct relay_settings *relay;
	char *host;
	uint16_t port;
	/* "host:port" */
	char *name;
	struct transport_address *addresses;
	size_t address_count;
	char *ehlo_name;
	unsigned timeouts_percent;
	char *password;
	char *token;
};

/* Aborts without memory. */
struct smtp_target *smtp_target_new(const struct transport_target *target);
/* Wipes the secrets. */
void smtp_target_free(struct smtp_target *target);

/* For the engine, but its login. is_clear: no STARTTLS, though opportunistic.
 */
struct smtp_client_options smtp_target_options(const struct smtp_target *target,
                                               bool has_tls, bool is_clear);

/* What is left of a time limit by the settings. */
unsigned smtp_target_limit_ms(const struct smtp_target *target,
                              unsigned limit_s);

bool smtp_target_has_login(const struct smtp_target *target);
/* The login over a connection to this address. 0, -EINVAL, -ENOMEM. */
int smtp_target_new_sasl(const struct smtp_target *target,
                         const struct transport_address *address,
                         struct sasl **ret_sasl);

/* "cannot connect to mx.test [192.0.2.1]:25: Connection refused" */
void smtp_target_describe_failure(const struct smtp_target *target,
                                  const struct transport_address *address,
                                  int error, char *text, size_t size);

#endif
