/*
 * json_reader - walks over a JSON text without building anything
 *
 * For the few values that one knows to look for: enter an object or an array,
 * take its members one by one, read or skip each. Whatever is not as expected
 * makes the reader bad, and all further walks end at once.
 */
#ifndef RELAIS_JSON_READER_H
#define RELAIS_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_NAME_SIZE 32

struct json_reader {
	/* NUL-terminated, borrowed */
	const char *at;
	bool is_bad;
	/* does a comma come before the next member? */
	bool is_first;
};

void json_reader_init(struct json_reader *reader, const char *text);

/*
 * Enters the value if it is an object or an array. false for null, and for
 * another kind, which is skipped.
 */
bool json_reader_enter_object(struct json_reader *reader);
bool json_reader_enter_array(struct json_reader *reader);

/* The next member's name, cut to size; its value is to be read or skipped.
   false: that was the last one. */
bool json_reader_next_member(struct json_reader *reader,
                             char name[JSON_NAME_SIZE]);
bool json_reader_next_item(struct json_reader *reader);

/* A text, cut to size at a character's end; "" for null and other kinds. */
void json_reader_text(struct json_reader *reader, char *out, size_t size);
/* 0 for null and other kinds. */
int64_t json_reader_number(struct json_reader *reader);
void json_reader_skip(struct json_reader *reader);

/* Why relaisd refuses: the message of {"error": {"code", "message", …}}. */
void json_reader_refusal(const char *answer, char *out, size_t size);

#endif
