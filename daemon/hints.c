/*
 * hints - what a server's reply means, and what to do about it
 */
#include "config.h"

#include "hints.h"

#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define TEXT_SIZE 1024

/* An expression keeps what each new text has taught it, without bound: after
   so many texts they are made anew. */
#define TEXTS_MAX 1000

struct compiled {
	regex_t code;
	regex_t enhanced; /* if the hint has one, and no regex */
	regex_t regex;    /* if the hint has one */
};

/* The lock guards both. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct compiled *compiled; /* one a row */
static unsigned texts;

static const struct hint *find(const char *provider, const char *digits,
                               const char *enhanced, const char *text);
static void compile_all(void);
static void forget_all(void);
static void compile_whole(regex_t *expression, const char *text);
static bool fits(size_t row, const char *code, const char *enhanced,
                 const char *text);

const struct hint *hints_find(const char *provider, unsigned code,
                              const char *enhanced, const char *text)
{
	char digits[16] = "local", whole[TEXT_SIZE];
	const struct hint *hint;

	/* The expressions were made for whole replies. */
	if (enhanced && strncmp(text, enhanced, strlen(enhanced)) != 0) {
		(void)snprintf(whole, sizeof(whole), "%s %s", enhanced, text);
		text = whole;
	}
	if (code != 0)
		(void)snprintf(digits, sizeof(digits), "%u", code);
	pthread_mutex_lock(&lock);
	if (++texts > TEXTS_MAX)
		forget_all();
	if (!compiled)
		compile_all();
	hint = find(provider, digits, enhanced, text);
	pthread_mutex_unlock(&lock);
	return hint;
}

static const struct hint *find(const char *provider, const char *digits,
                               const char *enhanced, const char *text)
{
	const struct hint *other = NULL;
	size_t i;

	for (i = 0; i < hints_table_size; i++) {
		const struct hint *hint = &hints_table[i];
		bool is_own = hint->provider && provider &&
		              strcmp(hint->provider, provider) == 0;

		/* Of the others only the first counts; own ones go first. */
		if (!is_own && (other || hint->only))
			continue;
		if (!fits(i, digits, enhanced, text))
			continue;
		if (is_own)
			return hint;
		other = hint;
		if (!provider)
			break;
	}
	return other;
}

static void compile_all(void)
{
	size_t i;

	compiled = xcalloc(hints_table_size, sizeof(*compiled));
	for (i = 0; i < hints_table_size; i++) {
		const struct hint *hint = &hints_table[i];

		compile_whole(&compiled[i].code, hint->code);
		if (hint->regex) {
			if (regcomp(&compiled[i].regex, hint->regex,
			            REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
				abort(); /* constant data; tests compile it */
		} else if (hint->enhanced) {
			compile_whole(&compiled[i].enhanced, hint->enhanced);
		}
	}
}

static void forget_all(void)
{
	size_t i;

	for (i = 0; compiled && i < hints_table_size; i++) {
		const struct hint *hint = &hints_table[i];

		regfree(&compiled[i].code);
		if (hint->regex)
			regfree(&compiled[i].regex);
		else if (hint->enhanced)
			regfree(&compiled[i].enhanced);
	}
	free(compiled);
	compiled = NULL;
	texts = 0;
}

void hints_forget(void)
{
	pthread_mutex_lock(&lock);
	forget_all();
	pthread_mutex_unlock(&lock);
}

/* An expression that has to match the text from end to end. */
static void compile_whole(regex_t *expression, const char *text)
{
	char *whole = xasprintf("^(%s)$", text);

	if (regcomp(expression, whole, REG_EXTENDED | REG_NOSUB) != 0)
		abort();
	free(whole);
}

static bool fits(size_t row, const char *code, const char *enhanced,
                 const char *text)
{
	const struct hint *hint = &hints_table[row];

	if (regexec(&compiled[row].code, code, 0, NULL, 0) != 0)
		return false;
	if (hint->regex)
		return regexec(&compiled[row].regex, text, 0, NULL, 0) == 0;
	if (hint->enhanced)
		return enhanced && regexec(&compiled[row].enhanced, enhanced, 0,
		                           NULL, 0) == 0;
	return true;
}

static bool explain_by_settings(struct explanation *ret_explanation,
                                const struct settings *settings,
                                const struct relay_settings *relay,
                                unsigned code, const uint16_t enhanced[3],
                                const char *text)
{
	for (size_t i = 0; i < settings->hint_count; i++) {
		const struct hint_rule *hint = &settings->hints[i];

		if (!hint->explain ||
		    (hint->relay != 0 && (!relay || relay->id != hint->relay)))
			continue;
		if (!verdict_pattern_fits(hint->code, hint->enhanced,
		                          hint->text, (uint16_t)code, enhanced,
		                          text))
			continue;
		ret_explanation->explain = hint->explain;
		ret_explanation->next = hint->next;
		return true;
	}
	return false;
}

bool hints_explain(struct explanation *ret_explanation,
                   const struct settings *settings,
                   const struct relay_settings *relay, unsigned code,
                   const uint16_t enhanced[3], const char *text)
{
	const struct hint *hint;
	char dotted[24] = "";

	if (explain_by_settings(ret_explanation, settings, relay, code,
	                        enhanced, text))
		return true;
	if (enhanced[0] != 0)
		(void)snprintf(dotted, sizeof(dotted), "%u.%u.%u", enhanced[0],
		               enhanced[1], enhanced[2]);
	hint = hints_find(relay && relay->provider ? relay->provider->id : NULL,
	                  code, *dotted ? dotted : NULL, text);
	if (!hint)
		return false;
	ret_explanation->explain = hint->explain;
	ret_explanation->next = hint->next;
	return true;
}
