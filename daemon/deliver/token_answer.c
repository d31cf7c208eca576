/*
 * token_answer - what a token service says, taken apart
 */
#include "config.h"

#include "deliver/token_answer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "runtime/xalloc.h"

static void read_text(const json_t *object, const char *name, char **ret_text);
static void read_token(const json_t *object, const char *name, char **ret_text);
static uint32_t read_number(const json_t *object, const char *name);
static void wipe(char *text);

int token_answer_read(struct token_answer *ret_answer, const char *text,
                      size_t len)
{
	json_t *object = json_loadb(text, len, 0, NULL);

	*ret_answer = (struct token_answer){ .access_token = NULL };
	if (!json_is_object(object)) {
		json_decref(object);
		return -EINVAL;
	}
	read_token(object, "access_token", &ret_answer->access_token);
	read_token(object, "refresh_token", &ret_answer->refresh_token);
	read_text(object, "token_type", &ret_answer->token_type);
	ret_answer->expires_in_s = read_number(object, "expires_in");
	read_text(object, "error", &ret_answer->error);
	read_text(object, "error_description", &ret_answer->error_description);
	read_token(object, "device_code", &ret_answer->device_code);
	read_text(object, "user_code", &ret_answer->user_code);
	read_text(object, "verification_uri", &ret_answer->verification_uri);
	/* Google's name for it, older than the standard. */
	if (!ret_answer->verification_uri)
		read_text(object, "verification_url",
		          &ret_answer->verification_uri);
	read_text(object, "verification_uri_complete",
	          &ret_answer->verification_uri_complete);
	ret_answer->interval_s = read_number(object, "interval");
	json_decref(object);
	return 0;
}

static void read_text(const json_t *object, const char *name, char **ret_text)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (text && *text)
		*ret_text = xstrdup(text);
}

static void read_token(const json_t *object, const char *name, char **ret_text)
{
	const char *text = json_string_value(json_object_get(object, name));
	const char *c;

	for (c = text; c && *c > ' ' && *c < 0x7f; c++)
		;
	if (text && *text && !*c)
		*ret_text = xstrdup(text);
}

/* Some services put their numbers into quotes. */
static uint32_t read_number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	double number = 0;

	if (json_is_number(value))
		number = json_number_value(value);
	else if (json_is_string(value))
		number = strtod(json_string_value(value), NULL);
	return number >= 1 && number <= INT32_MAX ? (uint32_t)number : 0;
}

void token_answer_done(struct token_answer *answer)
{
	wipe(answer->access_token);
	wipe(answer->refresh_token);
	wipe(answer->device_code);
	free(answer->token_type);
	free(answer->error);
	free(answer->error_description);
	free(answer->user_code);
	free(answer->verification_uri);
	free(answer->verification_uri_complete);
	*answer = (struct token_answer){ .access_token = NULL };
}

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}
