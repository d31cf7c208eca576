/*
 * metrics_port - GET /metrics on a loopback port
 *
 * As little HTTP as Prometheus needs, and bounded: anybody on this host can
 * connect, so there are few connections, short ones, with one answer each.
 *
 * Thread: that of its base.
 */
#ifndef RELAIS_CONTROL_METRICS_PORT_H
#define RELAIS_CONTROL_METRICS_PORT_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct metrics_port;

/* Listens on 127.0.0.1 and, where there is IPv6, on ::1. 0 or -errno. */
int metrics_port_new(struct metrics_port **ret_port, struct event_base *base,
                     uint16_t number);
void metrics_port_free(struct metrics_port *port);

/* What is answered from now on; before the first text: 503. Copied. */
void metrics_port_set_text(struct metrics_port *port, const char *text,
                           size_t len);

#endif
