/* Content on and off the wire, cut anywhere, against a plain reading of the
   rules. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/dot_stuffing.h"

#define ROOM 256

struct text {
	char data[ROOM];
	size_t len;
};

static void add(struct text *text, const char *data, size_t len)
{
	assert_true(len <= ROOM - text->len);
	memcpy(text->data + text->len, data, len);
	text->len += len;
}

/* Feeds two pieces; returns how much was consumed of both together. */
static size_t decode(struct dot_decoder *decoder, const char *data, size_t len,
                     size_t cut, struct text *out)
{
	size_t used = 0;

	while (used < len && !dot_decoder_is_at_end(decoder)) {
		size_t end = used < cut ? cut : len;
		struct dot_run run;
		size_t n;

		n = dot_decoder_next(decoder, data + used, end - used, &run);
		assert_in_range(n, 1, end - used);
		add(out, run.data, run.len);
		used += n;
	}
	return used;
}

static void encode(const char *data, size_t len, size_t cut, struct text *out)
{
	struct dot_encoder encoder;
	struct dot_run run;
	size_t used = 0;

	dot_encoder_init(&encoder);
	while (used < len) {
		size_t end = used < cut ? cut : len;
		size_t n;

		n = dot_encoder_next(&encoder, data + used, end - used, &run);
		assert_true(n > 0 || run.len > 0);
		add(out, run.data, run.len);
		used += n;
	}
	dot_encoder_finish(&encoder, &run);
	add(out, run.data, run.len);
}

/* The rules, said as simply as can be; text is what follows DATA CRLF. */
static size_t decode_plainly(const char *text, size_t len, struct text *out,
                             bool *ret_is_damaged)
{
	struct text wire = { "\r\n", 2 };
	const char *end;

	add(&wire, text, len);
	end = memmem(wire.data, wire.len, "\r\n.\r\n", 5);
	assert_non_null(end);
	*ret_is_damaged = false;
	for (const char *c = wire.data + 2; c < end + 2; c++) {
		bool is_dot_of_line =
		    *c == '.' && c[-1] == '\n' && c[-2] == '\r';

		if (*c == '\0' || (*c == '\r' && c[1] != '\n'))
			*ret_is_damaged = true;
		if (*c == '\n')
			add(out, c[-1] == '\r' ? "\n" : "\r\n",
			    c[-1] == '\r' ? 1 : 2);
		else if (!is_dot_of_line)
			add(out, c, 1);
	}
	return (size_t)(end + 5 - wire.data) - 2;
}

static void check_in_every_cut(const char *text, size_t len)
{
	struct text expected = { "", 0 };
	bool is_damaged;
	size_t end = decode_plainly(text, len, &expected, &is_damaged);

	for (size_t cut = 0; cut <= len; cut++) {
		struct dot_decoder decoder;
		struct text found = { "", 0 };

		dot_decoder_init(&decoder);
		assert_int_equal(decode(&decoder, text, len, cut, &found), end);
		assert_true(dot_decoder_is_at_end(&decoder));
		assert_int_equal(decoder.is_damaged, is_damaged);
		if (is_damaged)
			continue;
		assert_int_equal(found.len, expected.len);
		assert_memory_equal(found.data, expected.data, found.len);
	}
}

/* Goes through all texts of so many characters of the alphabet. */
static void for_all(const char *alphabet, size_t count, size_t len,
                    void (*check)(const char *text, size_t len))
{
	char text[ROOM / 4];
	size_t total = 1;

	for (size_t i = 0; i < len; i++)
		total *= count;
	for (size_t n = 0; n < total; n++) {
		size_t rest = n;

		for (size_t i = 0; i < len; i++, rest /= count)
			text[i] = alphabet[rest % count];
		check(text, len);
	}
}

static void check_decoder(const char *text, size_t len)
{
	struct text wire = { "", 0 };

	add(&wire, text, len);
	add(&wire, "\r\n.\r\nQUIT\r\n", 11);
	check_in_every_cut(wire.data, wire.len);
}

static void decodes_every_short_text_in_every_cut(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 6; len++)
		for_all("\r\n.a", 4, len, check_decoder);
	for_all("\r\n.a\0", 5, 4, check_decoder);
}

static void finds_a_nul_however_far_behind(void **state)
{
	char text[3000];

	(void)state;
	for (size_t at = 0; at < sizeof(text); at++) {
		struct dot_decoder decoder;
		struct dot_run run;

		memset(text, 'a', sizeof(text));
		for (size_t i = 77; i < sizeof(text); i += 78)
			memcpy(text + i - 1, "\r\n", 2);
		text[at] = '\0';
		/* One that breaks a CRLF is not the only thing wrong. */
		if (at % 78 == 76 || at % 78 == 77)
			continue;
		dot_decoder_init(&decoder);
		if (at > 0)
			assert_int_equal(dot_decoder_next(&decoder, text,
			                                  sizeof(text), &run),
			                 at);
		assert_false(decoder.is_damaged);
		(void)dot_decoder_next(&decoder, text + at, sizeof(text) - at,
		                       &run);
		assert_true(decoder.is_damaged);
	}
}

static void no_smuggled_sequence_ends_the_content(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} sequences[] = {
		{ "\n.\n", 3 },         { "\n.\r\n", 4 },
		{ "\r.\r", 3 },         { "\r.\n", 3 },
		{ "\r.\r\n", 4 },       { "\r\n.\r", 4 },
		{ "\r\n.\n", 4 },       { "\n.\r", 3 },
		{ "\r\n\0.\r\n", 6 },   { "\r\n.\0\r\n", 6 },
		{ "\r\n.\r\0\n", 6 },   { "\0\r\n..\r\n", 7 },
		{ "\r\r\n.\r\r\n", 7 }, { "\r\n.\r\r\n", 6 },
		{ "\n\n.\r\n", 5 },     { "\r\n. \r\n", 6 },
		{ "\r\n..\r\n", 6 },    { "\r\n.\r.\r\n", 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
		struct text wire = { "a", 1 };
		struct dot_decoder decoder;
		struct text found = { "", 0 };
		size_t hidden;

		add(&wire, sequences[i].text, sequences[i].len);
		hidden = wire.len;
		add(&wire, "MAIL FROM:<evil@x>\r\nDATA\r\n", 26);
		add(&wire, "\r\n.\r\nQUIT\r\n", 11);
		check_in_every_cut(wire.data, wire.len);

		dot_decoder_init(&decoder);
		assert_int_equal(
		    decode(&decoder, wire.data, wire.len, hidden, &found),
		    wire.len - 6);
	}
}

static void check_encoder(const char *text, size_t len)
{
	for (size_t cut = 0; cut <= len; cut++) {
		struct text again = { "", 0 };
		struct text wire = { "", 0 };
		struct text plain = { "", 0 };
		struct dot_decoder decoder;

		encode(text, len, cut, &wire);
		for (size_t i = 0; i < wire.len; i++) {
			if (wire.data[i] == '\r')
				assert_int_equal(wire.data[i + 1], '\n');
			if (wire.data[i] == '\n')
				assert_true(i > 0 && wire.data[i - 1] == '\r');
		}
		/* The one end it has is at its end. */
		dot_decoder_init(&decoder);
		assert_int_equal(
		    decode(&decoder, wire.data, wire.len, wire.len, &plain),
		    wire.len);
		assert_true(dot_decoder_is_at_end(&decoder));
		assert_false(decoder.is_damaged);
		encode(plain.data, plain.len, 0, &again);
		assert_int_equal(again.len, wire.len);
		assert_memory_equal(again.data, wire.data, wire.len);
	}
}

static void encodes_every_short_text_in_every_cut(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 6; len++)
		for_all("\r\n.a", 4, len, check_encoder);
}

static void encodes_as(const char *text, const char *wire)
{
	struct text found = { "", 0 };

	encode(text, strlen(text), 0, &found);
	assert_int_equal(found.len, strlen(wire));
	assert_memory_equal(found.data, wire, found.len);
}

static void adds_dots_and_line_ends_where_they_belong(void **state)
{
	(void)state;
	encodes_as("", ".\r\n");
	encodes_as("a\r\n", "a\r\n.\r\n");
	encodes_as("a", "a\r\n.\r\n");
	encodes_as(".\r\n", "..\r\n.\r\n");
	encodes_as("a\r\n..b\r\n", "a\r\n...b\r\n.\r\n");
	encodes_as("a.b\r\n", "a.b\r\n.\r\n");
	encodes_as("a\n.b\n", "a\r\n..b\r\n.\r\n");
	encodes_as("a\rb\r\n", "a b\r\n.\r\n");
	encodes_as("a\r", "a\r\n.\r\n");
}

static void check_normaliser(const char *text, size_t len)
{
	struct text expected = { "", 0 };
	bool is_damaged = false;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\r' && (i + 1 == len || text[i + 1] != '\n'))
			is_damaged = true;
		if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))
			add(&expected, "\r", 1);
		add(&expected, text + i, 1);
	}
	if (len > 0 && text[len - 1] != '\n')
		add(&expected, "\r\n", 2);
	for (size_t cut = 0; cut <= len; cut++) {
		struct dot_decoder normaliser;
		struct text found = { "", 0 };
		struct dot_run run;

		dot_normaliser_init(&normaliser);
		assert_int_equal(decode(&normaliser, text, len, cut, &found),
		                 len);
		dot_normaliser_finish(&normaliser, &run);
		add(&found, run.data, run.len);
		assert_int_equal(normaliser.is_damaged, is_damaged);
		if (is_damaged)
			continue;
		assert_int_equal(found.len, expected.len);
		assert_memory_equal(found.data, expected.data, found.len);
	}
}

static void normalises_every_short_text_in_every_cut(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 6; len++)
		for_all("\r\n.a", 4, len, check_normaliser);
}

static void gives_ordinary_text_in_one_run(void **state)
{
	static const char text[] = "one\r\ntwo\r\n\r\nthree.\r\n";
	struct dot_decoder decoder;
	struct dot_run run;

	(void)state;
	dot_decoder_init(&decoder);
	assert_int_equal(dot_decoder_next(&decoder, text, strlen(text), &run),
	                 strlen(text));
	assert_ptr_equal(run.data, text);
	assert_int_equal(run.len, strlen(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_every_short_text_in_every_cut),
		cmocka_unit_test(finds_a_nul_however_far_behind),
		cmocka_unit_test(no_smuggled_sequence_ends_the_content),
		cmocka_unit_test(encodes_every_short_text_in_every_cut),
		cmocka_unit_test(adds_dots_and_line_ends_where_they_belong),
		cmocka_unit_test(normalises_every_short_text_in_every_cut),
		cmocka_unit_test(gives_ordinary_text_in_one_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
