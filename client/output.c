#include "config.h"

#include "output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "clock.h"

static const char *const colours[] = {
	[STYLE_PLAIN] = "",           [STYLE_GOOD] = "\033[32m",
	[STYLE_WARNING] = "\033[33m", [STYLE_BAD] = "\033[31m",
	[STYLE_DIM] = "\033[2m",      [STYLE_BOLD] = "\033[1m",
};

static unsigned terminal_width(int fd);

void output_init(struct output *output, FILE *file)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");
	bool is_terminal = isatty(fileno(file));

	output->file = file;
	output->has_colours = is_terminal && (!no_colour || !*no_colour) &&
	                      terminal && strcmp(terminal, "dumb") != 0;
	output->width = is_terminal ? terminal_width(fileno(file)) : 0;
	output->now_ms = clock_wall_ms();
}

static unsigned terminal_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns && atoi(columns) > 0)
		return (unsigned)atoi(columns);
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}

/* ------------------------------------------------------------------- text */

static size_t character_length(const char *text)
{
	size_t len = 1;

	while (((unsigned char)text[len] & 0xc0) == 0x80)
		len++;
	return len;
}

/* Valid UTF-8 as JSON gave it: C0, DEL and C1 are what terminals obey. */
static bool is_control(const char *text)
{
	unsigned char c = (unsigned char)text[0];

	return c < 0x20 || c == 0x7f ||
	       (c == 0xc2 && (unsigned char)text[1] < 0xa0);
}

static size_t character_width(const char *text)
{
	wchar_t wide;
	mbstate_t state;
	int width;

	if ((unsigned char)*text < 0x80)
		return 1;
	memset(&state, 0, sizeof(state));
	if (mbrtowc(&wide, text, character_length(text), &state) > 4)
		return 1;
	width = wcwidth(wide);
	return width < 0 ? 1 : (size_t)width;
}

size_t output_width(const char *text)
{
	size_t width = 0;

	for (; *text; text += character_length(text))
		width += character_width(text);
	return width;
}

/* At most `width` columns of it (0: all); what is cut ends in `…`. */
static void put_cut(const struct output *output, const char *text, size_t width)
{
	bool is_cut = width > 0 && output_width(text) > width;
	size_t room = is_cut ? width - 1 : SIZE_MAX;

	while (*text && character_width(text) <= room) {
		size_t len = character_length(text);

		room -= character_width(text);
		if (is_control(text))
			fputc('?', output->file);
		else
			fwrite(text, 1, len, output->file);
		text += len;
	}
	if (is_cut)
		fputs("\xe2\x80\xa6", output->file);
}

static void put_styled(const struct output *output, enum output_style style,
                       const char *text, size_t width)
{
	bool is_coloured = output->has_colours && style != STYLE_PLAIN;

	if (is_coloured)
		fputs(colours[style], output->file);
	put_cut(output, text, width);
	if (is_coloured)
		fputs("\033[0m", output->file);
}

void output_text(const struct output *output, enum output_style style,
                 const char *text)
{
	if (text)
		put_styled(output, style, text, 0);
}

void output_format(const struct output *output, enum output_style style,
                   const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put_styled(output, style, text, 0);
}

/* ------------------------------------------------------------------ words */

struct unit {
	int64_t seconds;
	const char *name;
};

static const struct unit units[] = {
	{ 86400, "d" },
	{ 3600, "h" },
	{ 60, "min" },
	{ 1, "s" },
};

void output_age(const struct output *output, int64_t at_ms,
                char out[OUTPUT_WORDS_SIZE])
{
	int64_t left_ms = at_ms - output->now_ms;
	int64_t distance = ((left_ms < 0 ? -left_ms : left_ms) + 500) / 1000;
	size_t i = 0;

	*out = '\0';
	if (at_ms == 0)
		return;
	if (distance == 0) {
		snprintf(out, OUTPUT_WORDS_SIZE, "now");
		return;
	}
	/* 100 minutes say more than 1 hour. */
	while (distance < 2 * units[i].seconds && units[i].seconds > 1)
		i++;
	snprintf(out, OUTPUT_WORDS_SIZE,
	         left_ms > 0 ? "in %" PRId64 " %s" : "%" PRId64 " %s ago",
	         distance / units[i].seconds, units[i].name);
}

void output_duration(int64_t seconds, char out[OUTPUT_WORDS_SIZE])
{
	size_t i = 0;
	int64_t rest;

	while (seconds < units[i].seconds && units[i].seconds > 1)
		i++;
	rest = seconds % units[i].seconds;
	if (units[i].seconds > 1 && rest >= units[i + 1].seconds)
		snprintf(out, OUTPUT_WORDS_SIZE,
		         "%" PRId64 " %s %" PRId64 " %s",
		         seconds / units[i].seconds, units[i].name,
		         rest / units[i + 1].seconds, units[i + 1].name);
	else
		snprintf(out, OUTPUT_WORDS_SIZE, "%" PRId64 " %s",
		         seconds / units[i].seconds, units[i].name);
}

void output_size(int64_t bytes, char out[OUTPUT_WORDS_SIZE])
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double size = (double)bytes;
	size_t i = 0;

	while (size >= 1000 && i + 1 < sizeof(names) / sizeof(names[0])) {
		size /= 1024;
		i++;
	}
	if (i == 0 || size >= 99.95)
		snprintf(out, OUTPUT_WORDS_SIZE, "%.0f %s", size, names[i]);
	else
		snprintf(out, OUTPUT_WORDS_SIZE, "%.1f %s", size, names[i]);
}

void output_number(int64_t number, char out[OUTPUT_WORDS_SIZE])
{
	char digits[24];
	size_t len, i;
	char *end = out;

	snprintf(digits, sizeof(digits), "%" PRId64, number);
	len = strlen(digits);
	for (i = 0; i < len; i++) {
		if (i > 0 && digits[i - 1] != '-' && (len - i) % 3 == 0)
			*end++ = ',';
		*end++ = digits[i];
	}
	*end = '\0';
}

void output_time(int64_t at_ms, char out[OUTPUT_WORDS_SIZE])
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm parts;

	*out = '\0';
	if (at_ms != 0 && localtime_r(&seconds, &parts))
		strftime(out, OUTPUT_WORDS_SIZE, "%Y-%m-%d %H:%M:%S", &parts);
}

int64_t output_parse_time(const char *text)
{
	int64_t at_ms;

	if (!text || clock_parse_rfc3339(text, &at_ms) < 0)
		return 0;
	return at_ms;
}

/* ----------------------------------------------------------------- tables */

#define COLUMN_GAP   2
#define SHRINK_LEAST 8

struct cell {
	enum output_style style;
	char *text;
};

struct row {
	struct row *next;
	char *note;
	struct cell cells[];
};

struct table {
	const struct column *columns;
	size_t column_count;
	struct row *first;
	struct row *last;
	size_t rows;
	size_t cells; /* of the last row */
};

static void measure(const struct table *table, size_t *widths);
static void shrink(const struct table *table, unsigned limit, size_t *widths);
static void print_titles(const struct table *table, const struct output *output,
                         const size_t *widths);
static void print_row(const struct table *table, const struct row *row,
                      const struct output *output, const size_t *widths);
static void print_cell(const struct table *table, size_t index,
                       const struct cell *cell, const struct output *output,
                       const size_t *widths);
static void put_spaces(const struct output *output, size_t count);

struct table *table_new(const struct column *columns, size_t count)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	table->column_count = count;
	table->cells = count;
	return table;
}

void table_free(struct table *table)
{
	struct row *row;

	if (!table)
		return;
	while ((row = table->first)) {
		size_t i;

		table->first = row->next;
		for (i = 0; i < table->column_count; i++)
			free(row->cells[i].text);
		free(row->note);
		free(row);
	}
	free(table);
}

void table_cell(struct table *table, enum output_style style, const char *text)
{
	struct cell *cell;

	if (table->cells == table->column_count) {
		struct row *row =
		    calloc(1, sizeof(*row) +
		                  table->column_count * sizeof(struct cell));

		if (!row)
			return;
		if (table->last)
			table->last->next = row;
		else
			table->first = row;
		table->last = row;
		table->rows++;
		table->cells = 0;
	}
	cell = &table->last->cells[table->cells++];
	cell->style = style;
	cell->text = strdup(text ? text : "");
}

void table_format(struct table *table, enum output_style style,
                  const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_cell(table, style, text);
}

void table_note(struct table *table, const char *text)
{
	if (table->last && !table->last->note)
		table->last->note = strdup(text);
}

size_t table_rows(const struct table *table)
{
	return table->rows;
}

void table_print(const struct table *table, const struct output *output)
{
	size_t *widths = calloc(table->column_count, sizeof(*widths));
	const struct row *row;

	if (!widths)
		return;
	measure(table, widths);
	if (output->width > 0)
		shrink(table, output->width, widths);
	print_titles(table, output, widths);
	for (row = table->first; row; row = row->next)
		print_row(table, row, output, widths);
	free(widths);
}

static const char *text_of(const struct cell *cell)
{
	return cell->text ? cell->text : "";
}

static void measure(const struct table *table, size_t *widths)
{
	const struct row *row;
	size_t i;

	for (i = 0; i < table->column_count; i++) {
		widths[i] = output_width(table->columns[i].title);
		for (row = table->first; row; row = row->next) {
			size_t width = output_width(text_of(&row->cells[i]));

			if (width > widths[i])
				widths[i] = width;
		}
	}
}

/* One column after the other off the widest that may shrink. */
static void shrink(const struct table *table, unsigned limit, size_t *widths)
{
	size_t total = (table->column_count - 1) * COLUMN_GAP;
	size_t i;

	for (i = 0; i < table->column_count; i++)
		total += widths[i];
	while (total > limit) {
		size_t widest = table->column_count;

		for (i = 0; i < table->column_count; i++)
			if (table->columns[i].flags & COLUMN_SHRINKS &&
			    widths[i] > SHRINK_LEAST &&
			    (widest == table->column_count ||
			     widths[i] > widths[widest]))
				widest = i;
		if (widest == table->column_count)
			return;
		widths[widest]--;
		total--;
	}
}

static void print_titles(const struct table *table, const struct output *output,
                         const size_t *widths)
{
	size_t i;

	for (i = 0; i < table->column_count; i++) {
		char title[64];
		struct cell cell = { STYLE_BOLD, title };

		snprintf(title, sizeof(title), "%s", table->columns[i].title);
		print_cell(table, i, &cell, output, widths);
	}
	fputc('\n', output->file);
}

static void print_row(const struct table *table, const struct row *row,
                      const struct output *output, const size_t *widths)
{
	size_t i;

	for (i = 0; i < table->column_count; i++)
		print_cell(table, i, &row->cells[i], output, widths);
	fputc('\n', output->file);
	if (row->note) {
		fputs("    ", output->file);
		put_styled(output, STYLE_DIM, row->note,
		           output->width > 12 ? output->width - 4 : 0);
		fputc('\n', output->file);
	}
}

/* The last column has no spaces behind it. */
static void print_cell(const struct table *table, size_t index,
                       const struct cell *cell, const struct output *output,
                       const size_t *widths)
{
	const char *text = text_of(cell);
	size_t width = output_width(text);
	size_t room = width < widths[index] ? widths[index] - width : 0;
	bool is_last = index + 1 == table->column_count;

	if (table->columns[index].flags & COLUMN_RIGHT)
		put_spaces(output, room);
	put_styled(output, cell->style, text, widths[index]);
	if (is_last)
		return;
	if (!(table->columns[index].flags & COLUMN_RIGHT))
		put_spaces(output, room);
	put_spaces(output, COLUMN_GAP);
}

static void put_spaces(const struct output *output, size_t count)
{
	while (count-- > 0)
		fputc(' ', output->file);
}
