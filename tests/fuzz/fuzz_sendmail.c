/*
 * fuzz_sendmail - any command line and any message for relais-sendmail
 *
 * Words, a line each, up to an empty line; then the message. Whatever they are,
 * what relaisd is told are commands of one line each, about addresses, and a
 * message without a NUL or a stray CR. -bs makes the same of its input in one
 * piece and in small ones.
 */
#include "config.h"

#include "sendmail_options.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "address.h"
#include "envelope_commands.h"
#include "header.h"
#include "outcome.h"
#include "sendmail_message.h"
#include "sendmail_recipients.h"
#include "sendmail_smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define WORDS_MAX 32

static void ignore(const char *format, ...)
{
	(void)format;
}

/* Cuts the words out of text; returns the message behind them. */
static char *cut_words(char *text, char **words, int *ret_count)
{
	int count = 0;

	words[count++] = "sendmail";
	while (*text != '\0' && *text != '\n' && count < WORDS_MAX) {
		char *end = text + strcspn(text, "\n");

		words[count++] = text;
		text = *end == '\0' ? end : end + 1;
		*end = '\0';
	}
	words[count] = NULL;
	*ret_count = count;
	return *text == '\n' ? text + 1 : text;
}

/* What relaisd gets of it; false: it is refused. */
static bool read_message(const struct sendmail_options *options,
                         const char *text, size_t len, struct buffer *out)
{
	static struct sendmail_message message;
	int fd = memfd_create("message", MFD_CLOEXEC);
	const char *piece;
	size_t size;
	int r;

	assert(fd >= 0 && write(fd, text, len) == (ssize_t)len);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	sendmail_message_init(&message, fd, options->ends_at_dot);
	while ((r = sendmail_message_next(&message, &piece, &size)) == 0 &&
	       size > 0)
		assert(buffer_append(out, piece, size) == 0);
	assert(r == 0 || r == -EILSEQ);
	(void)close(fd);
	return r == 0;
}

static void check_commands(struct sendmail_options *options,
                           const struct sendmail_recipients *recipients)
{
	struct offers offers = { .private_words = ~0u };
	struct relais_answer answer = { 0 };
	struct buffer out;
	size_t lines = 0;

	offers.smtp.extensions = ~0u;
	options->envelope.recipients = recipients->list;
	options->envelope.recipient_count = recipients->count;
	if (envelope_check(&options->envelope, &answer) != RELAIS_OK)
		return;
	buffer_init(&out, 0);
	assert(envelope_append(&out, &options->envelope, &offers, 0,
	                       options->envelope.key) == 0);
	for (size_t i = 0; i < out.len; i++) {
		unsigned char c = (unsigned char)out.data[i];

		assert((c >= ' ' && c != 0x7f) || c == '\r' || c == '\n');
		if (c == '\r')
			assert(i + 1 < out.len && out.data[i + 1] == '\n');
		if (c == '\n')
			assert(i > 0 && out.data[i - 1] == '\r');
		lines += c == '\n';
	}
	assert(lines == 1 + recipients->count);
	buffer_done(&out);
}

static void submit(struct sendmail_options *options, const char *text,
                   size_t len)
{
	struct sendmail_recipients recipients;
	struct buffer content;
	int r = 0;

	buffer_init(&content, 0);
	sendmail_recipients_init(&recipients);
	if (options->sender != NULL)
		r = sendmail_recipients_parse_sender(
		    &recipients, options->sender, &options->envelope.sender);
	for (int i = 0; i < options->operand_count && r == 0; i++)
		r = sendmail_recipients_add_operand(&recipients,
		                                    options->operands[i]);
	if (read_message(options, text, len, &content) && content.len > 0) {
		assert(memchr(content.data, '\0', content.len) == NULL);
		if (r == 0 && options->takes_recipients)
			r = sendmail_recipients_add_header(
			    &recipients, content.data, content.len);
	}
	for (size_t i = 0; i < recipients.count; i++)
		assert(address_check(recipients.list[i],
		                     strlen(recipients.list[i]),
		                     ADDRESS_UTF8 | ADDRESS_BARE) == 0);
	if (r == 0)
		check_commands(options, &recipients);
	else
		assert(r == -EINVAL && recipients.error[0] != '\0');
	sendmail_recipients_done(&recipients);
	buffer_done(&content);
}

static void translate(const char *text, size_t len)
{
	struct line_translator whole = { 0 }, bytes = { 0 };
	struct buffer one, two;

	buffer_init(&one, 0);
	buffer_init(&two, 0);
	assert(line_translator_feed(&whole, text, len, &one) == 0);
	for (size_t i = 0; i < len; i++)
		assert(line_translator_feed(&bytes, text + i, 1, &two) == 0);
	assert(one.len == two.len);
	assert(one.len == 0 || memcmp(one.data, two.data, one.len) == 0);
	buffer_done(&one);
	buffer_done(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char error[OPTIONS_ERROR_SIZE] = "", *words[WORDS_MAX + 1];
	struct sendmail_options options;
	char *text = malloc(len + 1), *message;
	int count;

	assert(text != NULL);
	memcpy(text, data, len);
	text[len] = '\0';
	message = cut_words(text, words, &count);
	if (sendmail_options_parse(&options, count, words, ignore, error) < 0)
		assert(error[0] != '\0');
	else if (options.mode == MODE_SMTP)
		translate(message, len - (size_t)(message - text));
	else
		submit(&options, message, len - (size_t)(message - text));
	free(text);
	return 0;
}
