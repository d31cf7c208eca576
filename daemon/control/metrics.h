/*
 * metrics - the queue and the relays as numbers, in Prometheus' text format
 *
 * Thread: the control loop.
 */
#ifndef RELAIS_CONTROL_METRICS_H
#define RELAIS_CONTROL_METRICS_H

struct buffer;
struct control;
struct scheduler_query;
struct settings;

#define METRICS_MAX  (4 * 1024 * 1024)
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends all families to a buffer of METRICS_MAX. 0 or -errno. */
int metrics_print(struct buffer *out, const struct control *control,
                  const struct scheduler_query *scheduler,
                  const struct settings *settings);

#endif
