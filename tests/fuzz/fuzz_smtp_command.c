/*
 * fuzz_smtp_command - one command line, with every extension and with none
 *
 * Either there is a result, or an answer that says why not.
 */
#include "config.h"

#include "smtp/command.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "address.h"
#include "arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_answer(struct smtp_answer answer)
{
	char line[SMTP_ANSWER_SIZE];

	assert(answer.code >= 400 && answer.code < 600);
	assert(answer.enhanced[0] == (char)('0' + answer.code / 100));
	smtp_answer_format(answer, line);
	assert(strcspn(line, "\r\n") == strlen(line) - 2);
}

static void parse_all(const char *text, size_t len, unsigned extensions,
                      struct arena *arena)
{
	const unsigned flags = ADDRESS_UTF8 | ADDRESS_BARE;
	struct smtp_mail_params mail;
	struct smtp_recipient rcpt;
	struct smtp_answer answer = { 0 };
	const char *result;
	uint64_t size;
	bool is_last;

	if (!smtp_command_parse_mail(text, len, extensions, arena, &result,
	                             &mail, &answer))
		check_answer(answer);
	else if (result[0])
		assert(address_check(result, strlen(result), flags) == 0);
	if (!smtp_command_parse_rcpt(text, len, extensions, true, arena, &rcpt,
	                             &answer))
		check_answer(answer);
	else
		assert(address_check(rcpt.address, strlen(rcpt.address),
		                     flags) == 0);
	if (!smtp_command_parse_bdat(text, len, &size, &is_last, &answer))
		check_answer(answer);
	if (!smtp_command_parse_helo(text, len, &answer))
		check_answer(answer);
	if (!smtp_command_parse_xkey(text, len, arena, &result, &answer))
		check_answer(answer);
	else
		assert(strlen(result) <= SMTP_KEY_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena arena;
	const char *argument;
	size_t argument_len;

	arena_init(&arena, 0);
	(void)smtp_command_verb((const char *)data, len, &argument,
	                        &argument_len);
	assert(argument_len <= len);
	parse_all(argument, argument_len, ~0u, &arena);
	parse_all(argument, argument_len, 0, &arena);
	arena_done(&arena);
	return 0;
}
