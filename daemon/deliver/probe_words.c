#include "config.h"

#include "deliver/probe_words.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "deliver/connection.h"
#include "deliver/tls.h"
#include "settings.h"
#include "smtp/capabilities.h"

const char *probe_step_name(enum probe_step step)
{
	static const char *const names[] = {
		[PROBE_CONNECT] = "connect",     [PROBE_TLS] = "tls",
		[PROBE_GREETING] = "greeting",   [PROBE_EHLO] = "ehlo",
		[PROBE_LOGIN] = "login",         [PROBE_SENDER] = "sender",
		[PROBE_RECIPIENT] = "recipient", [PROBE_MESSAGE] = "message",
	};

	return names[step];
}

enum probe_step probe_words_step(enum smtp_phase phase)
{
	switch (phase) {
	case PHASE_NAME:
	case PHASE_CONNECT:
		return PROBE_CONNECT;
	case PHASE_TLS:
	case PHASE_STARTTLS:
		return PROBE_TLS;
	case PHASE_GREETING:
		return PROBE_GREETING;
	case PHASE_EHLO:
		return PROBE_EHLO;
	case PHASE_AUTH:
		return PROBE_LOGIN;
	case PHASE_MAIL:
		return PROBE_SENDER;
	case PHASE_RCPT:
		return PROBE_RECIPIENT;
	case PHASE_DATA:
	case PHASE_BODY:
	case PHASE_DOT:
	case PHASE_RSET:
	case PHASE_QUIT:
		break;
	}
	return PROBE_MESSAGE;
}

void probe_words_address(const struct transport_address *address, uint16_t port,
                         char *text, size_t size)
{
	const struct sockaddr_storage *any = &address->address;
	char numeric[INET6_ADDRSTRLEN] = "?";

	if (any->ss_family == AF_UNIX)
		(void)snprintf(text, size, "%s",
		               ((const struct sockaddr_un *)any)->sun_path);
	else if (any->ss_family == AF_INET6)
		(void)snprintf(
		    text, size, "[%s]:%u",
		    inet_ntop(AF_INET6,
		              &((const struct sockaddr_in6 *)any)->sin6_addr,
		              numeric, sizeof(numeric)),
		    port);
	else
		(void)snprintf(
		    text, size, "%s:%u",
		    inet_ntop(AF_INET,
		              &((const struct sockaddr_in *)any)->sin_addr,
		              numeric, sizeof(numeric)),
		    port);
}

void probe_words_tls(const struct tls *tls, char *text, size_t size)
{
	char certificate[256];

	tls_describe_certificate(tls, certificate, sizeof(certificate));
	(void)snprintf(text, size, "%s, %s; certificate %s", tls_version(tls),
	               tls_cipher(tls), certificate);
}

void probe_words_handshake(const struct tls *tls,
                           const struct connection_loss *loss, char *text,
                           size_t size)
{
	char certificate[256] = "";

	if (tls)
		tls_describe_certificate(tls, certificate, sizeof(certificate));
	(void)snprintf(text, size, "%s%s%s",
	               loss->is_timeout ? "the TLS handshake timed out"
	                                : loss->text,
	               *certificate ? "; it is " : "", certificate);
}

/* Adds behind what is there, with a separator. */
static void add(char *text, size_t size, const char *separator,
                const char *format, ...) __attribute__((format(printf, 4, 5)));
static void add(char *text, size_t size, const char *separator,
                const char *format, ...)
{
	size_t len = strlen(text);
	va_list args;
	int n;

	n = snprintf(text + len, size - len, "%s", len > 0 ? separator : "");
	if (n < 0 || (size_t)n >= size - len)
		return;
	len += (size_t)n;
	va_start(args, format);
	(void)vsnprintf(text + len, size - len, format, args);
	va_end(args);
}

void probe_words_offer(const struct smtp_capabilities *offer, char *text,
                       size_t size)
{
	static const struct {
		unsigned extension;
		const char *name;
	} extensions[] = {
		{ SMTP_EXT_STARTTLS, "STARTTLS" },
		{ SMTP_EXT_PIPELINING, "PIPELINING" },
		{ SMTP_EXT_8BITMIME, "8BITMIME" },
		{ SMTP_EXT_SMTPUTF8, "SMTPUTF8" },
		{ SMTP_EXT_DSN, "DSN" },
		{ SMTP_EXT_CHUNKING, "CHUNKING" },
		{ SMTP_EXT_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES" },
	};
	bool has_login = false;

	*text = '\0';
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++)
		if (offer->extensions & extensions[i].extension)
			add(text, size, " ", "%s", extensions[i].name);
	for (unsigned bit = 0; bit < 32; bit++) {
		const char *name = offer->mechanisms & 1u << bit
		                       ? smtp_mechanism_name(1u << bit)
		                       : NULL;

		if (!name)
			continue;
		add(text, size, has_login ? " " : "; AUTH ", "%s%s",
		    has_login || *text ? "" : "AUTH ", name);
		has_login = true;
	}
	if (offer->size_max_bytes > 0)
		add(text, size, "; ", "messages up to %" PRIu64 " octets",
		    offer->size_max_bytes);
	if (offer->rcpt_max > 0)
		add(text, size, "; ", "%" PRIu32 " recipients at a time",
		    offer->rcpt_max);
	if (*text == '\0')
		add(text, size, "", "no extensions");
}

void probe_words_login(const struct relay_settings *relay,
                       const char *mechanism, char *text, size_t size)
{
	(void)snprintf(text, size, "as %s by %s",
	               relay->username ? relay->username : "our certificate",
	               mechanism ? mechanism : "?");
}

void probe_words_fault(const struct verdict *fault, char *text, size_t size)
{
	const uint16_t *enhanced = fault->enhanced;

	if (fault->code == 0)
		(void)snprintf(text, size, "%s", fault->text);
	else if (enhanced[0] == 0)
		(void)snprintf(text, size, "%u %s", fault->code, fault->text);
	else
		(void)snprintf(text, size, "%u %u.%u.%u %s", fault->code,
		               enhanced[0], enhanced[1], enhanced[2],
		               fault->text);
}
