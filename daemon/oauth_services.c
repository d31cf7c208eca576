/*
 * oauth_services - who issues the tokens of the mail providers we know
 *
 * Google gives a refresh token only to who asks for offline access, and each
 * time only to who asks for consent. Its device flow doesn't know the scope of
 * mail. Microsoft's refresh tokens come with offline_access.
 */
#include "config.h"

#include "oauth_services.h"

#include <stddef.h>
#include <string.h>

#define MICROSOFT "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/"

static const struct oauth_service services[] = {
	{
	    .id = "fastmail",
	    .grant = OAUTH_AUTHORIZATION_CODE,
	    .authorization_url = "https://api.fastmail.com/oauth/authorize",
	    .token_url = "https://api.fastmail.com/oauth/refresh",
	    .scopes = "https://www.fastmail.com/dev/protocol-smtp",
	},
	{
	    .id = "google",
	    .grant = OAUTH_AUTHORIZATION_CODE,
	    .authorization_url = "https://accounts.google.com/o/oauth2/v2/auth"
				 "?access_type=offline&prompt=consent",
	    .token_url = "https://oauth2.googleapis.com/token",
	    .scopes = "https://mail.google.com/",
	},
	{
	    .id = "microsoft",
	    .grant = OAUTH_DEVICE,
	    .authorization_url = MICROSOFT "authorize",
	    .device_url = MICROSOFT "devicecode",
	    .token_url = MICROSOFT "token",
	    .scopes = "https://outlook.office.com/SMTP.Send offline_access",
	    .tenant = "common",
	    .app_scopes = "https://outlook.office365.com/.default",
	},
	{
	    .id = "yahoo",
	    .grant = OAUTH_AUTHORIZATION_CODE,
	    .authorization_url =
		"https://api.login.yahoo.com/oauth2/request_auth",
	    .token_url = "https://api.login.yahoo.com/oauth2/get_token",
	    .scopes = "mail-w",
	},
	{
	    .id = "yandex",
	    .grant = OAUTH_AUTHORIZATION_CODE,
	    .authorization_url = "https://oauth.yandex.com/authorize",
	    .token_url = "https://oauth.yandex.com/token",
	    .scopes = "mail:smtp",
	},
};

const char oauth_service_ids[] = "fastmail, google, microsoft, yahoo, yandex";

const struct oauth_service *oauth_service_find(const char *id)
{
	size_t i;

	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (strcmp(services[i].id, id) == 0)
			return &services[i];
	return NULL;
}
