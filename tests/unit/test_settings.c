/*
 * test_settings - whole files in, settings or complaints out
 */
#include "config.h"

#include "settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "providers.h"
#include "secret.h"
#include "settings_errors.h"
#include "settings_relay.h"
#include "test_keys.h"

/* A folder of its own for each test, with a queue directory in it. */
struct folder {
	char path[64];
	char file[96];
	struct settings_errors errors;
	const struct settings *settings;
};

static int make_folder(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	strcpy(folder->path, "settings-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	snprintf(folder->file, sizeof(folder->file), "%s/relais.yaml",
	         folder->path);
	*state = folder;
	return 0;
}

static int remove_folder(void **state)
{
	struct folder *folder = *state;
	char command[128];

	settings_unref(folder->settings);
	settings_errors_done(&folder->errors);
	snprintf(command, sizeof(command), "rm -rf %s", folder->path);
	assert_int_equal(system(command), 0);
	free(folder);
	return 0;
}

static void write_file(struct folder *folder, const char *name,
                       const char *text)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void make_subfolder(struct folder *folder, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

/* The aliases of the host that runs the tests are none of their business. */
static int load(struct folder *folder, const char *text)
{
	char *whole, *here = realpath(folder->path, NULL);
	int r;

	assert_true(asprintf(&whole,
	                     "%saliases_file: %s/aliases\n"
	                     "queue: {directory: %s/queue}\n",
	                     text, here, here) > 0);
	write_file(folder, "relais.yaml", whole);
	settings_unref(folder->settings);
	folder->settings = NULL;
	settings_errors_done(&folder->errors);
	r = settings_load(folder->file, &folder->settings, &folder->errors);
	free(whole);
	free(here);
	return r;
}

static void must_load(struct folder *folder, const char *text)
{
	size_t i;

	if (load(folder, text) < 0)
		for (i = 0; i < folder->errors.count; i++)
			print_error("%s\n", folder->errors.entries[i].text);
	assert_non_null(folder->settings);
	assert_int_equal(folder->errors.error_count, 0);
}

/* `%` stands for the file's name. */
static void must_say(struct folder *folder, const char *expected)
{
	char whole[1024];
	size_t i;

	if (expected[0] == '%')
		snprintf(whole, sizeof(whole), "%s%s", folder->file,
		         expected + 1);
	else
		snprintf(whole, sizeof(whole), "%s", expected);
	for (i = 0; i < folder->errors.count; i++)
		if (strcmp(folder->errors.entries[i].text, whole) == 0)
			return;
	for (i = 0; i < folder->errors.count; i++)
		print_error("said:     %s\n", folder->errors.entries[i].text);
	print_error("expected: %s\n", whole);
	fail();
}

static void must_refuse(struct folder *folder, const char *text,
                        const char *expected)
{
	assert_int_not_equal(load(folder, text), 0);
	assert_null(folder->settings);
	must_say(folder, expected);
}

static const struct relay_settings *relay(struct folder *folder,
                                          const char *name)
{
	const struct relay_settings *found =
	    settings_find_relay_by_name(folder->settings, name);

	assert_non_null(found);
	return found;
}

static void works_without_any_settings(void **state)
{
	struct folder *folder = *state;
	const struct settings *s;

	must_load(folder, "");
	s = folder->settings;
	assert_int_equal(s->relay_count, 1);
	assert_string_equal(s->default_relay->name, SETTINGS_BUILT_IN_NAME);
	assert_int_equal(s->default_relay->managed, RELAY_MANAGED_BUILT_IN);
	assert_true(s->default_relay->enabled);
	assert_int_equal(s->receive.message_size_bytes, 50 << 20);
	assert_int_equal(s->receive.recipients, 1000);
	assert_int_equal(s->receive.memory_bytes, 64 << 20);
	assert_int_equal(s->receive.connections, 1000);
	assert_int_equal(s->receive.socket_mode, 0666);
	assert_string_equal(s->receive.socket, "/run/relais/submit.sock");
	assert_string_equal(s->control.socket, "/run/relais/control.sock");
	assert_int_equal(s->queue.maximum_bytes, UINT64_C(64) << 30);
	assert_int_equal(s->queue.keep_finished_s, 14 * 86400);
	assert_int_equal(s->queue.keep_failed_bodies_s, 3 * 86400);
	assert_int_equal(s->retry.first_s, 60);
	assert_int_equal(s->retry.factor_percent, 170);
	assert_int_equal(s->retry.maximum_s, 3600);
	assert_int_equal(s->retry.jitter_percent, 20);
	assert_int_equal(s->retry.expire_s, 5 * 86400);
	assert_int_equal(s->retry.warn_s, 4 * 3600);
	assert_null(s->bounces.to);
	assert_null(s->bounces.from);
	assert_int_equal(s->log_level, SETTINGS_LOG_INFO);
	assert_true(s->delivery.workers >= 2);
	assert_non_null(s->hostname);
	assert_non_null(s->domain);
}

static void refuses_a_named_file_that_is_missing(void **state)
{
	struct folder *folder = *state;

	assert_int_not_equal(
	    settings_load(folder->file, &folder->settings, &folder->errors), 0);
	must_say(folder, "%: No such file or directory");
}

static void reads_a_whole_relay(void **state)
{
	struct folder *folder = *state;
	const struct relay_settings *r;

	write_file(folder, "office.secret", "geheim \nsecond line\n");
	must_load(
	    folder,
	    "hostname: web1.example.com\n"
	    "domain: example.com\n"
	    "default_relay: office\n"
	    "relays:\n"
	    "  office:\n"
	    "    description: of the sales team\n"
	    "    host: smtp.example.net\n"
	    "    security: starttls\n"
	    "    authentication: scram-sha-256\n"
	    "    username: noreply@example.com\n"
	    "    password_file: office.secret\n"
	    "    from: {address: noreply@example.com, name: Example, "
	    "apply: always}\n"
	    "    allowed_from: [\"@example.com\"]\n"
	    "    reply_to: {address: support@example.com, name: Support}\n"
	    "    headers: {X-Trace: \"{queue_id} {tag}\"}\n"
	    "    limits: {connections: 3, messages_per_connection: 7, "
	    "rate: [30/min, 2000/d], recipients: 50, size: 25MiB}\n"
	    "    tls: {ca_file: , verify: on, minimum: \"1.3\", fingerprint: "
	    "sha256:0123456789ABCDEF0123456789abcdef"
	    "0123456789abcdef0123456789abcdef}\n"
	    "    fallback: [backup]\n"
	    "    enabled: on\n"
	    "  backup: {url: \"lmtp:///run/backup.sock\", enabled: off}\n");
	r = relay(folder, "office");
	assert_ptr_equal(folder->settings->default_relay, r);
	assert_true(folder->settings->has_full_hostname);
	assert_int_equal(r->id, settings_relay_id("office"));
	assert_ptr_equal(settings_find_relay(folder->settings, r->id), r);
	assert_string_equal(r->host, "smtp.example.net");
	assert_int_equal(r->port, 587);
	assert_int_equal(r->security, RELAY_STARTTLS);
	assert_int_equal(r->authentication, RELAY_AUTHENTICATION_MECHANISM);
	assert_string_equal(r->mechanism, "SCRAM-SHA-256");
	assert_string_equal(secret_text_borrow(r->password), "geheim ");
	assert_int_equal(r->from_apply, RELAY_FROM_ALWAYS);
	assert_string_equal(r->allowed_from.word[0], "@example.com");
	assert_int_equal(r->header_count, 1);
	assert_string_equal(r->headers[0].value, "{queue_id} {tag}");
	assert_int_equal(r->limits.connections, 3);
	assert_int_equal(r->limits.rate_count, 2);
	assert_int_equal(r->limits.rates[0].count, 30);
	assert_int_equal(r->limits.rates[0].period_s, 60);
	assert_int_equal(r->limits.rates[1].period_s, 86400);
	assert_int_equal(r->limits.size_bytes, 25 << 20);
	assert_null(r->tls.ca_file);
	assert_true(r->tls.verify);
	assert_int_equal(r->tls.minimum, TLS_MINIMUM_1_3);
	assert_string_equal(r->tls.fingerprint,
	                    "0123456789abcdef0123456789abcdef"
	                    "0123456789abcdef0123456789abcdef");
	assert_int_equal(r->fallback[0], relay(folder, "backup")->id);
	assert_false(relay(folder, "backup")->enabled);
	assert_string_equal(relay(folder, "backup")->path, "/run/backup.sock");
}

static void works_out_port_and_security(void **state)
{
	static const struct {
		const char *text, *url;
		enum relay_security security;
	} cases[] = {
		{ "{host: a.example}", "smtp://a.example:25",
		  RELAY_OPPORTUNISTIC },
		{ "{host: a.example, port: 465}", "smtps://a.example:465",
		  RELAY_TLS },
		{ "{host: a.example, security: none, port: 2525}",
		  "smtp://a.example:2525", RELAY_CLEAR },
		{ "{host: a.example, username: u, password: p}",
		  "smtp+starttls://u@a.example:587", RELAY_STARTTLS },
		{ "{url: \"smtps://u@a.example\", password: p}",
		  "smtps://u@a.example:465", RELAY_TLS },
		{ "{url: \"smtps://a.example:8465\"}", "smtps://a.example:8465",
		  RELAY_TLS },
		{ "{url: \"smtp+starttls://[2001:db8::1]\"}",
		  "smtp+starttls://[2001:db8::1]:587", RELAY_STARTTLS },
		{ "{url: \"lmtp://a.example\"}", "lmtp://a.example:24",
		  RELAY_OPPORTUNISTIC },
		{ "{url: \"maildir:/var/mail/x\"}", "maildir:/var/mail/x",
		  RELAY_CLEAR },
		{ "{url: \"direct:\", port: 2525}",
		  "direct:", RELAY_OPPORTUNISTIC },
		{ "{provider: gmail, username: u@gmail.com, password: p}",
		  "smtps://u@gmail.com@smtp.gmail.com:465", RELAY_TLS },
		{ "{provider: gmail, port: 587, username: u, password: p}",
		  "smtp+starttls://u@smtp.gmail.com:587", RELAY_STARTTLS },
		{ "{provider: sendgrid, password: p}",
		  "smtp+starttls://apikey@smtp.sendgrid.net:587",
		  RELAY_STARTTLS },
	};
	struct folder *folder = *state;
	char text[256], *url;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "relays:\n  r: %s\n",
		         cases[i].text);
		must_load(folder, text);
		url = relay_settings_url_dup(relay(folder, "r"));
		assert_string_equal(url, cases[i].url);
		assert_int_equal(relay(folder, "r")->security,
		                 cases[i].security);
		free(url);
	}
}

static void fills_in_what_the_provider_wants(void **state)
{
	struct folder *folder = *state;
	const struct relay_limits *limits;

	must_load(folder, "relays: {r: {provider: microsoft365, username: u, "
	                  "password: p, limits: {connections: 2}}}\n");
	limits = &relay(folder, "r")->limits;
	assert_string_equal(relay(folder, "r")->provider->id, "microsoft365");
	assert_int_equal(limits->connections, 2);
	assert_int_equal(limits->messages_per_connection, 30);
	assert_int_equal(limits->recipients, 500);
	assert_int_equal(limits->rates[0].count, 25);
	must_load(folder, "relays: {r: {provider: microsoft365, username: u, "
	                  "password: p, limits: {rate: 9/s}}}\n");
	limits = &relay(folder, "r")->limits;
	assert_int_equal(limits->rate_count, 1);
	assert_int_equal(limits->rates[0].count, 9);
	must_refuse(
	    folder, "relays: {r: {provider: gmial}}\n",
	    "%:1:24: relays.r.provider: `gmial` is unknown; did you mean "
	    "`gmail`?; `relaisctl providers` lists them");
}

static void checks_hints(void **state)
{
	struct folder *folder = *state;

	must_refuse(
	    folder,
	    "hints:\n"
	    "  - {text: a}\n"
	    "  - {treat_as: retry}\n"
	    "  - {code: \"6xx\", explain: b}\n"
	    "  - {enhanced: \"5.7\", explain: c}\n"
	    "  - {text: a, treat_as: ignore}\n",
	    "%:2:5: hints[1]: says nothing; expected treat_as or explain");
	must_say(folder, "%:3:5: hints[2]: fits every reply; expected code, "
	                 "enhanced or text");
	must_say(folder, "%:4:12: hints[3]: expected a code as in 550, 45x or "
	                 "45x|552");
	must_say(folder, "%:5:16: hints[4]: expected an enhanced code as in "
	                 "5.7.1 or x.7.1");
	must_say(folder, "%:6:25: hints[5].treat_as: `ignore` is unknown; "
	                 "expected retry, bounce, hold-relay, pause-relay, "
	                 "slow-down or fewer-connections");
}

static void reports_every_error_with_its_place(void **state)
{
	struct folder *folder = *state;

	must_refuse(
	    folder,
	    "hostnam: web1.example.com\n"
	    "retry: {first: 10, factor: 0.5, maximum: 1y, jitters: 1%}\n"
	    "receive:\n"
	    "  message_size: 50MB\n"
	    "  recipients: 7\n"
	    "  socket: submit.sock\n"
	    "relays:\n"
	    "  office: {host: a b, port: 70000, enabled: yes,\n"
	    "    security: ssl, limits: {rate: 30}}\n"
	    "  built-in: {host: a.example}\n"
	    "routes: [{relay: offcie}, {from: a}]\n"
	    "log: debug\n",
	    "%:1:1: hostnam: is not a known key; did you mean `hostname`?");
	must_say(folder, "%:2:16: retry.first: `10` is no time; expected a "
	                 "number with s, m, h or d, as in 90s, 5m, 4h or 2d");
	must_say(folder, "%:2:28: retry.factor: `0.5` does not do; expected 1 "
	                 "to 10, as in 1.7");
	must_say(folder, "%:2:42: retry.maximum: `1y` is no time; expected a "
	                 "number with s, m, h or d, as in 90s, 5m, 4h or 2d");
	must_say(folder, "%:2:46: retry.jitters: is not a known key; did you "
	                 "mean `jitter`?");
	must_say(folder, "%:4:17: receive.message_size: `50MB` is no size; "
	                 "expected a number with KiB, MiB or GiB, as in 25MiB");
	must_say(folder, "%:5:15: receive.recipients: `7` is out of range; "
	                 "expected 100 to 50000");
	must_say(folder, "%:6:11: receive.socket: `submit.sock` is no full "
	                 "path; expected one that starts with /");
	must_say(folder, "%:8:18: relays.office.host: `a b` is no host; "
	                 "expected a name or an IP address, without a port");
	must_say(folder, "%:8:29: relays.office.port: `70000` is no port; "
	                 "expected 1 to 65535");
	must_say(folder, "%:8:45: relays.office.enabled: `yes` is not used "
	                 "here; expected `on`");
	must_say(folder, "%:9:15: relays.office.security: `ssl` is unknown; "
	                 "expected tls, starttls, opportunistic or none");
	must_say(folder, "%:9:35: relays.office.limits.rate: `30` is no rate; "
	                 "expected one like 5/s, 30/min, 500/h or 2000/d, or "
	                 "off");
	must_say(folder, "%:10:13: relays.built-in: is no name for a relay; "
	                 "expected letters, digits, dots, dashes and "
	                 "underscores, and not `built-in`");
	must_say(folder, "%:11:18: routes[1].relay: there is no relay "
	                 "`offcie`; did you mean `office`?");
	must_say(folder, "%:11:27: routes[2]: sets nothing; expected a relay "
	                 "or a priority");
	must_say(folder, "%:12:6: log: expected a map of keys below it");
	assert_int_equal(folder->errors.error_count, 17);
}

static void refuses_what_does_not_fit_together(void **state)
{
	static const struct {
		const char *relay, *message;
	} cases[] = {
		{ "{description: x}", "%:1:13: relays.r.host: is needed" },
		{ "{host: a.example, username: u}",
		  "%:1:13: relays.r.password: is needed to log in: one of "
		  "password, password_file, credential, password_command, "
		  "token_command and oauth" },
		{ "{host: a.example, authentication: on, password: p}",
		  "%:1:13: relays.r.username: is needed to log in" },
		{ "{host: a.example, password: p}",
		  "%:1:13: relays.r.authentication: there is a password, but "
		  "no username" },
		{ "{host: a.example, username: u, password: p, credential: c}",
		  "%:1:54: relays.r.password: is given in 2 ways; expected "
		  "one of password, password_file, credential, "
		  "password_command, token_command and oauth" },
		{ "{host: a.example, username: u, password: p, "
		  "security: opportunistic}",
		  "%:1:67: relays.r.security: opportunistic is only for "
		  "relays without a login; expected tls or starttls" },
		{ "{url: \"smtps://a.example\", security: none}",
		  "%:1:50: relays.r.security: is in the url, too; expected "
		  "it only once" },
		{ "{url: \"maildir:x\"}",
		  "%:1:19: relays.r.url: needs the full path of a folder, as "
		  "in maildir:/var/lib/relais/captured" },
		{ "{url: \"direct:\", username: u}",
		  "%:1:40: relays.r.username: does not fit to direct:" },
		{ "{host: a.example, username: u, password_file: none.secret}",
		  "" },
		{ "{host: a.example, username: u, password_command: [pass]}",
		  "%:1:62: relays.r.password_command: expected the program's "
		  "full path as first word" },
		{ "{host: a.example, headers: {Subject x: y}}",
		  "%:1:52: relays.r.headers: `Subject x` cannot be added; "
		  "expected the name of a header field that relais does not "
		  "write itself" },
		{ "{host: a.example, from: {apply: always}}",
		  "%:1:37: relays.r.from: needs an address" },
		{ "{host: a.example, tls: {fingerprint: sha256:12}}",
		  "%:1:36: relays.r.tls: fingerprint is expected as sha256: "
		  "and 64 hex digits" },
		{ "{host: a.example, fallback: [r]}",
		  "%: relays.r.fallback: names itself" },
		{ "{url: \"direct:\", fallback: [s]}, s: {host: a.example}",
		  "%: relays.r.fallback: does not fit to direct:, which "
		  "tries each domain's hosts in turn" },
		{ "{host: a.example, fallback: [s]}, s: {url: \"direct:\"}",
		  "%: relays.r.fallback: s is direct:, which carries no "
		  "other relay's mail" },
		{ "{provider: amazon-ses, username: u, password: p}",
		  "%:1:13: relays.r.host: is needed: fill in "
		  "email-smtp.{region}.amazonaws.com" },
	};
	struct folder *folder = *state;
	char text[256];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "relays: {r: %s}\n",
		         cases[i].relay);
		if (cases[i].message[0])
			must_refuse(folder, text, cases[i].message);
		else
			assert_int_not_equal(load(folder, text), 0);
	}
	must_refuse(folder, "relays: {a: {host: a.example}, b: {host: b.c}}\n",
	            "%: default_relay: is needed, since there are 2 relays");
	must_refuse(folder, "retry: {warn: 6d}\n",
	            "%: retry.warn: is not shorter than retry.expire");
	must_refuse(
	    folder, "receive: {listen: [{port: 25, user: root}]}\n",
	    "%:1:20: receive.listen[1]: needs a user, other than root, that "
	    "its clients count as");
	must_refuse(
	    folder,
	    "receive: {listen: [{address: 192.0.2.1, port: 25, user: 9}]}\n",
	    "%:1:20: receive.listen[1]: expected a loopback address: relais "
	    "takes no mail from the network");
}

/* Each mapping is of a relay with a login at a.example. */
static void refuses_oauth_that_cannot_work(void **state)
{
	static const struct {
		const char *oauth, *message;
	} cases[] = {
		{ "{client_id: c}",
		  "%:1:51: relays.r.oauth.grant: cannot be told; expected a "
		  "service, or device, authorization_code, "
		  "client_credentials or jwt_bearer and the URLs" },
		{ "{service: googol, client_id: c}",
		  "%:1:61: relays.r.oauth.service: `googol` is unknown; "
		  "expected fastmail, google, microsoft, yahoo, yandex, or "
		  "none and the URLs" },
		{ "{service: google}",
		  "%:1:51: relays.r.oauth.client_id: is needed with this "
		  "grant" },
		{ "{service: google, client_id: c, tenant: t}",
		  "%:1:91: relays.r.oauth.tenant: is for the service "
		  "microsoft alone" },
		{ "{service: google, client_id: c, grant: device}",
		  "%:1:51: relays.r.oauth.device_url: is needed with this "
		  "grant" },
		{ "{service: microsoft, client_id: c, client_secret: s, "
		  "grant: client_credentials}",
		  "%:1:51: relays.r.oauth.tenant: is needed with "
		  "client_credentials: the directory's id or domain" },
		{ "{service: microsoft, client_id: c, tenant: t, "
		  "grant: client_credentials}",
		  "%:1:51: relays.r.oauth.client_secret: is needed with "
		  "this grant" },
		{ "{service: google, grant: jwt_bearer, issuer: i}",
		  "%:1:51: relays.r.oauth.key_file: is needed with this "
		  "grant" },
		{ "{service: google, client_id: c, key_id: k}",
		  "%:1:91: relays.r.oauth.key_id: is for the grant "
		  "jwt_bearer; this one is authorization_code" },
		{ "{grant: client_credentials, client_id: c, "
		  "client_secret: s, token_url: \"http://a.example/t\"}",
		  "%:1:122: relays.r.oauth.token_url: `http://a.example/t` "
		  "is no URL; expected https://HOST/PATH" },
		{ "{service: google, client_id: c, client_secret: s, "
		  "client_secret_file: f}",
		  "%:1:121: relays.r.oauth.client_secret_file: there is a "
		  "client_secret, too; expected one of the two" },
		{ "{service: google, client_id: c, ca_file: /none}",
		  "%:1:92: relays.r.oauth.ca_file: /none: No such file or "
		  "directory" },
		{ "{service: google, client_id: c, grant: none}",
		  "%:1:90: relays.r.oauth.grant: `none` is unknown; "
		  "expected device, authorization_code, client_credentials "
		  "or jwt_bearer" },
	};
	struct folder *folder = *state;
	char text[400];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(
		    text, sizeof(text),
		    "relays: {r: {host: a.example, username: u, oauth: %s}}\n",
		    cases[i].oauth);
		must_refuse(folder, text, cases[i].message);
	}
	must_refuse(
	    folder,
	    "relays: {r: {provider: gmail, username: u, authentication: "
	    "PLAIN, oauth: {client_id: c}}}\n",
	    "%:1:60: relays.r.authentication: PLAIN takes no token; with "
	    "oauth expected on, XOAUTH2 or OAUTHBEARER");
	must_refuse(
	    folder,
	    "relays: {r: {provider: gmail, username: u, password: p, "
	    "oauth: {client_id: c}}}\n",
	    "%:1:54: relays.r.password: is given in 2 ways; expected one of "
	    "password, password_file, credential, password_command, "
	    "token_command and oauth");
}

static void knows_who_issues_a_providers_tokens(void **state)
{
	struct folder *folder = *state;
	const struct relay_oauth *oauth;

	must_load(folder,
	          "default_relay: g\n"
	          "relays:\n"
	          "  g: {provider: gmail, username: u@gmail.com,\n"
	          "    oauth: {client_id: c, client_secret: s}}\n"
	          "  m: {provider: microsoft365, username: u@a.example,\n"
	          "    oauth: {client_id: c, tenant: a.example}}\n"
	          "  d: {provider: microsoft365, username: u@a.example,\n"
	          "    oauth: {client_id: c, client_secret: s, tenant: t1,\n"
	          "      grant: client_credentials}}\n");
	oauth = &relay(folder, "g")->oauth;
	assert_true(oauth->is_set);
	assert_int_equal(oauth->grant, OAUTH_AUTHORIZATION_CODE);
	assert_string_equal(oauth->token_url,
	                    "https://oauth2.googleapis.com/token");
	assert_string_equal(oauth->scopes, "https://mail.google.com/");
	assert_string_equal(secret_text_borrow(oauth->client_secret), "s");
	assert_null(oauth->device_url);
	oauth = &relay(folder, "m")->oauth;
	assert_int_equal(oauth->grant, OAUTH_DEVICE);
	assert_string_equal(
	    oauth->device_url,
	    "https://login.microsoftonline.com/a.example/oauth2/v2.0/"
	    "devicecode");
	assert_string_equal(
	    oauth->scopes,
	    "https://outlook.office.com/SMTP.Send offline_access");
	assert_null(oauth->authorization_url);
	oauth = &relay(folder, "d")->oauth;
	assert_string_equal(
	    oauth->token_url,
	    "https://login.microsoftonline.com/t1/oauth2/v2.0/token");
	assert_string_equal(oauth->scopes,
	                    "https://outlook.office365.com/.default");
}

static void reads_keys_and_googles_account_files(void **state)
{
	static const char settings[] =
	    "relays: {r: {provider: gmail, username: u@a.example,\n"
	    "  oauth: {key_file: key}}}\n";
	struct folder *folder = *state;
	const struct relay_oauth *oauth;
	char account[2048] = "{\n \"type\": \"service_account\",\n"
			     " \"private_key_id\": \"k1\",\n"
			     " \"client_email\": \"app@p.example\",\n"
			     " \"private_key\": \"";
	char message[256];

	for (const char *c = test_key_p256; *c; c += strcspn(c, "\n") + 1) {
		strncat(account, c, strcspn(c, "\n"));
		strcat(account, "\\n");
	}
	strcat(account, "\"\n}\n");
	write_file(folder, "key", account);
	must_load(folder, settings);
	oauth = &relay(folder, "r")->oauth;
	assert_int_equal(oauth->grant, OAUTH_JWT_BEARER);
	assert_string_equal(oauth->issuer, "app@p.example");
	assert_string_equal(oauth->subject, "u@a.example");
	assert_string_equal(oauth->key_id, "k1");
	assert_string_equal(oauth->audience, oauth->token_url);
	assert_string_equal(secret_text_borrow(oauth->key), test_key_p256);

	write_file(folder, "key", "secret\n");
	snprintf(
	    message, sizeof(message),
	    "%%:2:21: relays.r.oauth.key_file: %s/key holds no private key in "
	    "PEM (one without a pass phrase)",
	    folder->path);
	must_refuse(folder, settings, message);
	write_file(folder, "key", "{\"client_email\": \"x\"}\n");
	snprintf(
	    message, sizeof(message),
	    "%%:2:21: relays.r.oauth.key_file: %s/key is no file of a service "
	    "account: it has no private_key",
	    folder->path);
	must_refuse(folder, settings, message);
	write_file(folder, "key", "{\"private_key\": [\n");
	must_refuse(folder, settings, message);
}

static void never_repeats_a_secret(void **state)
{
	struct folder *folder = *state;
	size_t i;

	assert_int_not_equal(
	    load(folder, "relays:\n"
	                 "  a: {host: a.b, username: u, password: [s3cret]}\n"
	                 "  b: {url: \"smtp://u:s3cret@host:0\"}\n"
	                 "  c: {host: a.b, password: s3cret}\n"
	                 "  d: {host: a.b, username: u, "
	                 "password: \"s3cret\\n\"}"
	                 "\n"),
	    0);
	assert_int_equal(folder->errors.error_count, 5);
	for (i = 0; i < folder->errors.count; i++)
		assert_null(strstr(folder->errors.entries[i].text, "s3cret"));
}

static void warns_of_passwords_that_others_can_read(void **state)
{
	struct folder *folder = *state;
	char path[160];

	write_file(folder, "p", "geheim\n");
	snprintf(path, sizeof(path), "%s/p", folder->path);
	assert_int_equal(chmod(path, 0644), 0);
	must_load(folder, "relays: {r: {host: a.b, username: u, "
	                  "password_file: p}}\n");
	assert_int_equal(folder->errors.count, 1);
	assert_true(folder->errors.entries[0].is_warning);
	assert_non_null(strstr(folder->errors.entries[0].text,
	                       "warning: relays.r.password_file: "));

	must_load(folder, "relays: {r: {host: a.b, username: u, "
	                  "password: p}}\n");
	assert_int_equal(folder->errors.count, 0);
	assert_int_equal(chmod(folder->file, 0644), 0);
	settings_unref(folder->settings);
	assert_int_equal(
	    settings_load(folder->file, &folder->settings, &folder->errors), 0);
	must_say(folder, "%: warning: holds a password and can be read by "
	                 "everybody; expected `chown root:relais` and `chmod "
	                 "0640`");
}

static void merges_relays_of_other_files(void **state)
{
	struct folder *folder = *state;
	char expected[256];

	make_subfolder(folder, "relays.d");
	make_subfolder(folder, "queue");
	make_subfolder(folder, "queue/relays");
	write_file(folder, "relays.d/20-bulk.yaml",
	           "relays: {bulk: {host: bulk.example}}\n");
	write_file(folder, "relays.d/20-bulk.yaml~", "not: read\n");
	write_file(
	    folder, "queue/relays/made.yaml",
	    "default_relay: made\nrelays: {made: {host: made.example}}\n");
	must_load(folder, "relays: {office: {host: office.example}}\n"
	                  "default_relay: office\n");
	assert_int_equal(folder->settings->relay_count, 3);
	assert_int_equal(relay(folder, "bulk")->managed, RELAY_MANAGED_FILE);
	assert_int_equal(relay(folder, "made")->managed, RELAY_MANAGED_API);
	assert_string_equal(folder->settings->default_relay->name, "office");
	must_load(folder, "");
	assert_string_equal(folder->settings->default_relay->name, "made");

	write_file(folder, "queue/relays/office.yaml",
	           "relays: {office: {host: other.example}}\n");
	snprintf(expected, sizeof(expected), "office: is defined in %s, too",
	         folder->file);
	assert_int_not_equal(
	    load(folder, "relays: {office: {host: office.example}}\n"), 0);
	assert_non_null(strstr(folder->errors.entries[0].text, expected));

	write_file(folder, "queue/relays/office.yaml",
	           "relays: {office: {url: \"maildir:/tmp/x\"}}\n");
	assert_int_not_equal(load(folder, ""), 0);
	assert_non_null(
	    strstr(folder->errors.entries[0].text,
	           "relays.office.url: runs a program or names a file"));
	write_file(
	    folder, "queue/relays/office.yaml",
	    "relays: {office: {host: a.b, username: u, password_command: "
	    "[/bin/id]}}\n");
	assert_int_not_equal(load(folder, ""), 0);
	assert_non_null(
	    strstr(folder->errors.entries[0].text,
	           "relays.office.password_command: runs a program"));
	write_file(folder, "queue/relays/office.yaml", "hostname: a.b\n");
	assert_int_not_equal(load(folder, ""), 0);
	assert_non_null(strstr(folder->errors.entries[0].text,
	                       "hostname: is not a known key"));
}

static void takes_passwords_from_the_service_manager(void **state)
{
	struct folder *folder = *state;
	const char text[] = "relays: {r: {host: a.b, username: u, "
			    "credential: office}}\n";

	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	must_refuse(
	    folder, text,
	    "%:1:50: relays.r.credential: the service manager passed none: "
	    "$CREDENTIALS_DIRECTORY is not set");
	write_file(folder, "office", "geheim\n");
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder->path, 1), 0);
	must_load(folder, text);
	assert_string_equal(secret_text_borrow(relay(folder, "r")->password),
	                    "geheim");
	write_file(folder, "office", "\ngeheim\n");
	assert_int_not_equal(load(folder, text), 0);
	assert_non_null(strstr(folder->errors.entries[0].text,
	                       "/office has no password in its first line"));
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

static void finds_the_built_in_relays_password(void **state)
{
	struct folder *folder = *state;
	struct settings_main whole = { 0 };
	struct settings_reader reader = { .errors = &folder->errors,
		                          .main = &whole,
		                          .directory = folder->path };
	const struct relay_settings *r;

	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	/* Without one it is there all the same, and its login will fail. */
	settings_relay_add_built_in(&reader, "smtps://u@relay.example");
	assert_int_equal(folder->errors.count, 0);
	assert_null(whole.settings.relays[0].password);
	settings_done(&whole.settings);

	memset(&whole, 0, sizeof(whole));
	write_file(folder, "built-in.secret", "geheim\n");
	settings_relay_add_built_in(&reader, "smtps://u@relay.example");
	assert_int_equal(folder->errors.count, 0);
	r = &whole.settings.relays[0];
	assert_string_equal(r->name, SETTINGS_BUILT_IN_NAME);
	assert_string_equal(secret_text_borrow(r->password), "geheim");
	assert_int_equal(r->port, 465);
	assert_int_equal(r->authentication, RELAY_AUTHENTICATION_ON);
	settings_done(&whole.settings);
}

static void gives_each_submitter_its_rule(void **state)
{
	struct folder *folder = *state;
	const struct settings *s;
	const struct submitter_rule *rule;
	const gid_t wheel[] = { 10, 4711 }, none[] = { 100 };

	must_load(folder,
	          "relays: {office: {host: a.b}}\n"
	          "submitters:\n"
	          "- {user: 33, senders: [\"*@example.com\"], rate: 100/min, "
	          "queued: 10000, relays: [office], priority: urgent}\n"
	          "- {group: 4711, administrator: on, relays: any}\n"
	          "control: {administrators: [33]}\n");
	s = folder->settings;
	rule = settings_find_submitter(s, 33, none, 1);
	assert_int_equal(rule->rate.count, 100);
	assert_int_equal(rule->burst, 1000);
	assert_int_equal(rule->queued, 10000);
	assert_int_equal(rule->priority_limit, PRIORITY_URGENT);
	assert_int_equal(rule->relays[0], settings_relay_id("office"));
	rule = settings_find_submitter(s, 1000, wheel, 2);
	assert_true(rule->administrator);
	assert_true(rule->any_relay);
	rule = settings_find_submitter(s, 1000, none, 1);
	assert_false(rule->administrator);
	assert_int_equal(rule->rate.count, 300);
	assert_int_equal(rule->rate.period_s, 60);
	assert_int_equal(rule->share_percent, 10);
	assert_int_equal(rule->connections, 64);
	assert_int_equal(rule->priority_limit, PRIORITY_NORMAL);
	assert_int_equal(rule->relay_count, 0);
	rule = settings_find_submitter(s, 0, none, 1);
	assert_int_equal(rule->rate.count, 0);
	assert_true(rule->any_relay);
	assert_true(settings_is_administrator(s, 0, none, 1));
	assert_true(settings_is_administrator(s, 33, none, 1));
	assert_true(settings_is_administrator(s, 1000, wheel, 2));
	assert_false(settings_is_administrator(s, 1001, none, 1));
}

static void names_what_a_reload_cannot_change(void **state)
{
	struct folder *folder = *state;
	const struct settings *old;
	const char *paths[8];

	must_load(folder, "receive: {listen: [{port: 2525, user: 9}]}\n");
	old = settings_ref(folder->settings);
	assert_int_equal(settings_needing_restart(old, old, paths, 8), 0);
	must_load(folder,
	          "receive: {socket: /run/other.sock, socket_mode: 0660, "
	          "message_size: 1MiB, listen: [{port: 2525, user: 10}]}\n"
	          "delivery: {workers: 7}\n"
	          "log: {level: debug}\n");
	assert_int_equal(
	    settings_needing_restart(old, folder->settings, paths, 8), 4);
	assert_string_equal(paths[0], "receive.socket");
	assert_string_equal(paths[1], "receive.socket_mode");
	assert_string_equal(paths[2], "receive.listen");
	assert_string_equal(paths[3], "delivery.workers");
	assert_int_equal(
	    settings_needing_restart(old, folder->settings, paths, 2), 2);
	settings_unref(old);
}

static void lives_as_long_as_its_last_reference(void **state)
{
	struct folder *folder = *state;
	const struct settings *other;

	must_load(folder, "hostname: a.example.com\n");
	other = settings_ref(folder->settings);
	settings_unref(folder->settings);
	folder->settings = NULL;
	assert_string_equal(other->hostname, "a.example.com");
	assert_string_equal(other->domain, "a.example.com");
	settings_unref(other);
	assert_null(settings_ref(NULL));
	settings_unref(NULL);
}

int main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		TEST(works_without_any_settings),
		TEST(refuses_a_named_file_that_is_missing),
		TEST(reads_a_whole_relay),
		TEST(works_out_port_and_security),
		TEST(fills_in_what_the_provider_wants),
		TEST(checks_hints),
		TEST(reports_every_error_with_its_place),
		TEST(refuses_what_does_not_fit_together),
		TEST(refuses_oauth_that_cannot_work),
		TEST(knows_who_issues_a_providers_tokens),
		TEST(reads_keys_and_googles_account_files),
		TEST(never_repeats_a_secret),
		TEST(warns_of_passwords_that_others_can_read),
		TEST(merges_relays_of_other_files),
		TEST(takes_passwords_from_the_service_manager),
		TEST(finds_the_built_in_relays_password),
		TEST(gives_each_submitter_its_rule),
		TEST(names_what_a_reload_cannot_change),
		TEST(lives_as_long_as_its_last_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
