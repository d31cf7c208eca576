#include "config.h"

#include "json_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void skip_space(struct json_reader *reader);
static bool enter(struct json_reader *reader, char open);
static bool next(struct json_reader *reader, char close);
static void read_string(struct json_reader *reader, char *out, size_t size);
static size_t read_escape(struct json_reader *reader, char utf8[4]);

void json_reader_init(struct json_reader *reader, const char *text)
{
	*reader = (struct json_reader){ .at = text };
}

static void skip_space(struct json_reader *reader)
{
	reader->at += strspn(reader->at, " \t\r\n");
}

bool json_reader_enter_object(struct json_reader *reader)
{
	return enter(reader, '{');
}

bool json_reader_enter_array(struct json_reader *reader)
{
	return enter(reader, '[');
}

static bool enter(struct json_reader *reader, char open)
{
	if (reader->is_bad)
		return false;
	skip_space(reader);
	if (*reader->at != open) {
		json_reader_skip(reader);
		return false;
	}
	reader->at++;
	reader->is_first = true;
	return true;
}

bool json_reader_next_member(struct json_reader *reader,
                             char name[JSON_NAME_SIZE])
{
	if (!next(reader, '}'))
		return false;
	read_string(reader, name, JSON_NAME_SIZE);
	skip_space(reader);
	if (*reader->at != ':')
		reader->is_bad = true;
	else
		reader->at++;
	return !reader->is_bad;
}

bool json_reader_next_item(struct json_reader *reader)
{
	return next(reader, ']');
}

static bool next(struct json_reader *reader, char close)
{
	bool is_first = reader->is_first;

	if (reader->is_bad)
		return false;
	reader->is_first = false;
	skip_space(reader);
	if (*reader->at == close) {
		reader->at++;
		return false;
	}
	if (is_first)
		return true;
	if (*reader->at != ',') {
		reader->is_bad = true;
		return false;
	}
	reader->at++;
	skip_space(reader);
	return true;
}

void json_reader_text(struct json_reader *reader, char *out, size_t size)
{
	out[0] = '\0';
	skip_space(reader);
	if (*reader->at == '"')
		read_string(reader, out, size);
	else
		json_reader_skip(reader);
}

int64_t json_reader_number(struct json_reader *reader)
{
	int64_t number = 0;

	skip_space(reader);
	if (*reader->at == '-' || (*reader->at >= '0' && *reader->at <= '9'))
		number = strtoll(reader->at, NULL, 10);
	json_reader_skip(reader);
	return number;
}

/* Brackets are counted, not matched: the writer is one we trust to match. */
void json_reader_skip(struct json_reader *reader)
{
	size_t depth = 0;
	char nothing[1];

	if (reader->is_bad)
		return;
	do {
		skip_space(reader);
		switch (*reader->at) {
		case '\0':
			reader->is_bad = true;
			break;
		case '"':
			read_string(reader, nothing, sizeof(nothing));
			break;
		case '{':
		case '[':
			depth++;
			reader->at++;
			break;
		case '}':
		case ']':
			if (depth == 0) {
				reader->is_bad = true;
				break;
			}
			depth--;
			reader->at++;
			break;
		case ',':
		case ':':
			if (depth == 0)
				reader->is_bad = true;
			reader->at++;
			break;
		default:
			reader->at += strcspn(reader->at, " \t\r\n,:]}\"");
			break;
		}
	} while (depth > 0 && !reader->is_bad);
	reader->is_first = false;
}

static void read_string(struct json_reader *reader, char *out, size_t size)
{
	size_t len = 0;
	bool is_full = false;

	if (*reader->at != '"')
		reader->is_bad = true;
	else
		reader->at++;
	while (!reader->is_bad && *reader->at != '"') {
		char utf8[4];
		size_t width = 1;

		if (*reader->at == '\0') {
			reader->is_bad = true;
			break;
		}
		if (*reader->at == '\\')
			width = read_escape(reader, utf8);
		else
			utf8[0] = *reader->at++;
		is_full = is_full || len + width >= size;
		if (is_full)
			continue;
		memcpy(out + len, utf8, width);
		len += width;
	}
	if (!reader->is_bad)
		reader->at++;
	/* Cut inside a character: none of it is kept. */
	while (is_full && len > 0 && ((unsigned char)out[len - 1] & 0x80))
		len--;
	out[len] = '\0';
}

/* \uXXXX; 0 and bad where that is not what follows. */
static unsigned read_hex(struct json_reader *reader)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++) {
		const char *digits = "0123456789abcdef0123456789ABCDEF";
		const char *digit =
		    *reader->at ? strchr(digits, *reader->at) : NULL;

		if (!digit) {
			reader->is_bad = true;
			return 0;
		}
		value = value << 4 | (unsigned)((digit - digits) & 15);
		reader->at++;
	}
	return value;
}

/* RFC 8259 7 */
static size_t read_escape(struct json_reader *reader, char utf8[4])
{
	static const char letters[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";
	const char *letter;
	unsigned point;

	reader->at++;
	letter = *reader->at ? strchr(letters, *reader->at) : NULL;
	if (letter) {
		reader->at++;
		utf8[0] = values[letter - letters];
		return 1;
	}
	if (*reader->at != 'u') {
		reader->is_bad = true;
		return 0;
	}
	reader->at++;
	point = read_hex(reader);
	if (point >= 0xd800 && point < 0xdc00 && reader->at[0] == '\\' &&
	    reader->at[1] == 'u') {
		reader->at += 2;
		point = 0x10000 + ((point - 0xd800) << 10) +
		        ((read_hex(reader) - 0xdc00) & 0x3ff);
	}
	if (point < 0x80) {
		utf8[0] = (char)point;
		return 1;
	}
	if (point < 0x800) {
		utf8[0] = (char)(0xc0 | point >> 6);
		utf8[1] = (char)(0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000) {
		utf8[0] = (char)(0xe0 | point >> 12);
		utf8[1] = (char)(0x80 | (point >> 6 & 0x3f));
		utf8[2] = (char)(0x80 | (point & 0x3f));
		return 3;
	}
	utf8[0] = (char)(0xf0 | point >> 18);
	utf8[1] = (char)(0x80 | (point >> 12 & 0x3f));
	utf8[2] = (char)(0x80 | (point >> 6 & 0x3f));
	utf8[3] = (char)(0x80 | (point & 0x3f));
	return 4;
}

void json_reader_refusal(const char *answer, char *out, size_t size)
{
	char name[JSON_NAME_SIZE];
	struct json_reader reader;

	(void)snprintf(out, size, "it does not say why");
	json_reader_init(&reader, answer);
	if (!json_reader_enter_object(&reader) ||
	    !json_reader_next_member(&reader, name) ||
	    !json_reader_enter_object(&reader))
		return;
	while (json_reader_next_member(&reader, name)) {
		if (strcmp(name, "message") == 0)
			json_reader_text(&reader, out, size);
		else
			json_reader_skip(&reader);
	}
}
