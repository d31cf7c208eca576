/*
 * line_translator - the lines of an SMTP client that knows no CRLF
 *
 * Follows the client far enough to tell commands, content and chunks apart.
 */
#include "config.h"

#include "sendmail_smtp.h"

#include <string.h>
#include <strings.h>

static void end_line(struct line_translator *translator);
static int pass_chunk(struct line_translator *translator, const char **data,
                      size_t *len, struct buffer *out);
static int pass_line(struct line_translator *translator, const char **data,
                     size_t *len, struct buffer *out);

int line_translator_feed(struct line_translator *translator, const char *data,
                         size_t len, struct buffer *out)
{
	int r = 0;

	while (len > 0 && r == 0) {
		if (translator->ends == LINE_ENDS_CRLF) {
			r = buffer_append(out, data, len);
			break;
		}
		if (translator->chunk_left > 0)
			r = pass_chunk(translator, &data, &len, out);
		else
			r = pass_line(translator, &data, &len, out);
	}
	return r;
}

static int pass_chunk(struct line_translator *translator, const char **data,
                      size_t *len, struct buffer *out)
{
	size_t part = *len < translator->chunk_left
	                  ? *len
	                  : (size_t)translator->chunk_left;
	int r = buffer_append(out, *data, part);

	translator->chunk_left -= part;
	*data += part;
	*len -= part;
	return r;
}

/* A line, or the part of it that has come. */
static int pass_line(struct line_translator *translator, const char **data,
                     size_t *len, struct buffer *out)
{
	const char *lf = memchr(*data, '\n', *len);
	size_t part = lf ? (size_t)(lf - *data) : *len;
	size_t room = sizeof(translator->line) - 1 - translator->line_len;
	bool has_cr = part > 0 ? (*data)[part - 1] == '\r' : translator->was_cr;
	int r;

	memcpy(translator->line + translator->line_len, *data,
	       part < room ? part : room);
	translator->line_len += part < room ? part : room;
	translator->was_cr = has_cr;
	r = buffer_append(out, *data, part);
	if (r == 0 && lf) {
		if (translator->ends == LINE_ENDS_UNKNOWN)
			translator->ends =
			    has_cr ? LINE_ENDS_CRLF : LINE_ENDS_LF;
		r = buffer_append_string(out, has_cr ? "\n" : "\r\n");
		end_line(translator);
	}
	*data += lf ? part + 1 : part;
	*len -= lf ? part + 1 : part;
	return r;
}

/* What does this line make of those that follow? */
static void end_line(struct line_translator *translator)
{
	char *line = translator->line;
	size_t len = translator->line_len;

	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
		len--;
	line[len] = '\0';
	translator->line_len = 0;
	translator->was_cr = false;
	if (translator->is_in_data) {
		translator->is_in_data = strcmp(line, ".") != 0;
	} else if (strcasecmp(line, "DATA") == 0) {
		translator->is_in_data = true;
	} else if (strncasecmp(line, "BDAT ", 5) == 0) {
		for (const char *at = line + 5; *at >= '0' && *at <= '9'; at++)
			translator->chunk_left =
			    translator->chunk_left * 10 + (uint64_t)(*at - '0');
	}
}
