/*
 * providers - mail providers that relais knows
 */
#include "config.h"

#include "providers.h"

#include <string.h>
#include <strings.h>

static bool has_word(const char *words, const char *word);
static size_t longest_suffix(const char *suffixes, const char *host);

const struct provider *provider_find(const char *id)
{
	size_t i;

	for (i = 0; i < providers_table_size; i++)
		if (strcmp(providers_table[i].id, id) == 0)
			return &providers_table[i];
	return NULL;
}

const struct provider *provider_find_by_domain(const char *domain)
{
	size_t i;

	for (i = 0; i < providers_table_size; i++)
		if (has_word(providers_table[i].domains, domain))
			return &providers_table[i];
	return NULL;
}

const struct provider *provider_find_by_host(const char *host)
{
	size_t i;

	for (i = 0; i < providers_table_size; i++)
		if (strcasecmp(providers_table[i].host, host) == 0)
			return &providers_table[i];
	return NULL;
}

const struct provider *provider_find_by_mx(const char *host)
{
	const struct provider *best = NULL;
	size_t best_len = 0, len, i;

	for (i = 0; i < providers_table_size; i++) {
		len = longest_suffix(providers_table[i].mx_suffixes, host);
		if (len > best_len) {
			best = &providers_table[i];
			best_len = len;
		}
	}
	return best;
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word), n;

	for (; words && *words; words += n + strspn(words + n, " ")) {
		n = strcspn(words, " ");
		if (n == len && strncasecmp(words, word, len) == 0)
			return true;
	}
	return false;
}

/* Whole labels only: `google.com` fits aspmx.l.google.com. */
static size_t longest_suffix(const char *suffixes, const char *host)
{
	size_t host_len = strlen(host), best = 0, n;

	if (host_len > 0 && host[host_len - 1] == '.')
		host_len--;
	for (; suffixes && *suffixes;
	     suffixes += n + strspn(suffixes + n, " ")) {
		const char *end = host + host_len;

		n = strcspn(suffixes, " ");
		if (n > host_len || n <= best ||
		    strncasecmp(end - n, suffixes, n) != 0)
			continue;
		if (n == host_len || end[-(ptrdiff_t)n - 1] == '.')
			best = n;
	}
	return best;
}
