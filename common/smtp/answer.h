/*
 * answer - what our side of SMTP says to one command
 *
 * Both texts are borrowed; whoever gets an answer uses or copies it at once.
 * The text is one line of printable characters; the server replaces others.
 */
#ifndef RELAIS_SMTP_ANSWER_H
#define RELAIS_SMTP_ANSWER_H

#include <stdbool.h>

struct smtp_answer {
	/* 200 to 599 */
	int code;
	/* "2.1.0"; NULL where RFC 2034 wants none */
	const char *enhanced;
	const char *text;
};

/* A whole reply line (RFC 5321 4.5.3.1.5), CRLF and NUL */
#define SMTP_ANSWER_SIZE 513

static inline struct smtp_answer smtp_answer(int code, const char *enhanced,
                                             const char *text)
{
	return (struct smtp_answer){ code, enhanced, text };
}

static inline bool smtp_answer_is_positive(struct smtp_answer answer)
{
	return answer.code < 400;
}

/* "250 2.1.0 Ok\r\n"; a text that is too long is cut. */
void smtp_answer_format(struct smtp_answer answer, char out[SMTP_ANSWER_SIZE]);

#endif
