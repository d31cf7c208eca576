#include "config.h"

#include "deliver/tls_certificate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/x509v3.h>

#define NAMES_MAX 4

/* Text that grows to the right, as far as there is room. */
struct words {
	char *text;
	size_t size, len;
};

static void add(struct words *words, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && words->len + 1 < words->size; i++)
		words->text[words->len++] =
		    isprint((unsigned char)text[i]) ? text[i] : '?';
	words->text[words->len] = '\0';
}

static void add_text(struct words *words, const char *text)
{
	add(words, text, strlen(text));
}

static void add_entry(struct words *words, const X509_NAME *name, int nid)
{
	int index = X509_NAME_get_index_by_NID(name, nid, -1);
	const ASN1_STRING *value;

	if (index < 0)
		return;
	value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
	add(words, (const char *)ASN1_STRING_get0_data(value),
	    (size_t)ASN1_STRING_length(value));
}

static void add_address(struct words *words, const ASN1_OCTET_STRING *address)
{
	int len = ASN1_STRING_length(address);
	char text[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(len == 4 ? AF_INET : AF_INET6,
	                ASN1_STRING_get0_data(address), text, sizeof(text));
	add_text(words, len == 4 || len == 16 ? text : "?");
}

/* RFC 9525: those that count. False: it has none. */
static bool add_names(struct words *words, X509 *certificate)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int count = names ? sk_GENERAL_NAME_num(names) : 0;
	int shown = 0;

	for (int i = 0; i < count; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS && name->type != GEN_IPADD)
			continue;
		if (shown++ == NAMES_MAX) {
			add_text(words, ", ...");
			break;
		}
		add_text(words, shown > 1 ? ", " : "");
		if (name->type == GEN_DNS)
			add(words,
			    (const char *)ASN1_STRING_get0_data(
				name->d.dNSName),
			    (size_t)ASN1_STRING_length(name->d.dNSName));
		else
			add_address(words, name->d.iPAddress);
	}
	GENERAL_NAMES_free(names);
	return shown > 0;
}

static void add_end(struct words *words, X509 *certificate)
{
	const ASN1_TIME *end = X509_get0_notAfter(certificate);
	struct tm parts;
	char date[32];
	int days = 0, seconds = 0;

	if (ASN1_TIME_to_tm(end, &parts) != 1 ||
	    ASN1_TIME_diff(&days, &seconds, NULL, end) != 1)
		return;
	if (strftime(date, sizeof(date), "%Y-%m-%d", &parts) == 0)
		return;
	add_text(words, days < 0 || seconds < 0 ? ", ended " : ", until ");
	add_text(words, date);
	(void)snprintf(date, sizeof(date), " (%d days)", days);
	if (days >= 0 && seconds >= 0)
		add_text(words, date);
}

void tls_certificate_describe(struct x509_st *certificate, char *text,
                              size_t size)
{
	struct words words = { text, size, 0 };

	*text = '\0';
	if (!certificate)
		return;
	add_text(&words, "for ");
	if (!add_names(&words, certificate)) {
		add_entry(&words, X509_get_subject_name(certificate),
		          NID_commonName);
		add_text(&words, " (in the subject only, which doesn't count)");
	}
	if (X509_self_signed(certificate, 0) == 1) {
		add_text(&words, ", signed by itself");
	} else {
		add_text(&words, ", by ");
		add_entry(&words, X509_get_issuer_name(certificate),
		          NID_organizationName);
		add_text(&words, " ");
		add_entry(&words, X509_get_issuer_name(certificate),
		          NID_commonName);
	}
	add_end(&words, certificate);
}
