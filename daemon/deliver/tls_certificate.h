/*
 * tls_certificate - a certificate in words
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_TLS_CERTIFICATE_H
#define RELAIS_DELIVER_TLS_CERTIFICATE_H

#include <stddef.h>

/* OpenSSL's X509, by its own name. */
struct x509_st;

/*
 * "for mx.example.com, *.example.com, by Example CA, until 2027-01-31 (41
 * days)". Whatever is in it, the text is printable ASCII. NULL: "".
 */
void tls_certificate_describe(struct x509_st *certificate, char *text,
                              size_t size);

#endif
