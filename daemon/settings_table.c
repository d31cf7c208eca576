/*
 * settings_table - every key there is: type, range, default, meaning
 */
#include "config.h"

#include "settings_table.h"
#include "settings_table_staging.h"

#include <stddef.h>

#define DAY_S  (24 * 60 * 60)
#define YEAR_S (366 * DAY_S)
#define KIB    UINT64_C(1024)
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)

#define TYPE(name)      .type = &settings_type_##name
#define MAIN(field)     .offset = offsetof(struct settings_main, field)
#define SETTING(field)  MAIN(settings.field)
#define RELAY(field)    .offset = offsetof(struct relay_draft, relay.field)
#define DRAFT(field)    .offset = offsetof(struct relay_draft, field)
#define RANGE(from, to) .minimum = (from), .maximum = (to)

const struct settings_choice settings_choices_security[] = {
	{ "tls", RELAY_TLS },
	{ "starttls", RELAY_STARTTLS },
	{ "opportunistic", RELAY_OPPORTUNISTIC },
	{ "none", RELAY_CLEAR },
	{ NULL, 0 },
};

const struct settings_choice settings_choices_priority[] = {
	{ "urgent", PRIORITY_URGENT },
	{ "normal", PRIORITY_NORMAL },
	{ "bulk", PRIORITY_BULK },
	{ NULL, 0 },
};

const struct settings_choice settings_choices_apply[] = {
	{ "missing", RELAY_FROM_MISSING },
	{ "not-allowed", RELAY_FROM_NOT_ALLOWED },
	{ "always", RELAY_FROM_ALWAYS },
	{ NULL, 0 },
};

const struct settings_choice settings_choices_keep_author[] = {
	{ "header", RELAY_KEEP_AUTHOR_HEADER },
	{ "reply-to", RELAY_KEEP_AUTHOR_REPLY_TO },
	{ "off", RELAY_KEEP_AUTHOR_OFF },
	{ NULL, 0 },
};

const struct settings_choice settings_choices_tls_minimum[] = {
	{ "1.0", TLS_MINIMUM_1_0 },
	{ "1.1", TLS_MINIMUM_1_1 },
	{ "1.2", TLS_MINIMUM_1_2 },
	{ "1.3", TLS_MINIMUM_1_3 },
	{ NULL, 0 },
};

static const struct settings_choice choices_log_level[] = {
	{ "error", SETTINGS_LOG_ERROR },
	{ "warning", SETTINGS_LOG_WARNING },
	{ "info", SETTINGS_LOG_INFO },
	{ "debug", SETTINGS_LOG_DEBUG },
	{ NULL, 0 },
};

const struct settings_choice settings_choices_grant[] = {
	{ "device", OAUTH_DEVICE },
	{ "authorization_code", OAUTH_AUTHORIZATION_CODE },
	{ "client_credentials", OAUTH_CLIENT_CREDENTIALS },
	{ "jwt_bearer", OAUTH_JWT_BEARER },
	{ NULL, 0 },
};

const struct settings_key settings_keys_main[] = {
	{ "hostname", TYPE(ehlo_name), SETTING(hostname),
	  .sentence = "The name of this host in EHLO, Received and Message-ID. "
	              "Default: the host's own name, or the first full name "
	              "that /etc/hosts has for it." },
	{ "domain", TYPE(host), SETTING(domain),
	  .sentence = "Appended to addresses without a domain, in envelope and "
	              "header. Default: the hostname." },
	{ "aliases", TYPE(aliases), SETTING(aliases),
	  .sentence = "Other recipients for names without a domain: a map from "
	              "a name to an address, a name, or a list of them. Goes "
	              "before the aliases file." },
	{ "aliases_file", TYPE(path), SETTING(aliases_file),
	  .initial = "/etc/aliases",
	  .sentence = "A file in the form of aliases(5), of which only names "
	              "and addresses count. It may be missing." },
	{ "default_relay", TYPE(default_relay), MAIN(default_relay),
	  .sentence = "The relay for all mail that no route sends elsewhere. "
	              "May be left out where there is only one. Without any "
	              "relay the built-in default relay serves." },
	{ "relays", TYPE(relays), SETTING(relays),
	  .sentence = "The relays, a map from each name to its keys. Names are "
	              "letters, digits, dots, dashes and underscores." },
	{ "hints", TYPE(hints), SETTING(hints),
	  .sentence = "What replies mean that relais takes for something "
	              "else, or has no words for; the first that fits "
	              "counts." },
	{ "routes", TYPE(routes), SETTING(routes),
	  .sentence = "Rules that choose a relay or priority, evaluated at "
	              "each attempt; the first that fits wins." },
	{ "submitters", TYPE(submitters), SETTING(submitters),
	  .sentence = "Rules for those who submit; the first that fits holds, "
	              "and what it leaves out keeps its default." },

	{ "queue.directory", TYPE(path), SETTING(queue.directory),
	  .initial = "/var/lib/relais", .needs_restart = true,
	  .sentence = "Where the queue lives. It has to be on a local disk." },
	{ "queue.maximum", TYPE(size), SETTING(queue.maximum_bytes),
	  .initial = "64GiB", RANGE(64 * MIB, 16384 * GIB),
	  .needs_restart = true,
	  .sentence = "The most the queue may take of the disk; above half of "
	              "it the oldest delivered messages are forgotten early." },
	{ "queue.keep_finished", TYPE(time), SETTING(queue.keep_finished_s),
	  .initial = "14d", RANGE(60, 10 * YEAR_S),
	  .sentence = "How long the story of a message is kept after it was "
	              "submitted, and ended." },
	{ "queue.keep_failed_bodies", TYPE(time),
	  SETTING(queue.keep_failed_bodies_s), .initial = "3d",
	  RANGE(0, 10 * YEAR_S),
	  .sentence = "How long the content of failed and expired messages is "
	              "kept." },

	{ "receive.socket", TYPE(path), SETTING(receive.socket),
	  .initial = "/run/relais/submit.sock", .needs_restart = true,
	  .sentence = "Where mail is submitted: SMTP or LMTP." },
	{ "receive.socket_mode", TYPE(mode), SETTING(receive.socket_mode),
	  .initial = "0666", .needs_restart = true,
	  .sentence = "Permissions of that socket." },
	{ "receive.listen", TYPE(listen), SETTING(receive.listen),
	  .needs_restart = true,
	  .sentence = "TCP ports on loopback that take mail, too: a list of "
	              "maps. Default: none." },
	{ "receive.message_size", TYPE(size),
	  SETTING(receive.message_size_bytes), .initial = "50MiB",
	  RANGE(64 * KIB, 2 * GIB),
	  .sentence = "The largest message that is accepted." },
	{ "receive.header_size", TYPE(size), SETTING(receive.header_size_bytes),
	  .initial = "256KiB", RANGE(16 * KIB, 16 * MIB),
	  .sentence = "The largest header of a message that is accepted." },
	{ "receive.recipients", TYPE(count), SETTING(receive.recipients),
	  .initial = "1000", RANGE(100, 50000),
	  .sentence = "The most recipients of one message." },
	{ "receive.memory", TYPE(size), SETTING(receive.memory_bytes),
	  .initial = "64MiB", RANGE(4 * MIB, 64 * GIB),
	  .sentence = "What all sessions together may hold in memory; above "
	              "it they are read more slowly. Bodies of mail at the "
	              "control socket may hold as much again." },
	{ "receive.connections", TYPE(count), SETTING(receive.connections),
	  .initial = "1000", RANGE(1, 100000),
	  .sentence = "The most clients at a time." },
	{ "receive.timeout", TYPE(time), SETTING(receive.timeout_s),
	  .initial = "5m", RANGE(1, DAY_S),
	  .sentence = "A client that is silent for so long is disconnected." },
	{ "receive.deadline", TYPE(time), SETTING(receive.deadline_s),
	  .initial = "1h", RANGE(1, DAY_S),
	  .sentence = "So is one that takes so long for one message." },

	{ "control.socket", TYPE(path), SETTING(control.socket),
	  .initial = "/run/relais/control.sock", .needs_restart = true,
	  .sentence = "Where relaisctl and the control API connect." },
	{ "control.administrators", TYPE(words), MAIN(administrators),
	  .initial = "[root, \"@relais-admin\"]",
	  .sentence = "Users, and groups with a leading `@`, who may see and "
	              "change everything." },

	{ "metrics.port", TYPE(port), SETTING(metrics.port),
	  .needs_restart = true,
	  .sentence = "A TCP port on 127.0.0.1 and ::1 that answers GET "
	              "/metrics to anybody on this host. Default: none." },
	{ "metrics.textfile", TYPE(path), SETTING(metrics.textfile),
	  .sentence = "A file that is written anew every 10 seconds, for "
	              "node_exporter's textfile collector; relaisd has to be "
	              "allowed to write to its folder. Default: none." },

	{ "delivery.workers", TYPE(count), SETTING(delivery.workers),
	  RANGE(2, 64), .needs_restart = true,
	  .sentence = "Threads that deliver. Default: one per processor, at "
	              "least 2." },
	{ "delivery.drain", TYPE(time), SETTING(delivery.drain_s),
	  .initial = "30s", RANGE(1, 60 * 60),
	  .sentence = "How long a stop waits for attempts that are under "
	              "way." },
	{ "delivery.timeouts", TYPE(percent),
	  SETTING(delivery.timeouts_percent), .initial = "100%", RANGE(1, 100),
	  .sentence = "How much of the time that RFC 5321 grants a relay each "
	              "step may take. For tests: with less than all of it, "
	              "slow relays get mail twice." },

	{ "resolver.servers", TYPE(servers), SETTING(resolver.servers),
	  .sentence = "Name servers, each ADDRESS, ADDRESS:PORT or "
	              "[IPV6]:PORT. Default: those of /etc/resolv.conf." },
	{ "resolver.timeout", TYPE(time), SETTING(resolver.timeout_s),
	  .initial = "5s", RANGE(1, 60),
	  .sentence = "How long one query waits for its answer." },
	{ "resolver.tries", TYPE(count), SETTING(resolver.tries),
	  .initial = "3", RANGE(1, 10),
	  .sentence = "How often each name server is asked." },

	{ "retry.first", TYPE(time), SETTING(retry.first_s), .initial = "1m",
	  RANGE(1, DAY_S),
	  .sentence = "The delay after the first temporary failure." },
	{ "retry.factor", TYPE(factor), SETTING(retry.factor_percent),
	  .initial = "1.7", RANGE(100, 1000),
	  .sentence = "Each further delay is so many times the last." },
	{ "retry.maximum", TYPE(time), SETTING(retry.maximum_s),
	  .initial = "1h", RANGE(1, 7 * DAY_S),
	  .sentence = "The longest delay between two attempts." },
	{ "retry.jitter", TYPE(percent), SETTING(retry.jitter_percent),
	  .initial = "20%", RANGE(0, 50),
	  .sentence = "Each delay varies by so much, at random." },
	{ "retry.expire", TYPE(time), SETTING(retry.expire_s), .initial = "5d",
	  RANGE(60, YEAR_S),
	  .sentence = "A message that is undelivered for so long expires; but "
	              "nothing does in the first hour after a start at which "
	              "the clock is more than a day ahead of when relais last "
	              "ran." },
	{ "retry.warn", TYPE(time), SETTING(retry.warn_s), .initial = "4h",
	  RANGE(0, YEAR_S),
	  .sentence = "The sender hears of a delay after so long, with the "
	              "next attempt in vain. Of a relay that doesn't work the "
	              "administrator hears instead; see alarms." },

	{ "bounces.to", TYPE(sender), SETTING(bounces.to), .initial = "sender",
	  .sentence = "Who hears of failures: the message's `sender`, or an "
	              "address." },
	{ "bounces.from", TYPE(sender), SETTING(bounces.from),
	  .initial = "\"<>\"",
	  .sentence = "The envelope sender of bounces: the null sender, or "
	              "an address. Where a relay refuses the null sender, "
	              "they go as its `from` or login." },
	{ "bounces.expire", TYPE(time), SETTING(bounces.expire_s),
	  .initial = "2d", RANGE(60, YEAR_S),
	  .sentence = "A bounce that is undelivered for so long is dropped." },

	{ "bounces.content", TYPE(size), SETTING(bounces.content_bytes),
	  .initial = "64KiB", RANGE(0, 16 * MIB),
	  .sentence = "A bounce to the sender has the whole message with it up "
	              "to this size, and of a larger one the header; always "
	              "the header alone where the sender wants no more "
	              "(RET=HDRS), and in bounces to another address." },
	{ "bounces.gather", TYPE(time), SETTING(bounces.gather_s),
	  .initial = "10s", RANGE(1, DAY_S),
	  .sentence = "How long a bounce waits for further failures of the "
	              "same message, while any of it is undecided." },
	{ "bounces.summary", TYPE(time), SETTING(bounces.summary_s),
	  .initial = "1h", RANGE(1, DAY_S),
	  .sentence = "What expires because a relay does not work is told in "
	              "one summary a sender and this time, not in one bounce "
	              "each." },

	{ "alarms.command", TYPE(command), SETTING(alarms.command),
	  .sentence = "A list of words: a program, with its full path, that is "
	              "run when a relay has been in trouble for long, and when "
	              "it works again. It gets one more word, the facts as a "
	              "JSON object; no shell, an empty environment, 30 "
	              "seconds. Default: none." },
	{ "alarms.mail", TYPE(address), SETTING(alarms.mail),
	  .sentence = "Who is told of the same by mail, if another relay "
	              "works. Default: nobody." },
	{ "alarms.first", TYPE(time), SETTING(alarms.first_s), .initial = "4h",
	  RANGE(1, YEAR_S),
	  .sentence = "After so long without a delivery a relay's trouble is "
	              "told for the first time." },
	{ "alarms.second", TYPE(time), SETTING(alarms.second_s),
	  .initial = "24h", RANGE(1, YEAR_S),
	  .sentence = "And for the second time." },

	{ "events.command", TYPE(command), SETTING(events_command),
	  .sentence = "A list of words: a program, with its full path, that is "
	              "told each event: it reads them from its standard input, "
	              "an object in JSON a line, one or more each time it is "
	              "run; no shell, an empty environment, 30 seconds. If it "
	              "is too slow or fails it misses some; relais-webhook(8) "
	              "does not. Default: none." },

	STAGING(SETTING),

	{ "log.level", TYPE(choice), SETTING(log_level), .initial = "info",
	  .choices = choices_log_level,
	  .sentence = "The least important lines that are logged." },
	{ 0 },
};

/* What a file of relays.d/ or a generated one may hold. */
const struct settings_key settings_keys_relays[] = {
	{ "default_relay", TYPE(default_relay), MAIN(default_relay),
	  .sentence = "As in the main file, for files that are generated." },
	{ "relays", TYPE(relays), SETTING(relays),
	  .sentence = "As in the main file." },
	{ "heirs", TYPE(heirs), SETTING(heirs),
	  .sentence = "Relays that were removed, each with the one that has "
	              "its mail since; for files that are generated." },
	{ 0 },
};

const struct settings_key settings_keys_relay[] = {
	{ "description", TYPE(text), RELAY(description),
	  .sentence = "A text for people." },
	{ "url", TYPE(text), DRAFT(url),
	  .sentence = "Kind, user, host and port in short: smtp://, "
	              "smtp+starttls://, smtps:// or lmtp:// with "
	              "USER@HOST:PORT; lmtp:///SOCKET; maildir:FOLDER; "
	              "direct:. Without it: SMTP to the host." },
	{ "provider", TYPE(name), DRAFT(provider),
	  .sentence = "A mail provider that relais knows: fills in host, port, "
	              "security and limits where they are left out." },
	{ "host", TYPE(host), RELAY(host),
	  .sentence = "Name or IP address of the relay." },
	{ "port", TYPE(port), RELAY(port),
	  .sentence = "Default: 465 with tls, 587 with starttls, else 25; LMTP "
	              "24." },
	{ "security", TYPE(choice), RELAY(security),
	  .choices = settings_choices_security,
	  .sentence = "tls from the first byte (forms call it SSL); starttls: "
	              "upgraded or not used (forms call it TLS); "
	              "opportunistic: upgraded where offered, and only without "
	              "a login; none. Default: tls on port 465, else starttls "
	              "with a login, else opportunistic." },
	{ "authentication", TYPE(name), DRAFT(authentication),
	  .sentence = "on, off, or the only mechanism to use: PLAIN, LOGIN, "
	              "CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, XOAUTH2, "
	              "OAUTHBEARER or EXTERNAL. Default: on with a user name, "
	              "else off." },
	{ "username", TYPE(text), RELAY(username),
	  .sentence = "The name to log in with." },
	{ "password", TYPE(secret), DRAFT(password),
	  .sentence = "The password itself. The file must not be readable "
	              "by others." },
	{ "password_file", TYPE(file), DRAFT(password_file),
	  .sentence = "A file whose first line is the password; a relative "
	              "path starts at the folder of the settings file." },
	{ "credential", TYPE(name), DRAFT(credential),
	  .sentence = "The name of a systemd credential (LoadCredential=) that "
	              "is the password." },
	{ "password_command", TYPE(command), DRAFT(password_command),
	  .sentence = "A list of words: a program, with its full path, whose "
	              "first line of output is the password. It is run "
	              "without a shell and with an empty environment, and has "
	              "30 seconds." },
	{ "token_command", TYPE(command), DRAFT(token_command),
	  .sentence = "The same for an OAuth 2.0 access token, for XOAUTH2 and "
	              "OAUTHBEARER. A number behind the token is its life in "
	              "seconds; without one it is used for five minutes." },
	{ "oauth.service", TYPE(name), DRAFT(oauth.service),
	  .sentence = "Who issues access tokens, which relaisd then fetches "
	              "and renews by itself: fastmail, google, microsoft, "
	              "yahoo or yandex. Default: by the provider; none: the "
	              "URLs below are needed." },
	{ "oauth.grant", TYPE(choice), DRAFT(oauth.grant),
	  .choices = settings_choices_grant,
	  .sentence = "How tokens are come by. device and "
	              "authorization_code: a person logs in once, by "
	              "`relaisctl relay login`; client_credentials and "
	              "jwt_bearer: nobody has to. Default: jwt_bearer with a "
	              "key_file, else what the service has for people." },
	{ "oauth.client_id", TYPE(text), RELAY(oauth.client_id),
	  .sentence = "The application that was registered with the service. "
	              "Needed, but for a key_file that names it." },
	{ "oauth.client_secret", TYPE(secret), DRAFT(oauth.client_secret),
	  .sentence = "Its secret, where it has one." },
	{ "oauth.client_secret_file", TYPE(file),
	  DRAFT(oauth.client_secret_file),
	  .sentence = "A file whose first line is that secret." },
	{ "oauth.tenant", TYPE(name), DRAFT(oauth.tenant),
	  .sentence = "With microsoft: the directory's id or domain. Default: "
	              "common, which client_credentials cannot use." },
	{ "oauth.scopes", TYPE(words), DRAFT(oauth.scopes),
	  .sentence = "What is asked for: a list. Default: what the service "
	              "wants for sending mail." },
	{ "oauth.authorization_url", TYPE(https_url),
	  RELAY(oauth.authorization_url),
	  .sentence = "Where a person logs in, with authorization_code; all "
	              "three URLs begin with https://. Default: the "
	              "service's." },
	{ "oauth.device_url", TYPE(https_url), RELAY(oauth.device_url),
	  .sentence = "Where a device's code is asked for, with device. "
	              "Default: the service's." },
	{ "oauth.token_url", TYPE(https_url), RELAY(oauth.token_url),
	  .sentence = "Where tokens are fetched and renewed. Default: the "
	              "service's." },
	{ "oauth.key_file", TYPE(file), DRAFT(oauth.key_file),
	  .sentence = "With jwt_bearer: a private key in PEM, RSA (RS256) or "
	              "P-256 (ES256), or the JSON file of a Google service "
	              "account." },
	{ "oauth.key_id", TYPE(text), RELAY(oauth.key_id),
	  .sentence = "The name of that key (kid). Default: the JSON file's, "
	              "else none." },
	{ "oauth.issuer", TYPE(text), RELAY(oauth.issuer),
	  .sentence = "With jwt_bearer: who signs (iss). Default: the JSON "
	              "file's, else the client_id." },
	{ "oauth.subject", TYPE(text), RELAY(oauth.subject),
	  .sentence = "The mailbox it is for (sub). Default: the username." },
	{ "oauth.audience", TYPE(text), RELAY(oauth.audience),
	  .sentence = "Who is to accept it (aud). Default: the token_url." },
	{ "oauth.ca_file", TYPE(path), RELAY(oauth.ca_file),
	  .sentence = "The authorities that the service's certificates are "
	              "checked against. Default: the system's." },
	{ "hostname", TYPE(ehlo_name), RELAY(hostname),
	  .sentence = "The EHLO name for this relay, if it is not the general "
	              "one." },
	{ "from.address", TYPE(address), RELAY(from.address),
	  .sentence = "The sender address that this relay's mail may be given, "
	              "in envelope and header." },
	{ "from.name", TYPE(text), RELAY(from.name),
	  .sentence = "The name in From where the message has none." },
	{ "from.apply", TYPE(choice), RELAY(from_apply), .initial = "missing",
	  .choices = settings_choices_apply,
	  .sentence = "When from.address is applied: where the address is "
	              "missing, where it is not in allowed_from, or always." },
	{ "allowed_from", TYPE(words), RELAY(allowed_from),
	  .sentence = "Sender addresses the relay accepts: a list of "
	              "addresses, @DOMAIN, or patterns with `*`." },
	{ "reply_to.address", TYPE(address), RELAY(reply_to.address),
	  .sentence = "The Reply-To for messages that have none." },
	{ "reply_to.name", TYPE(text), RELAY(reply_to.name),
	  .sentence = "Its name." },
	{ "keep_author", TYPE(choice), RELAY(keep_author), .initial = "header",
	  .choices = settings_choices_keep_author,
	  .sentence = "Where a replaced author is kept: in the field "
	              "X-Original-From (header), in Reply-To (reply-to), or "
	              "not at all (off)." },
	{ "headers", TYPE(headers), RELAY(headers),
	  .sentence = "Header fields to add: a map from each name to its "
	              "value, in which {queue_id}, {submitter}, {tag}, "
	              "{envelope_id}, {date}, {hostname} and {relay} are "
	              "replaced." },
	{ "limits.connections", TYPE(count), RELAY(limits.connections),
	  .initial = "10", RANGE(1, 1000),
	  .sentence = "The most connections at a time." },
	{ "limits.messages_per_connection", TYPE(count),
	  RELAY(limits.messages_per_connection), .initial = "100",
	  RANGE(0, 1000000),
	  .sentence = "A connection is closed after so many messages." },
	{ "limits.rate", TYPE(rates), RELAY(limits.rates),
	  .sentence = "The most messages in a time, as in 30/min; or a list of "
	              "up to four. Bulk mail takes half of it at once and "
	              "then spreads, so that other mail finds a place soon. "
	              "Default: none." },
	{ "limits.recipients", TYPE(count), RELAY(limits.recipients),
	  .initial = "100", RANGE(1, 50000),
	  .sentence = "The most recipients of one transaction; a message with "
	              "more is sent in several." },
	{ "limits.size", TYPE(size), RELAY(limits.size_bytes), .initial = "off",
	  RANGE(0, 16 * GIB),
	  .sentence = "The largest message the relay takes, beside what it "
	              "says itself. Default: a provider's, where it says "
	              "nothing." },
	{ "limits.idle", TYPE(time), RELAY(limits.idle_s), .initial = "30s",
	  RANGE(0, 5 * 60),
	  .sentence = "An idle connection is kept for so long." },
	{ "limits.lifetime", TYPE(time), RELAY(limits.lifetime_s),
	  .initial = "30m", RANGE(0, DAY_S),
	  .sentence = "A connection is closed after so long." },
	{ "tls.ca_file", TYPE(file), RELAY(tls.ca_file),
	  .sentence = "Certificates to trust instead of the system's." },
	{ "tls.verify", TYPE(boolean), RELAY(tls.verify), .initial = "on",
	  .sentence = "off accepts any certificate: whoever is in between "
	              "reads mail and password." },
	{ "tls.minimum", TYPE(choice), RELAY(tls.minimum), .initial = "\"1.2\"",
	  .choices = settings_choices_tls_minimum,
	  .sentence = "The oldest TLS version that is used." },
	{ "tls.fingerprint", TYPE(text), DRAFT(fingerprint),
	  .sentence = "sha256: and the hex digest of the certificate's public "
	              "key (SPKI): trust this key, and no other." },
	{ "tls.certificate", TYPE(file), RELAY(tls.certificate),
	  .sentence = "Our own certificate, in PEM." },
	{ "tls.key", TYPE(file), RELAY(tls.key),
	  .sentence = "Its key, in PEM. Default: in the same file." },
	STAGING(RELAY),
	{ "fallback", TYPE(relay_list), RELAY(fallback),
	  .sentence = "Relays to use, in this order, while this one is at "
	              "fault or switched off. Neither this one nor they may be "
	              "direct:." },
	{ "fallback_after_unknown", TYPE(boolean),
	  RELAY(fallback_after_unknown), .initial = "off",
	  .sentence = "on: they also get mail whose last outcome is unknown, "
	              "which this one may have delivered: it may come twice." },
	{ "enabled", TYPE(boolean), RELAY(enabled), .initial = "on",
	  .sentence = "off: mail for this relay waits." },
	{ 0 },
};
