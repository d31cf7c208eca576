#include "config.h"

#include "smtp/answer.h"

#include <string.h>

static char *add_text(char *at, const char *end, const char *text);

void smtp_answer_format(struct smtp_answer answer, char out[SMTP_ANSWER_SIZE])
{
	const char *end = out + SMTP_ANSWER_SIZE - sizeof("\r\n");
	char *at = out;

	*at++ = (char)('0' + answer.code / 100);
	*at++ = (char)('0' + answer.code / 10 % 10);
	*at++ = (char)('0' + answer.code % 10);
	*at++ = ' ';
	if (answer.enhanced) {
		at = add_text(at, end, answer.enhanced);
		at = add_text(at, end, " ");
	}
	at = add_text(at, end, answer.text);
	memcpy(at, "\r\n", sizeof("\r\n"));
}

/* No value in a text can make a second line of it. */
static char *add_text(char *at, const char *end, const char *text)
{
	for (; *text && at < end; text++)
		*at++ = (char)(*text < ' ' || *text > '~' ? '?' : *text);
	return at;
}
