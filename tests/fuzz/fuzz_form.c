/*
 * fuzz_form - a body in parts, with any Content-Type
 *
 * The first line is the Content-Type. What is accepted stands in the body, part
 * behind part, each behind a header and a delimiter.
 */
#include "config.h"

#include "control/form.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_parts(const struct form *form, const char *body, size_t len)
{
	const char *at = body;

	assert(form->count <= FORM_PARTS_MAX);
	for (size_t i = 0; i < form->count; i++) {
		const struct form_part *part = &form->parts[i];

		/* Behind its header's empty line, which may be a delimiter's
		 * line end too where the part before has no content. */
		assert(part->name != NULL && part->data > at);
		assert(memcmp(part->data - 4, "\r\n\r\n", 4) == 0);
		assert(i == 0 || memmem(at - 2, (size_t)(part->data - at),
		                        "\r\n--", 4) != NULL);
		at = part->data + part->len;
		assert(at <= body + len);
	}
	/* Behind the last one is the end. */
	if (form->count > 0)
		assert(memmem(at, (size_t)(body + len - at), "--", 2) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *line = len > 0 ? memchr(data, '\n', len) : NULL;
	char error[FORM_ERROR_SIZE] = "";
	struct form form;
	size_t type_len, body_len;
	char *type, *body;

	if (line == NULL)
		return 0;
	type_len = (size_t)(line - data);
	body_len = len - type_len - 1;
	type = strndup((const char *)data, type_len);
	/* A copy of its exact size, so that one octet too far is noticed. */
	body = malloc(body_len > 0 ? body_len : 1);
	assert(type != NULL && body != NULL);
	memcpy(body, line + 1, body_len);
	if (form_read(&form, type, body, body_len, error) == 0)
		check_parts(&form, body, body_len);
	else
		assert(error[0] != '\0');
	form_done(&form);
	free(body);
	free(type);
	return 0;
}
