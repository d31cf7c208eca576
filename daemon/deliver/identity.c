#include "config.h"

#include "deliver/identity.h"

#include <string.h>

#include "address.h"
#include "pattern.h"
#include "settings.h"

/* A domain with a dot, or an address literal. */
static bool has_full_domain(const char *address)
{
	const char *domain = address_domain(address);

	return domain && (strchr(domain, '.') || domain[0] == '[');
}

static bool is_allowed(const struct relay_settings *relay, const char *address)
{
	const struct settings_words *allowed = &relay->allowed_from;

	for (size_t i = 0; i < allowed->count; i++)
		if (pattern_matches_address(allowed->word[i], address))
			return true;
	return false;
}

enum identity_reason identity_judge(const struct relay_settings *relay,
                                    const char *address)
{
	if (!relay->from.address ||
	    address_is_same(address, relay->from.address))
		return IDENTITY_KEPT;
	switch (relay->from_apply) {
	case RELAY_FROM_ALWAYS:
		return IDENTITY_ALWAYS;
	case RELAY_FROM_NOT_ALLOWED:
		return is_allowed(relay, address) ? IDENTITY_KEPT
		                                  : IDENTITY_NOT_ALLOWED;
	case RELAY_FROM_MISSING:
		break;
	}
	return has_full_domain(address) ? IDENTITY_KEPT : IDENTITY_NOT_FULL;
}

const char *identity_sender(const struct relay_settings *relay,
                            const char *sender)
{
	if (!*sender || identity_judge(relay, sender) == IDENTITY_KEPT)
		return sender;
	return relay->from.address;
}

const char *identity_reason_text(enum identity_reason reason)
{
	switch (reason) {
	case IDENTITY_KEPT:
		break;
	case IDENTITY_NOT_FULL:
		return "its domain means nothing elsewhere";
	case IDENTITY_NOT_ALLOWED:
		return "it is not in allowed_from";
	case IDENTITY_ALWAYS:
		return "from.apply is always";
	}
	return "";
}
