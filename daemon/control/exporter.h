/*
 * exporter - the metrics for those who do not ask at the control socket
 *
 * metrics.textfile is written anew every ten seconds, for node_exporter;
 * metrics.port answers GET /metrics on loopback. Both have the same text,
 * which is made once for all: whoever asks often costs the queue nothing.
 *
 * Thread: the control loop.
 */
#ifndef RELAIS_CONTROL_EXPORTER_H
#define RELAIS_CONTROL_EXPORTER_H

struct control;
struct exporter;

/*
 * Without either setting it does nothing. A port that cannot be had is logged:
 * mail goes on without metrics.
 */
struct exporter *exporter_new(struct control *control);

/* Nothing new begins; what is under way comes home before exporter_free(). */
void exporter_stop(struct exporter *exporter);
void exporter_free(struct exporter *exporter);

#endif
