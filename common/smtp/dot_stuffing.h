/*
 * dot_stuffing - message content on and off the wire (RFC 5321 4.5.2)
 *
 * Three little machines, each fed with pieces cut at any byte and each giving
 * back runs: stretches of bytes borrowed from the piece (or constant), as long
 * as they can be. Nothing is copied here.
 *
 * decoder     content of DATA to lines that end in CRLF: removes the dot after
 *             a CRLF, ends at CRLF.CRLF and nothing else
 * normaliser  the same without dots and without an end (BDAT)
 * encoder     lines to the content of DATA: adds dots, ends in CRLF.CRLF
 *
 * Reading, a bare LF is a line end and comes out as CRLF; a bare CR or a NUL
 * sets is_damaged. Writing, no bare CR or LF ever leaves: a bare LF becomes
 * CRLF, a bare CR becomes a space.
 */
#ifndef RELAIS_SMTP_DOT_STUFFING_H
#define RELAIS_SMTP_DOT_STUFFING_H

#include <stdbool.h>
#include <stddef.h>

struct dot_run {
	const char *data;
	size_t len;
};

enum dot_position {
	/* behind a CRLF, or at the very start */
	DOT_AT_LINE,
	/* behind a bare LF */
	DOT_AT_BARE_LINE,
	DOT_IN_LINE,
	/* a CR is held back: is it the first half of CRLF? */
	DOT_AT_CR,
	/* CRLF and a dot that is held back */
	DOT_AT_DOT,
	/* CRLF, a dot and a CR */
	DOT_AT_DOT_CR,
	/* behind CRLF.CRLF */
	DOT_AT_END,
};

struct dot_decoder {
	enum dot_position position;
	/* is a dot at the start of a line special? */
	bool has_dots;
	/* there was a bare CR or a NUL: runs are of no use any more */
	bool is_damaged;
};

void dot_decoder_init(struct dot_decoder *decoder);
void dot_normaliser_init(struct dot_decoder *normaliser);

/*
 * Decodes the start of data and returns how many bytes that were (at least one
 * if len is not 0 and the end was not reached); the run they stand for may be
 * empty. Call again for the rest. Consumes nothing behind CRLF.CRLF.
 */
size_t dot_decoder_next(struct dot_decoder *decoder, const char *data,
                        size_t len, struct dot_run *ret_run);

/* Was CRLF.CRLF read? */
bool dot_decoder_is_at_end(const struct dot_decoder *decoder);

/*
 * The content of BDAT is over: gives the CRLF that a last line without an end
 * lacks, notices a CR that nothing followed.
 */
void dot_normaliser_finish(struct dot_decoder *normaliser,
                           struct dot_run *ret_run);

struct dot_encoder {
	enum dot_position position;
};

void dot_encoder_init(struct dot_encoder *encoder);

/*
 * As dot_decoder_next(), but may give a run without consuming anything: what
 * is to be sent before data. Call again until all is consumed.
 */
size_t dot_encoder_next(struct dot_encoder *encoder, const char *data,
                        size_t len, struct dot_run *ret_run);

/* The end: a missing CRLF, the dot and its CRLF. */
void dot_encoder_finish(struct dot_encoder *encoder, struct dot_run *ret_run);

#endif
