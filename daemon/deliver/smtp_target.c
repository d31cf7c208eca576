/*
 * smtp_target - where an SMTP connection goes, and with what
 */
#include "config.h"

#include "deliver/smtp_target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/sasl.h"
#include "runtime/xalloc.h"
#include "settings.h"

static char *dup_or_null(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

struct smtp_target *smtp_target_new(const struct transport_target *target)
{
	struct smtp_target *copy = xcalloc(1, sizeof *copy);

	copy->relay = target->relay;
	copy->host = xstrdup(target->host ? target->host : "localhost");
	copy->port = target->port;
	if (target->port)
		copy->name = xasprintf("%s:%u", copy->host, copy->port);
	else
		copy->name = xstrdup(copy->host);
	copy->address_count = target->address_count;
	copy->addresses =
	    xcalloc(target->address_count, sizeof *copy->addresses);
	memcpy(copy->addresses, target->addresses,
	       target->address_count * sizeof *copy->addresses);
	copy->ehlo_name = xstrdup(target->ehlo_name);
	copy->timeouts_percent = target->timeouts_percent;
	copy->password = dup_or_null(target->password);
	copy->token = dup_or_null(target->token);
	return copy;
}

void smtp_target_free(struct smtp_target *target)
{
	if (!target)
		return;
	free(target->host);
	free(target->name);
	free(target->addresses);
	free(target->ehlo_name);
	wipe(target->password);
	wipe(target->token);
	free(target);
}

static enum smtp_client_security security_of(enum relay_security security)
{
	switch (security) {
	case RELAY_STARTTLS:
		return SMTP_CLIENT_STARTTLS;
	case RELAY_OPPORTUNISTIC:
		return SMTP_CLIENT_OPPORTUNISTIC;
	case RELAY_TLS:
	case RELAY_CLEAR:
		break;
	}
	return SMTP_CLIENT_AS_IT_IS;
}

struct smtp_client_options smtp_target_options(const struct smtp_target *target,
                                               bool has_tls, bool is_clear)
{
	const struct relay_settings *relay = target->relay;

	return (struct smtp_client_options){
		.ehlo_name = target->ehlo_name,
		.is_lmtp = relay->kind == RELAY_LMTP,
		.has_tls = has_tls,
		.security = is_clear ? SMTP_CLIENT_AS_IT_IS
		                     : security_of(relay->security),
		.is_direct = relay->kind == RELAY_DIRECT,
		.own_rules = &relay->rules,
		.recipients_max = relay->limits.recipients,
		.size_max_bytes = relay->limits.size_bytes,
		.size_usual_bytes = relay->limits.usual_size_bytes,
	};
}

unsigned smtp_target_limit_ms(const struct smtp_target *target,
                              unsigned limit_s)
{
	unsigned percent = target->timeouts_percent;

	return limit_s * 10 * (percent == 0 ? 100 : percent);
}

bool smtp_target_has_login(const struct smtp_target *target)
{
	return target->relay->authentication != RELAY_AUTHENTICATION_OFF &&
	       target->relay->kind != RELAY_DIRECT;
}

static bool is_loopback(const struct transport_address *address)
{
	const struct sockaddr_in *in =
	    (const struct sockaddr_in *)&address->address;
	const struct sockaddr_in6 *in6 =
	    (const struct sockaddr_in6 *)&address->address;

	switch (address->address.ss_family) {
	case AF_UNIX:
		return true;
	case AF_INET:
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	default:
		return false;
	}
}

int smtp_target_new_sasl(const struct smtp_target *target,
                         const struct transport_address *address,
                         struct sasl **ret_sasl)
{
	const struct relay_settings *relay = target->relay;
	const struct sasl_options options = {
		.username = relay->username,
		.password = target->password,
		.token = target->token,
		.mechanism =
		    relay->authentication == RELAY_AUTHENTICATION_MECHANISM
			? relay->mechanism
			: NULL,
		.host = target->host,
		.port = target->port,
		.is_loopback = is_loopback(address),
	};

	return sasl_new(ret_sasl, &options);
}

void smtp_target_describe_failure(const struct smtp_target *target,
                                  const struct transport_address *address,
                                  int error, char *text, size_t size)
{
	const struct sockaddr_in *in =
	    (const struct sockaddr_in *)&address->address;
	const struct sockaddr_in6 *in6 =
	    (const struct sockaddr_in6 *)&address->address;
	char numeric[INET6_ADDRSTRLEN] = "";

	if (address->address.ss_family == AF_INET)
		(void)inet_ntop(AF_INET, &in->sin_addr, numeric,
		                sizeof numeric);
	else if (address->address.ss_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, numeric,
		                sizeof numeric);
	if (!numeric[0] || strcmp(numeric, target->host) == 0)
		(void)snprintf(text, size, "cannot connect to %s: %s",
		               target->name, strerror(error));
	else
		(void)snprintf(text, size, "cannot connect to %s [%s]:%u: %s",
		               target->host, numeric, target->port,
		               strerror(error));
}
