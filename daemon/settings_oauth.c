/*
 * settings_oauth - what is worked out from a relay's mapping `oauth`
 *
 * The service fills in what is not written; then each grant needs its own.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto.h"
#include "oauth_services.h"
#include "providers.h"
#include "runtime/xalloc.h"
#include "secret.h"
#include "settings_relay.h"

static void choose_grant(struct settings_reader *reader,
                         struct relay_draft *draft,
                         const struct oauth_service *service,
                         const struct settings_node *node);
static void apply_service(struct settings_reader *reader,
                          struct relay_draft *draft,
                          const struct oauth_service *service,
                          const struct settings_node *node);
static char *fill_in(const char *url, const char *tenant);
static void join_scopes(struct relay_draft *draft, const char *usual);
static void read_client_secret(struct settings_reader *reader,
                               struct relay_draft *draft,
                               const struct settings_node *node);
static void read_key(struct settings_reader *reader, struct relay_draft *draft,
                     const struct settings_node *node);
static int open_account_file(struct relay_oauth *oauth);
static void check_needs(struct settings_reader *reader,
                        struct relay_draft *draft,
                        const struct settings_node *node);
static void refuse_strangers(struct settings_reader *reader,
                             const struct relay_oauth *oauth,
                             const struct settings_node *node);

static const struct oauth_service *
find_service(struct settings_reader *reader, const struct relay_draft *draft,
             const struct settings_node *node)
{
	const struct provider *provider = draft->relay.provider;
	const struct oauth_service *service;

	if (draft->oauth.service) {
		service = oauth_service_find(draft->oauth.service);
		if (!service)
			settings_relay_complain(
			    reader, node, "service",
			    "`%.80s` is unknown; expected %s, or none and the "
			    "URLs",
			    draft->oauth.service, oauth_service_ids);
		return service;
	}
	return provider && provider->oauth ? oauth_service_find(provider->oauth)
	                                   : NULL;
}

void settings_relay_complete_oauth(struct settings_reader *reader,
                                   struct relay_draft *draft,
                                   const struct settings_node *node)
{
	const struct settings_node *mapping = settings_node_find(node, "oauth");
	const struct oauth_service *service;
	size_t before = reader->errors->error_count;
	size_t len;

	if (!mapping)
		return;
	draft->relay.oauth.is_set = true;
	len = settings_reader_enter(reader, "oauth.");
	service = find_service(reader, draft, mapping);
	if (reader->errors->error_count == before)
		choose_grant(reader, draft, service, mapping);
	if (reader->errors->error_count == before) {
		apply_service(reader, draft, service, mapping);
		read_client_secret(reader, draft, mapping);
		read_key(reader, draft, mapping);
		check_needs(reader, draft, mapping);
	}
	settings_reader_leave(reader, len);
}

static void choose_grant(struct settings_reader *reader,
                         struct relay_draft *draft,
                         const struct oauth_service *service,
                         const struct settings_node *node)
{
	struct relay_oauth *oauth = &draft->relay.oauth;

	if (draft->oauth.grant != OAUTH_GRANT_UNSET)
		oauth->grant = (enum oauth_grant)draft->oauth.grant;
	else if (draft->oauth.key_file)
		oauth->grant = OAUTH_JWT_BEARER;
	else if (oauth->device_url)
		oauth->grant = OAUTH_DEVICE;
	else if (oauth->authorization_url)
		oauth->grant = OAUTH_AUTHORIZATION_CODE;
	else if (service)
		oauth->grant = service->grant;
	else
		settings_relay_complain(
		    reader, node, "grant",
		    "cannot be told; expected a service, or device, "
		    "authorization_code, client_credentials or jwt_bearer and "
		    "the URLs");
}

/* An URL is only kept where the grant has a use for it. */
static void apply_service(struct settings_reader *reader,
                          struct relay_draft *draft,
                          const struct oauth_service *service,
                          const struct settings_node *node)
{
	struct relay_oauth *oauth = &draft->relay.oauth;
	const char *tenant = draft->oauth.tenant, *scopes = NULL;
	bool is_for_app = oauth->grant == OAUTH_CLIENT_CREDENTIALS;

	if (tenant && !(service && service->tenant))
		settings_relay_complain(reader, node, "tenant",
		                        "is for the service microsoft alone");
	if (service) {
		if (service->tenant && is_for_app && !tenant)
			settings_relay_complain(
			    reader, node, "tenant",
			    "is needed with client_credentials: the "
			    "directory's id or domain");
		if (!tenant)
			tenant = service->tenant;
		scopes = is_for_app ? service->app_scopes : service->scopes;
		if (!oauth->token_url)
			oauth->token_url = fill_in(service->token_url, tenant);
		if (!oauth->device_url && oauth->grant == OAUTH_DEVICE)
			oauth->device_url =
			    fill_in(service->device_url, tenant);
		if (!oauth->authorization_url &&
		    oauth->grant == OAUTH_AUTHORIZATION_CODE)
			oauth->authorization_url =
			    fill_in(service->authorization_url, tenant);
	}
	join_scopes(draft, scopes);
}

static char *fill_in(const char *url, const char *tenant)
{
	static const char mark[] = "{tenant}";
	const char *at = url ? strstr(url, mark) : NULL;

	if (!url)
		return NULL;
	if (!at)
		return xstrdup(url);
	return xasprintf("%.*s%s%s", (int)(at - url), url, tenant,
	                 at + sizeof(mark) - 1);
}

static void join_scopes(struct relay_draft *draft, const char *usual)
{
	const struct settings_words *words = &draft->oauth.scopes;
	char *joined = NULL, *longer;
	size_t i;

	for (i = 0; i < words->count; i++) {
		longer = joined ? xasprintf("%s %s", joined, words->word[i])
		                : xstrdup(words->word[i]);
		free(joined);
		joined = longer;
	}
	if (!joined && usual)
		joined = xstrdup(usual);
	draft->relay.oauth.scopes = joined;
}

static void read_client_secret(struct settings_reader *reader,
                               struct relay_draft *draft,
                               const struct settings_node *node)
{
	struct relay_oauth *oauth = &draft->relay.oauth;

	if (draft->oauth.client_secret && draft->oauth.client_secret_file)
		settings_relay_complain(
		    reader, node, "client_secret_file",
		    "there is a client_secret, too; expected one of the two");
	else if (draft->oauth.client_secret)
		oauth->client_secret =
		    secret_new_text(draft->oauth.client_secret);
	else if (draft->oauth.client_secret_file)
		settings_relay_read_secret_file(
		    reader, node, "client_secret_file",
		    draft->oauth.client_secret_file, &oauth->client_secret);
}

static void read_key(struct settings_reader *reader, struct relay_draft *draft,
                     const struct settings_node *node)
{
	struct relay_oauth *oauth = &draft->relay.oauth;
	const char *path = draft->oauth.key_file, *problem;
	int r;

	if (!path || oauth->grant != OAUTH_JWT_BEARER)
		return;
	r = secret_new_whole_file(&oauth->key, path);
	if (r < 0) {
		settings_relay_complain(reader, node, "key_file", "%s: %s",
		                        path, strerror(-r));
		return;
	}
	if (secret_text_borrow(oauth->key)[0] == '{' &&
	    open_account_file(oauth) < 0) {
		settings_relay_complain(
		    reader, node, "key_file",
		    "%s is no file of a service account: it has no "
		    "private_key",
		    path);
		return;
	}
	if (!crypto_key_algorithm(secret_text_borrow(oauth->key), &problem))
		settings_relay_complain(reader, node, "key_file", "%s %s", path,
		                        problem);
	settings_relay_warn_of_readers(reader, node, "key_file", path);
}

static void take_member(char **field, const struct settings_node *account,
                        const char *key)
{
	const struct settings_node *node = settings_node_find(account, key);

	if (!*field && node && node->text)
		*field = xstrdup(node->text);
}

/* Google's: JSON, which is YAML, with the PEM and whose it is. */
static int open_account_file(struct relay_oauth *oauth)
{
	const char *text = secret_text_borrow(oauth->key);
	struct settings_node *account = NULL;
	const struct settings_node *key;
	struct settings_errors errors;
	struct secret *pem = NULL;

	settings_errors_init(&errors);
	(void)settings_yaml_parse(&account, "", text, strlen(text), &errors);
	settings_errors_done(&errors);
	if (!account)
		return -EINVAL;
	key = settings_node_find(account, "private_key");
	if (key && key->text)
		pem = secret_new_text(key->text);
	take_member(&oauth->issuer, account, "client_email");
	take_member(&oauth->key_id, account, "private_key_id");
	settings_node_free(account);
	if (!pem)
		return -EINVAL;
	secret_free(oauth->key);
	oauth->key = pem;
	return 0;
}

static void need(struct settings_reader *reader,
                 const struct settings_node *node, const char *key,
                 const char *text)
{
	if (!text)
		settings_relay_complain(reader, node, key,
		                        "is needed with this grant");
}

static void check_needs(struct settings_reader *reader,
                        struct relay_draft *draft,
                        const struct settings_node *node)
{
	struct relay_oauth *oauth = &draft->relay.oauth;

	need(reader, node, "token_url", oauth->token_url);
	switch (oauth->grant) {
	case OAUTH_DEVICE:
		need(reader, node, "device_url", oauth->device_url);
		break;
	case OAUTH_AUTHORIZATION_CODE:
		need(reader, node, "authorization_url",
		     oauth->authorization_url);
		break;
	case OAUTH_CLIENT_CREDENTIALS:
		if (!oauth->client_secret)
			need(reader, node, "client_secret", NULL);
		break;
	case OAUTH_JWT_BEARER:
		need(reader, node, "key_file", draft->oauth.key_file);
		if (!oauth->issuer && oauth->client_id)
			oauth->issuer = xstrdup(oauth->client_id);
		if (!oauth->subject && draft->relay.username)
			oauth->subject = xstrdup(draft->relay.username);
		if (!oauth->audience && oauth->token_url)
			oauth->audience = xstrdup(oauth->token_url);
		need(reader, node, "issuer", oauth->issuer);
		break;
	}
	if (oauth->grant != OAUTH_JWT_BEARER)
		need(reader, node, "client_id", oauth->client_id);
	refuse_strangers(reader, oauth, node);
	if (oauth->ca_file && access(oauth->ca_file, R_OK) < 0)
		settings_relay_complain(reader, node, "ca_file", "%s: %s",
		                        oauth->ca_file, strerror(errno));
}

/* What another grant is for is a mistake rather than an excess. */
static void refuse_strangers(struct settings_reader *reader,
                             const struct relay_oauth *oauth,
                             const struct settings_node *node)
{
	static const struct {
		const char *key;
		enum oauth_grant grant;
	} keys[] = {
		{ "device_url", OAUTH_DEVICE },
		{ "authorization_url", OAUTH_AUTHORIZATION_CODE },
		{ "key_file", OAUTH_JWT_BEARER },
		{ "key_id", OAUTH_JWT_BEARER },
		{ "issuer", OAUTH_JWT_BEARER },
		{ "subject", OAUTH_JWT_BEARER },
		{ "audience", OAUTH_JWT_BEARER },
	};
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].grant != oauth->grant &&
		    settings_node_find(node, keys[i].key))
			settings_relay_complain(
			    reader, node, keys[i].key,
			    "is for the grant %s; this one is %s",
			    oauth_grant_name(keys[i].grant),
			    oauth_grant_name(oauth->grant));
}

const char *oauth_grant_name(enum oauth_grant grant)
{
	const struct settings_choice *choice = settings_choices_grant;

	while (choice->word && choice->value != (unsigned)grant)
		choice++;
	return choice->word;
}

void settings_relay_oauth_done(struct relay_oauth_draft *draft)
{
	if (draft->client_secret)
		explicit_bzero(draft->client_secret,
		               strlen(draft->client_secret));
	free(draft->service);
	free(draft->client_secret);
	free(draft->client_secret_file);
	free(draft->tenant);
	settings_words_done(&draft->scopes);
	free(draft->key_file);
}
