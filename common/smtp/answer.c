#include "config.h"

#include "smtp/answer.h"

#include <stdio.h>
#include <string.h>

void smtp_answer_format(struct smtp_answer answer, char out[SMTP_ANSWER_SIZE])
{
	size_t len;
	int n;

	n = snprintf(out, SMTP_ANSWER_SIZE - 2, "%03d %s%s%s", answer.code,
	             answer.enhanced ? answer.enhanced : "",
	             answer.enhanced ? " " : "", answer.text);
	len = n < 0 ? 0 : strlen(out);
	/* No value in a text can make a second line of it. */
	for (size_t i = 0; i < len; i++) {
		if (out[i] < ' ' || out[i] > '~')
			out[i] = '?';
	}
	memcpy(out + len, "\r\n", 3);
}
