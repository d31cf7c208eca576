/*
 * probe_words - what a probe has seen, for people
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_PROBE_WORDS_H
#define RELAIS_DELIVER_PROBE_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "deliver/probe.h"
#include "smtp/verdict.h"

struct connection_loss;
struct relay_settings;
struct smtp_capabilities;
struct tls;
struct transport_address;

/* Which step something at this place of the dialogue belongs to. */
enum probe_step probe_words_step(enum smtp_phase phase);

/* "192.0.2.1:587" */
void probe_words_address(const struct transport_address *address, uint16_t port,
                         char *text, size_t size);
void probe_words_tls(const struct tls *tls, char *text, size_t size);
/* The certificate that wasn't accepted is told of, too. */
void probe_words_handshake(const struct tls *tls,
                           const struct connection_loss *loss, char *text,
                           size_t size);
void probe_words_offer(const struct smtp_capabilities *offer, char *text,
                       size_t size);
/* mechanism may be NULL */
void probe_words_login(const struct relay_settings *relay,
                       const char *mechanism, char *text, size_t size);
/* "535 5.7.8 Username and Password not accepted" */
void probe_words_fault(const struct verdict *fault, char *text, size_t size);

#endif
