/*
 * import_simple - nullmailer, ssmtp and dma: one relay, or one a line
 */
#include "config.h"

#include "import.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "json.h"

/* -------------------------------------------------------------- nullmailer */

static void set_option(struct import *import, struct import_relay *relay,
                       char *option)
{
	char *value = strchr(option, '=');

	if (value)
		*value++ = '\0';
	else
		value = option + strlen(option);
	if (strcmp(option, "--port") == 0)
		import_put(relay, "port", value);
	else if (strcmp(option, "--user") == 0)
		import_put(relay, "username", value);
	else if (strcmp(option, "--pass") == 0)
		import_put(relay, "password", value);
	else if (strcmp(option, "--starttls") == 0)
		import_put(relay, "security", "starttls");
	else if (strcmp(option, "--ssl") == 0 || strcmp(option, "--tls") == 0)
		import_put(relay, "security", "tls");
	else if (strcmp(option, "--insecure") == 0)
		import_put(relay, "tls.verify", "off");
	else if (strcmp(option, "--auth-login") == 0)
		import_put(relay, "authentication", "LOGIN");
	else
		import_note(import, "relay %s: %s is not taken over",
		            relay->name, option);
}

/* HOST [PROTOCOL [OPTION...]]; options may have "=" in them. */
static void on_remote(void *context, char *line)
{
	struct import *import = context;
	char *save = NULL;
	const char *host = strtok_r(line, " \t", &save);
	const char *protocol = strtok_r(NULL, " \t", &save);
	struct import_relay *relay;
	char *option;

	if (protocol && strcmp(protocol, "smtp") != 0) {
		import_note(import, "%s: protocol %s is not taken over", host,
		            protocol);
		return;
	}
	relay = import_relay(import, host);
	if (!relay)
		return;
	relay->is_default = relay == &import->relays[0];
	import_put(relay, "host", host);
	while ((option = strtok_r(NULL, " \t", &save)))
		set_option(import, relay, option);
	if (!json_text(relay->order, "security"))
		import_put(relay, "security", "none");
}

int import_nullmailer(struct import *import, const char *path)
{
	size_t i;
	int r = import_lines(import, path ? path : "/etc/nullmailer/remotes",
	                     on_remote, import);

	/* nullmailer goes from one to the next, too. */
	for (i = 1; i < import->relay_count; i++)
		import_note(import,
		            "to use %s when %s fails: relaisctl relay "
		            "set %s fallback=%s",
		            import->relays[i].name, import->relays[i - 1].name,
		            import->relays[i - 1].name, import->relays[i].name);
	return r;
}

/* ------------------------------------------------------------------- ssmtp */

struct ssmtp {
	struct import *import;
	struct import_relay *relay;
	bool has_tls, is_starttls;
};

static void on_ssmtp(void *context, char *line)
{
	struct ssmtp *ssmtp = context;
	char *value = strchr(line, '=');
	const char *key;

	if (!value)
		return;
	*value++ = '\0';
	key = import_word(&line);
	value += strspn(value, " \t");
	if (strcasecmp(key, "mailhub") == 0)
		import_put_host(ssmtp->relay, value);
	else if (strcasecmp(key, "AuthUser") == 0)
		import_put(ssmtp->relay, "username", value);
	else if (strcasecmp(key, "AuthPass") == 0)
		import_put(ssmtp->relay, "password", value);
	else if (strcasecmp(key, "AuthMethod") == 0)
		import_put(ssmtp->relay, "authentication", value);
	else if (strcasecmp(key, "UseTLS") == 0)
		ssmtp->has_tls = import_is_on(value);
	else if (strcasecmp(key, "UseSTARTTLS") == 0)
		ssmtp->is_starttls = import_is_on(value);
	else if (strcasecmp(key, "hostname") == 0)
		import_put(ssmtp->relay, "hostname", value);
	else if (strcasecmp(key, "root") == 0 && *value != '\0')
		import_note(ssmtp->import,
		            "mail to root: add aliases: "
		            "{root: %s} to relais.yaml",
		            value);
	else if (strcasecmp(key, "rewriteDomain") == 0 && *value != '\0')
		import_note(ssmtp->import,
		            "the domain of bare names: add "
		            "domain: %s to relais.yaml",
		            value);
}

int import_ssmtp(struct import *import, const char *path)
{
	struct ssmtp ssmtp = { import, import_relay(import, "mailhub"), false,
		               false };
	int r;

	if (!ssmtp.relay)
		return -ENOMEM;
	r = import_lines(import, path ? path : "/etc/ssmtp/ssmtp.conf",
	                 on_ssmtp, &ssmtp);
	ssmtp.relay->is_default = true;
	import_put(ssmtp.relay, "security",
	           ssmtp.is_starttls ? "starttls"
	           : ssmtp.has_tls   ? "tls"
	                             : "none");
	return r;
}

/* --------------------------------------------------------------------- dma */

struct dma {
	struct import *import;
	struct import_relay *relay;
	bool has_tls, is_starttls, is_opportunistic;
	char host[128], auth[256];
};

static void on_dma(void *context, char *line)
{
	struct dma *dma = context;
	const char *key = import_word(&line);
	const char *value = import_word(&line);

	if (strcmp(key, "SMARTHOST") == 0)
		snprintf(dma->host, sizeof(dma->host), "%s", value);
	else if (strcmp(key, "PORT") == 0)
		import_put(dma->relay, "port", value);
	else if (strcmp(key, "AUTHPATH") == 0)
		snprintf(dma->auth, sizeof(dma->auth), "%s", value);
	else if (strcmp(key, "SECURETRANSFER") == 0)
		dma->has_tls = true;
	else if (strcmp(key, "STARTTLS") == 0)
		dma->is_starttls = true;
	else if (strcmp(key, "OPPORTUNISTIC_TLS") == 0)
		dma->is_opportunistic = true;
	else if (strcmp(key, "MAILNAME") == 0 && *value != '/')
		import_put(dma->relay, "hostname", value);
	else if (strcmp(key, "MASQUERADE") == 0)
		import_put(dma->relay, "from.address",
		           strchr(value, '@') ? value : NULL);
	else
		import_note(dma->import, "%s is not taken over", key);
}

/* USER|HOST:PASSWORD */
static void on_dma_login(void *context, char *line)
{
	struct dma *dma = context;
	char *host = strchr(line, '|');
	char *password = host ? strchr(host, ':') : NULL;

	if (!password)
		return;
	*host++ = '\0';
	*password++ = '\0';
	if (strcmp(host, dma->host) != 0)
		return;
	import_put(dma->relay, "username", line);
	import_put(dma->relay, "password", password);
}

int import_dma(struct import *import, const char *path)
{
	struct dma dma = { .import = import,
		           .relay = import_relay(import, "smarthost") };
	int r;

	if (!dma.relay)
		return -ENOMEM;
	r = import_lines(import, path ? path : "/etc/dma/dma.conf", on_dma,
	                 &dma);
	if (r == 0 && dma.host[0] == '\0') {
		json_free(dma.relay->order);
		import->relay_count = 0;
		import_note(import, "there is no SMARTHOST: relais delivers "
		                    "directly without a relay, as dma did");
		return 0;
	}
	if (r == 0 && dma.auth[0] != '\0')
		r = import_lines(import, dma.auth, on_dma_login, &dma);
	dma.relay->is_default = true;
	import_put(dma.relay, "host", dma.host);
	import_put(dma.relay, "security",
	           !dma.has_tls                              ? "none"
	           : dma.is_starttls && dma.is_opportunistic ? "opportunistic"
	           : dma.is_starttls                         ? "starttls"
	                                                     : "tls");
	return r;
}
