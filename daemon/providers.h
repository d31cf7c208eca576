/*
 * providers - mail providers that relais knows
 *
 * From data/providers.yaml, where each field is explained. Strings that are
 * lists have spaces between the words; what is not known is NULL or 0.
 *
 * Thread: constant data.
 */
#ifndef RELAIS_PROVIDERS_H
#define RELAIS_PROVIDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct provider {
	const char *id;
	const char *name;
	const char *kind;
	const char *domains;
	const char *mx_suffixes;
	const char *host;
	uint16_t port;
	const char *security;
	const char *alternatives;
	const char *authentication;
	const char *mechanisms;
	const char *oauth; /* id in oauth_services.h */
	const char *username;
	const char *from_rule;
	const char *tls_minimum;
	uint32_t connections;
	uint32_t messages_per_connection;
	uint32_t recipients;
	uint32_t size_mib;
	uint32_t idle_s;
	uint32_t lifetime_s;
	const char *rates;
	const char *headers;
	const char *tag_header;
	const char *meta_header;
	const char *key_header;
	const char *regions;
	const char *hint;
	const char *quirk;
	bool verified;
};

extern const struct provider providers_table[];
extern const size_t providers_table_size;

/* NULL if there is none of that id. */
const struct provider *provider_find(const char *id);

/* By the domain of a mail address; NULL if no provider can be told from it. */
const struct provider *provider_find_by_domain(const char *domain);

/* By the name of its server. */
const struct provider *provider_find_by_host(const char *host);

/* By a host name of the domain's MX records; the longest suffix wins. */
const struct provider *provider_find_by_mx(const char *host);

#endif
