#include "config.h"

#include "smtp/dot_stuffing.h"

#include <string.h>

/*
 * Bare CRs never get as far as the encoder. If they did, it would look for the
 * next LF once for each of them: not further than this.
 */
#define ENCODER_WINDOW 16384

/* A NUL is looked for so far ahead, not in each line. */
#define NUL_WINDOW 1024

struct stop_at {
	/* a dot behind a CRLF */
	bool dot;
	bool nul;
};

static bool decode_held(struct dot_decoder *decoder, char next,
                        struct dot_run *ret_run);
static size_t decode_special(struct dot_decoder *decoder, const char *data,
                             size_t len, struct dot_run *ret_run);
static size_t plain_prefix(const char *data, size_t len,
                           const struct stop_at *stop_at,
                           enum dot_position *position);
static const char *skip_to_nul(const char *at, const char *stop,
                               const char *end);
static size_t drain(struct dot_decoder *decoder, const char *data, size_t len);

static const struct dot_run nothing = { "", 0 };
static const struct dot_run crlf = { "\r\n", 2 };
static const struct dot_run space = { " ", 1 };
static const struct dot_run dot = { ".", 1 };

void dot_decoder_init(struct dot_decoder *decoder)
{
	*decoder =
	    (struct dot_decoder){ .position = DOT_AT_LINE, .has_dots = true };
}

void dot_normaliser_init(struct dot_decoder *normaliser)
{
	*normaliser = (struct dot_decoder){ .position = DOT_AT_LINE };
}

size_t dot_decoder_next(struct dot_decoder *decoder, const char *data,
                        size_t len, struct dot_run *ret_run)
{
	size_t used;

	*ret_run = nothing;
	if (len == 0 || decoder->position == DOT_AT_END)
		return 0;
	if (decode_held(decoder, data[0], ret_run))
		return 1;
	if (decoder->is_damaged)
		return drain(decoder, data, len);

	used = plain_prefix(
	    data, len,
	    &(struct stop_at){ .dot = decoder->has_dots, .nul = true },
	    &decoder->position);
	if (used > 0) {
		ret_run->data = data;
		ret_run->len = used;
		return used;
	}
	return decode_special(decoder, data, len, ret_run);
}

/*
 * Resolves a byte that was held back, now that the next one is known. Returns
 * whether this next one belongs to it and is used up.
 */
static bool decode_held(struct dot_decoder *decoder, char next,
                        struct dot_run *ret_run)
{
	switch (decoder->position) {
	case DOT_AT_LINE:
	case DOT_AT_BARE_LINE:
	case DOT_IN_LINE:
	case DOT_AT_END:
		return false;
	case DOT_AT_CR:
		if (next == '\n') {
			decoder->position = DOT_AT_LINE;
			*ret_run = crlf;
			return true;
		}
		decoder->is_damaged = true;
		break;
	case DOT_AT_DOT:
		/* Whatever follows but CRLF, the dot was a stuffed one. */
		if (next == '\r') {
			decoder->position = DOT_AT_DOT_CR;
			return true;
		}
		break;
	case DOT_AT_DOT_CR:
		if (next == '\n') {
			decoder->position = DOT_AT_END;
			return true;
		}
		decoder->is_damaged = true;
		break;
	}
	decoder->position = DOT_IN_LINE;
	return false;
}

/* Bytes that are no part of a plain run: a dot, a bare LF, a CR, a NUL. */
static size_t decode_special(struct dot_decoder *decoder, const char *data,
                             size_t len, struct dot_run *ret_run)
{
	switch (data[0]) {
	case '.':
		decoder->position = DOT_AT_DOT;
		return 1;
	case '\n':
		decoder->position = DOT_AT_BARE_LINE;
		*ret_run = crlf;
		return 1;
	case '\r':
		decoder->position = DOT_AT_CR;
		return 1;
	default:
		decoder->is_damaged = true;
		return drain(decoder, data, len);
	}
}

/*
 * The longest start of data that is the same on both sides: whole lines ended
 * by CRLF, and a last one that need not be whole. One memchr() for each kind of
 * byte that could end it, the LF first: it bounds the CR, and nothing is looked
 * at twice.
 */
static size_t plain_prefix(const char *data, size_t len,
                           const struct stop_at *stop_at,
                           enum dot_position *position)
{
	const char *at = data;
	const char *end = data + len;
	const char *without_nul = stop_at->nul ? data : end;

	while (at < end) {
		const char *lf;
		const char *cr;
		const char *stop;

		if (*at == '.' && *position == DOT_AT_LINE && stop_at->dot)
			break;
		lf = memchr(at, '\n', (size_t)(end - at));
		stop = lf ? lf : end;
		cr = memchr(at, '\r', (size_t)(stop - at));
		if (cr)
			stop = cr;
		if (stop > without_nul)
			without_nul = skip_to_nul(without_nul, stop, end);
		if (stop > without_nul)
			stop = without_nul;
		if (stop > at)
			*position = DOT_IN_LINE;
		at = stop;
		if (!cr || stop != cr || cr + 1 != lf)
			break;
		*position = DOT_AT_LINE;
		at = lf + 1;
	}
	return (size_t)(at - data);
}

/* The first NUL from at on; at least up to stop, there may be none. */
static const char *skip_to_nul(const char *at, const char *stop,
                               const char *end)
{
	size_t len = (size_t)(stop - at);
	const char *nul;

	if (len < NUL_WINDOW)
		len = (size_t)(end - at) < NUL_WINDOW ? (size_t)(end - at)
		                                      : NUL_WINDOW;
	nul = memchr(at, '\0', len);
	return nul ? nul : at + len;
}

/* Looks for the end only. Content without dots has none in itself. */
static size_t drain(struct dot_decoder *decoder, const char *data, size_t len)
{
	const char *end = data + len;
	const char *at = data;

	if (!decoder->has_dots)
		return len;
	while (at < end) {
		struct dot_run ignored;
		const char *lf;

		if (decode_held(decoder, *at, &ignored)) {
			at++;
			if (decoder->position == DOT_AT_END)
				break;
			continue;
		}
		if (*at == '.' && decoder->position == DOT_AT_LINE) {
			decoder->position = DOT_AT_DOT;
			at++;
			continue;
		}
		decoder->position = DOT_IN_LINE;
		lf = memchr(at, '\n', (size_t)(end - at));
		if (!lf) {
			if (end[-1] == '\r')
				decoder->position = DOT_AT_CR;
			return len;
		}
		decoder->position =
		    lf > at && lf[-1] == '\r' ? DOT_AT_LINE : DOT_AT_BARE_LINE;
		at = lf + 1;
	}
	return (size_t)(at - data);
}

bool dot_decoder_is_at_end(const struct dot_decoder *decoder)
{
	return decoder->position == DOT_AT_END;
}

void dot_normaliser_finish(struct dot_decoder *normaliser,
                           struct dot_run *ret_run)
{
	*ret_run = nothing;
	if (normaliser->position == DOT_AT_CR)
		normaliser->is_damaged = true;
	if (normaliser->position == DOT_IN_LINE)
		*ret_run = crlf;
	normaliser->position = DOT_AT_LINE;
}

void dot_encoder_init(struct dot_encoder *encoder)
{
	encoder->position = DOT_AT_LINE;
}

size_t dot_encoder_next(struct dot_encoder *encoder, const char *data,
                        size_t len, struct dot_run *ret_run)
{
	size_t used;

	*ret_run = nothing;
	if (len == 0)
		return 0;
	if (encoder->position == DOT_AT_CR) {
		bool is_line_end = data[0] == '\n';

		encoder->position = is_line_end ? DOT_AT_LINE : DOT_IN_LINE;
		*ret_run = is_line_end ? crlf : space;
		return is_line_end;
	}
	if (encoder->position == DOT_AT_LINE && data[0] == '.') {
		/* The second dot is the first byte of the next run. */
		encoder->position = DOT_IN_LINE;
		*ret_run = dot;
		return 0;
	}

	used =
	    plain_prefix(data, len < ENCODER_WINDOW ? len : ENCODER_WINDOW,
	                 &(struct stop_at){ .dot = true }, &encoder->position);
	if (used > 0) {
		ret_run->data = data;
		ret_run->len = used;
		return used;
	}
	if (data[0] == '\n') {
		encoder->position = DOT_AT_LINE;
		*ret_run = crlf;
	} else {
		encoder->position = DOT_AT_CR;
	}
	return 1;
}

void dot_encoder_finish(struct dot_encoder *encoder, struct dot_run *ret_run)
{
	static const char end[] = "\r\n.\r\n";

	ret_run->data = end;
	ret_run->len = sizeof(end) - 1;
	if (encoder->position == DOT_AT_LINE) {
		ret_run->data += 2;
		ret_run->len -= 2;
	}
	encoder->position = DOT_AT_END;
}
