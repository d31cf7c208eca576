/*
 * log - one event, one line, keys in a fixed order
 *
 * The grammar is in relaisd(8); the tests parse every line by it. A line is
 * built on the stack, quoted and escaped here so that no peer can forge one,
 * and written by a thread of its own: the caller never waits for the terminal
 * or the journal. What the bounded ring cannot take is counted and said in a
 * later line.
 *
 * Thread: any, after log_start(); before it, lines go straight to stderr.
 */
#ifndef RELAIS_RUNTIME_LOG_H
#define RELAIS_RUNTIME_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* The journal's numbers (syslog(3)). */
enum log_level {
	LOG_LEVEL_ERR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

#define LOG_LINE_MAX   2048
#define LOG_FIELDS_MAX 3072

struct log_line {
	enum log_level level;
	bool is_wanted;
	bool is_full;
	unsigned len, fields_len;
	char text[LOG_LINE_MAX];
	char fields[LOG_FIELDS_MAX];
};

/* Starts the log thread. Where stderr is the journal, values become fields. */
int log_start(enum log_level level);
/* Writes what waits, then ends the thread. */
void log_stop(void);
void log_set_level(enum log_level level);
bool log_is_wanted(enum log_level level);

/* event=NAME opens every line; then its values; log_end() hands it over. */
void log_begin(struct log_line *line, enum log_level level, const char *event);
void log_text(struct log_line *line, const char *key, const char *value);
void log_number(struct log_line *line, const char *key, int64_t value);
void log_id(struct log_line *line, const char *key, uint64_t queue_id);
void log_end(struct log_line *line);

/* For what is no mail event: event=NAME message="…". */
void log_message(enum log_level level, const char *event, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));

/* Lines dropped since the start because the ring was full. */
uint64_t log_dropped(void);

#endif
