/* What a token service may answer, and what a browser may be sent to. */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/token_answer.h"
#include "deliver/token_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_token(const char *token)
{
	assert(!token || *token);
	for (; token && *token; token++)
		assert(*token > ' ' && *token < 0x7f);
}

static void take_answer(const char *text, size_t size)
{
	struct token_answer answer;
	int r = token_answer_read(&answer, text, size);

	assert(r == 0 || r == -EINVAL);
	assert(r == 0 || (!answer.access_token && !answer.error));
	check_token(answer.access_token);
	check_token(answer.refresh_token);
	check_token(answer.device_code);
	assert(answer.expires_in_s <= INT32_MAX);
	token_answer_done(&answer);
}

static void take_url(const char *url)
{
	static const char *const names[] = { "code", "state", "error" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *value = token_request_parameter(url, names[i]);

		assert(!value || strlen(value) < strlen(url));
		free(value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	take_answer(text, size);
	take_url(text);
	free(text);
	return 0;
}
