/*
 * oauth_services - who issues the tokens of the mail providers we know
 *
 * Thread: constant data.
 */
#ifndef RELAIS_OAUTH_SERVICES_H
#define RELAIS_OAUTH_SERVICES_H

#include "settings.h"

/* URLs may hold {tenant}; what a service doesn't have is NULL. */
struct oauth_service {
	const char *id;
	enum oauth_grant grant; /* for a person's mailbox */
	const char *authorization_url;
	const char *device_url;
	const char *token_url;
	const char *scopes;
	const char *tenant;     /* where none is set */
	const char *app_scopes; /* with client_credentials */
};

/* NULL if there is none of that id. */
const struct oauth_service *oauth_service_find(const char *id);

/* "fastmail, google, …", a constant. */
extern const char oauth_service_ids[];

#endif
