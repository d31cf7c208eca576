/*
 * test_hints - every reply we have seen finds its own explanation
 */
#include "config.h"

#include "hints.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "providers.h"
#include "settings.h"
#include "settings_table.h"
#include "settings_value.h"
#include "smtp/reply.h"
#include "smtp/verdict.h"

/* Finds the enhanced code behind the reply code, if there is one. */
static const char *enhanced_of(const char *sample, char enhanced[16])
{
	const char *start = sample + 4;
	size_t len = strspn(start, "0123456789.");

	if (len < 5 || len > 15)
		return NULL;
	memcpy(enhanced, start, len);
	enhanced[len] = '\0';
	return enhanced;
}

static void finds_each_by_its_sample(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < hints_table_size; i++) {
		const struct hint *hint = &hints_table[i], *found;
		char enhanced[16];
		unsigned code;

		if (!hint->sample)
			continue;
		code = (unsigned)strtoul(hint->sample, NULL, 10);
		found = hints_find(hint->provider, code,
		                   code ? enhanced_of(hint->sample, enhanced)
		                        : NULL,
		                   hint->sample + (code ? 4 : 0));
		assert_non_null(found);
		if (found != hint)
			print_error("%s finds %s\n", hint->id, found->id);
		assert_ptr_equal(found, hint);
	}
}

static void says_what_to_do(void **state)
{
	size_t i;

	(void)state;
	assert_true(hints_table_size > 200);
	for (i = 0; i < hints_table_size; i++) {
		assert_non_null(hints_table[i].code);
		assert_non_null(hints_table[i].scope);
		assert_non_null(hints_table[i].class);
		assert_non_null(hints_table[i].action);
		assert_non_null(hints_table[i].explain);
		assert_non_null(hints_table[i].next);
		if (hints_table[i].provider)
			assert_non_null(provider_find(hints_table[i].provider));
	}
}

/* ------------------------------------------------- what is done about it */

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool is_done(const char *action, const struct verdict *verdict)
{
	bool is_of_relay = verdict->scope == SCOPE_RELAY &&
	                   verdict->class == VERDICT_TEMPORARY;

	if (starts_with(action, "hold_relay"))
		return is_of_relay && (verdict->fault == FAULT_AUTH ||
		                       verdict->fault == FAULT_CONFIG);
	if (starts_with(action, "pause_relay"))
		return is_of_relay;
	if (starts_with(action, "rate_down"))
		return is_of_relay && verdict->fault == FAULT_RATE;
	if (starts_with(action, "reduce_concurrency"))
		return is_of_relay && verdict->fault == FAULT_CONCURRENCY;
	if (strcmp(action, "bounce") == 0)
		return verdict->class == VERDICT_PERMANENT;
	if (strcmp(action, "retry") == 0 || starts_with(action, "retry:"))
		return verdict->class == VERDICT_TEMPORARY;
	/* The client sees to the rest itself. */
	return true;
}

/* Somewhere in the dialogue: a hint doesn't say where it was said. */
static bool is_done_somewhere(const struct hint *hint)
{
	static const enum smtp_phase phases[] = { PHASE_AUTH, PHASE_MAIL,
		                                  PHASE_RCPT, PHASE_DOT };
	struct smtp_reply_parser parser = { 0 };
	struct smtp_reply reply;
	struct verdict verdict;
	char line[1024];
	size_t i;

	(void)snprintf(line, sizeof(line), "%.3s %s\r\n", hint->sample,
	               hint->sample + 4);
	assert_int_equal(smtp_reply_parse(&parser, line, strlen(line), &reply),
	                 0);
	for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		verdict_from_reply(&verdict, &reply, phases[i]);
		if (is_done(hint->action, &verdict))
			return true;
	}
	return false;
}

static void says_what_relais_does(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < hints_table_size; i++) {
		const struct hint *hint = &hints_table[i];

		if (!hint->sample || hint->sample[0] < '2' ||
		    hint->sample[0] > '5')
			continue;
		if (!is_done_somewhere(hint))
			fail_msg("%s: not %s", hint->id, hint->action);
	}
}

/* "limits.rate", or the end of such a path behind a dot. */
static bool is_key(const struct settings_key *keys, const char *word)
{
	for (; keys->path; keys++) {
		size_t len = strlen(keys->path), end = strlen(word);

		if (end <= len && strcmp(keys->path + len - end, word) == 0 &&
		    (end == len || keys->path[len - end - 1] == '.'))
			return true;
	}
	return false;
}

static void names_no_setting_that_there_is_not(void **state)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_.";
	char text[1024];
	size_t i;

	(void)state;
	for (i = 0; i < hints_table_size; i++) {
		char *word, *rest = text;

		snprintf(text, sizeof(text), "%s", hints_table[i].next);
		while ((word = strsep(&rest, " ,;:()`/+"))) {
			size_t len = strlen(word);

			if (len > 0 && word[len - 1] == '.')
				word[len - 1] = '\0';
			/* An underscore is in no other word but this. */
			if (!strchr(word, '_') ||
			    strcmp(word, "offline_access") == 0)
				continue;
			if (word[strspn(word, letters)] == '\0' &&
			    !is_key(settings_keys_relay, word) &&
			    !is_key(settings_keys_main, word))
				fail_msg("%s: no %s", hints_table[i].id, word);
		}
	}
}

static void believes_the_user_first(void **state)
{
	static const uint16_t enhanced[3] = { 5, 1, 1 };
	char code[] = "55x", text[] = "no such * here", words[] = "Mine.";
	struct hint_rule rule = {
		.code = code, .text = text, .relay = 7, .explain = words
	};
	struct settings settings = { .hints = &rule, .hint_count = 1 };
	struct relay_settings office = { .id = 7 }, other = { .id = 8 };
	struct explanation explanation;

	(void)state;
	assert_true(hints_explain(&explanation, &settings, &office, 550,
	                          enhanced, "No such user here"));
	assert_string_equal(explanation.explain, "Mine.");
	assert_null(explanation.next);
	assert_true(hints_explain(&explanation, &settings, &other, 550,
	                          enhanced, "No such user here"));
	assert_string_not_equal(explanation.explain, "Mine.");
	assert_true(hints_explain(&explanation, &settings, &office, 450,
	                          enhanced, "No such user here"));
	assert_string_not_equal(explanation.explain, "Mine.");
}

static void prefers_the_relays_own_provider(void **state)
{
	const char text[] = "Authentication Credentials Invalid";

	(void)state;
	assert_string_equal(hints_find("amazon-ses", 535, NULL, text)->id,
	                    "ses-cred");
	assert_string_not_equal(hints_find(NULL, 535, NULL, text)->id,
	                        "ses-cred");
	assert_null(hints_find(NULL, 250, "2.0.0", "Ok"));
}

static void finds_providers_by_address_and_mx(void **state)
{
	(void)state;
	assert_string_equal(provider_find_by_domain("GMail.com")->id, "gmail");
	assert_null(provider_find_by_domain("mail.com.example"));
	assert_string_equal(
	    provider_find_by_mx("example-com.mail.protection.outlook.com.")->id,
	    "microsoft365");
	assert_string_equal(provider_find_by_mx("aspmx.l.google.com")->id,
	                    "google-workspace");
	assert_null(provider_find_by_mx("notgoogle.com"));
	assert_null(provider_find("nonesuch"));
}

static void knows_providers_settings_would_take(void **state)
{
	size_t i;

	(void)state;
	assert_true(providers_table_size > 60);
	for (i = 0; i < providers_table_size; i++) {
		const struct provider *provider = &providers_table[i];
		const char *rest = provider->rates;
		size_t n, rates = 0;

		assert_non_null(provider->name);
		assert_true(provider->port > 0);
		assert_true(strchr(provider->host, '{') ||
		            settings_value_is_host(provider->host));
		assert_true(strcmp(provider->security, "tls") == 0 ||
		            strcmp(provider->security, "starttls") == 0 ||
		            strcmp(provider->security, "none") == 0);
		for (; rest && *rest; rest += n + strspn(rest + n, " ")) {
			struct settings_rate rate;
			char word[32] = "";

			n = strcspn(rest, " ");
			strncat(word, rest, n);
			assert_int_equal(settings_value_rate(word, &rate), 0);
			rates++;
		}
		assert_true(rates <= SETTINGS_RATES_MAX);
	}
}

static double cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What nearly fits keeps an expression busy: its own words, over and over. */
static void repeat(char text[VERDICT_TEXT_SIZE], const char *words)
{
	size_t len = strlen(words);

	for (size_t i = 0; i + 1 < VERDICT_TEXT_SIZE; i++)
		text[i] = len > 0 ? words[i % len] : 'a';
	text[VERDICT_TEXT_SIZE - 1] = '\0';
}

/* A relay chooses the text; no choice of it keeps a worker busy. */
static void looks_at_no_text_for_long(void **state)
{
	char text[VERDICT_TEXT_SIZE];
	double worst_s = 0;

	(void)state;
	for (size_t i = 0; i < hints_table_size; i++) {
		const struct hint *hint = &hints_table[i];
		const char *words[] = { hint->regex, hint->sample,
			                "a",         " ",
			                "0",         "try again in 0 ",
			                "(((" };

		for (size_t n = 0; n < sizeof(words) / sizeof(words[0]); n++) {
			double start_s = cpu_s();

			repeat(text, words[n] != NULL ? words[n] : "");
			(void)hints_find(hint->provider, 550, "5.7.1", text);
			(void)hints_find(NULL, 421, NULL, text);
			if (cpu_s() - start_s > worst_s)
				worst_s = cpu_s() - start_s;
		}
	}
	print_message("# the slowest took %.1f ms\n", 1000 * worst_s);
	assert_true(worst_s < 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_each_by_its_sample),
		cmocka_unit_test(looks_at_no_text_for_long),
		cmocka_unit_test(says_what_to_do),
		cmocka_unit_test(says_what_relais_does),
		cmocka_unit_test(names_no_setting_that_there_is_not),
		cmocka_unit_test(believes_the_user_first),
		cmocka_unit_test(prefers_the_relays_own_provider),
		cmocka_unit_test(finds_providers_by_address_and_mx),
		cmocka_unit_test(knows_providers_settings_would_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
