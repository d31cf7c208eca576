/*
 * output - what people read: tables, colours, times and sizes in words
 *
 * Texts from the daemon may be anybody's; control characters never reach the
 * terminal. Colours and the width are the terminal's; elsewhere there are no
 * colours (nor with NO_COLOR or TERM=dumb) and lines are as long as they are.
 */
#ifndef RELAIS_OUTPUT_H
#define RELAIS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum output_style {
	STYLE_PLAIN,
	STYLE_GOOD,
	STYLE_WARNING,
	STYLE_BAD,
	STYLE_DIM,
	STYLE_BOLD,
};

struct output {
	FILE *file;
	bool has_colours;
	unsigned width; /* columns; 0: unlimited */
	int64_t now_ms; /* wall; what times are relative to */
};

/* Asks the environment and the terminal behind `file`. */
void output_init(struct output *output, FILE *file);

/* Text in a style, control characters replaced; NULL is nothing. */
void output_text(const struct output *output, enum output_style style,
                 const char *text);
void output_format(const struct output *output, enum output_style style,
                   const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Columns a text takes. */
size_t output_width(const char *text);

#define OUTPUT_WORDS_SIZE 64

/* "12 s ago", "in 4 min", "now"; "" for 0. */
void output_age(const struct output *output, int64_t at_ms,
                char out[OUTPUT_WORDS_SIZE]);
/* "3 d 4 h" */
void output_duration(int64_t seconds, char out[OUTPUT_WORDS_SIZE]);
/* "4.1 KiB" */
void output_size(int64_t bytes, char out[OUTPUT_WORDS_SIZE]);
/* "12,345" */
void output_number(int64_t number, char out[OUTPUT_WORDS_SIZE]);
/* "2026-11-23 18:40:01", local time; "" for 0. */
void output_time(int64_t at_ms, char out[OUTPUT_WORDS_SIZE]);

/* RFC 3339 to ms; 0 for NULL and nonsense. */
int64_t output_parse_time(const char *text);

/* ----------------------------------------------------------------- tables */

enum column_flag {
	COLUMN_RIGHT = 1 << 0,
	/* Gives way where the terminal is too narrow. */
	COLUMN_SHRINKS = 1 << 1,
};

struct column {
	const char *title;
	unsigned flags;
};

struct table;

/* columns: borrowed until table_free(). NULL without memory. */
struct table *table_new(const struct column *columns, size_t count);
void table_free(struct table *table);
/* One cell after the other, row after row; texts are copied. */
void table_cell(struct table *table, enum output_style style, const char *text);
void table_format(struct table *table, enum output_style style,
                  const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A line of its own below the row that was just completed. */
void table_note(struct table *table, const char *text);
size_t table_rows(const struct table *table);
void table_print(const struct table *table, const struct output *output);

#endif
