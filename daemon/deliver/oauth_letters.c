/*
 * oauth_letters - what travels to the accounts and from them
 */
#include "config.h"

#include <stdlib.h>

#include "deliver/oauth_private.h"
#include "runtime/xalloc.h"
#include "settings.h"

char *oauth_purpose_dup(const struct relay_settings *relay)
{
	return xasprintf(
	    "%s:%u %s %s %s %s %s", relay->host ? relay->host : relay->path,
	    relay->port, relay_security_name(relay->security), relay->username,
	    oauth_grant_name(relay->oauth.grant), relay->oauth.token_url,
	    relay->oauth.client_id ? relay->oauth.client_id
				   : relay->oauth.issuer);
}

bool oauth_needs_login(const struct relay_settings *relay)
{
	return relay->oauth.grant == OAUTH_DEVICE ||
	       relay->oauth.grant == OAUTH_AUTHORIZATION_CODE;
}

struct oauth_ask *oauth_ask_new(const struct settings *settings,
                                const struct relay_settings *relay)
{
	struct oauth_ask *ask = xcalloc(1, sizeof(*ask));

	ask->settings = settings_ref(settings);
	ask->relay = relay;
	return ask;
}

void oauth_ask_free(struct oauth_ask *ask)
{
	if (!ask)
		return;
	settings_unref(ask->settings);
	oauth_wipe(&ask->token);
	free(ask);
}

void oauth_news_free(struct oauth_news *news)
{
	free(news->relay);
	free(news);
}
