#include "config.h"

#include "staging.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "runtime/xalloc.h"
#include "settings_errors.h"

#define PARTS_SIZE 128

/* One set of settings that is told of. */
struct telling {
	const struct settings_staging *staging;
	const struct relay_settings *relay; /* NULL: of the whole */
	const char *file;
	staging_on_line *on_line;
	void *context;
};

static bool has_chaos(const struct settings_staging *staging);
static bool refuses(const struct settings_staging *staging, const char *whose,
                    const char *address, char text[STAGING_TEXT_SIZE]);
static void check_fallbacks(const struct settings *settings,
                            const struct relay_settings *relay,
                            struct settings_errors *errors);
static void check_chaos(const struct settings_staging *staging,
                        const char *prefix, const char *name, const char *file,
                        struct settings_errors *errors);
static void tell(const struct telling *telling, const char *key,
                 const char *what);
static void tell_all(const struct telling *telling);

static bool is_on(const struct settings_staging *staging)
{
	return staging->redirect || staging_has_patterns(staging) ||
	       has_chaos(staging);
}

static bool has_chaos(const struct settings_staging *staging)
{
	const struct settings_chaos *chaos = &staging->chaos;

	return chaos->refuse_percent != 0 || chaos->defer_percent != 0 ||
	       chaos->cut_percent != 0 || chaos->delay_s != 0;
}

bool staging_has_patterns(const struct settings_staging *staging)
{
	return staging->allow.count > 0 || staging->refuse.count > 0;
}

void staging_complete(struct settings *settings)
{
	bool is_whole_on = is_on(&settings->staging);
	size_t i;

	for (i = 0; i < settings->relay_count; i++) {
		struct relay_settings *relay = &settings->relays[i];

		relay->is_staged = is_whole_on || is_on(&relay->staging);
	}
}

/* ----------------------------------------------------------------- checks */

void staging_check(const struct settings *settings,
                   struct settings_errors *errors)
{
	size_t i;

	check_chaos(&settings->staging, "", "", settings->file, errors);
	for (i = 0; i < settings->relay_count; i++) {
		const struct relay_settings *relay = &settings->relays[i];

		check_chaos(&relay->staging, "relays.", relay->name,
		            relay->file, errors);
		check_fallbacks(settings, relay, errors);
	}
}

static void check_chaos(const struct settings_staging *staging,
                        const char *prefix, const char *name, const char *file,
                        struct settings_errors *errors)
{
	const struct settings_chaos *chaos = &staging->chaos;

	if (chaos->refuse_percent + chaos->defer_percent > 100)
		settings_errors_add(
		    errors, &(struct settings_place){ .file = file },
		    "%s%s%schaos: refuse and defer are more than 100%% "
		    "together",
		    prefix, name, *name ? "." : "");
}

/* A fault of the relay must not be what sends test mail to real people. */
static void check_fallbacks(const struct settings *settings,
                            const struct relay_settings *relay,
                            struct settings_errors *errors)
{
	size_t i;

	for (i = 0; i < relay->fallback_count; i++) {
		const struct relay_settings *other =
		    settings_find_relay(settings, relay->fallback[i]);

		if (other && staging_redirect(settings, relay) &&
		    !staging_redirect(settings, other))
			settings_errors_add(
			    errors,
			    &(struct settings_place){ .file = relay->file },
			    "relays.%s.fallback: %s has no redirect, so that "
			    "the recipients would get mail while %s is at "
			    "fault; give it one, too",
			    relay->name, other->name, relay->name);
	}
}

/* ---------------------------------------------------------------- answers */

const char *staging_redirect(const struct settings *settings,
                             const struct relay_settings *relay)
{
	return relay->staging.redirect ? relay->staging.redirect
	                               : settings->staging.redirect;
}

const struct settings_chaos *staging_chaos(const struct settings *settings,
                                           const struct relay_settings *relay)
{
	return has_chaos(&relay->staging) ? &relay->staging.chaos
	                                  : &settings->staging.chaos;
}

bool staging_refuses(const struct settings *settings, const char *address,
                     char text[STAGING_TEXT_SIZE])
{
	return refuses(&settings->staging, "this host", address, text);
}

bool staging_relay_refuses(const struct settings *settings,
                           const struct relay_settings *relay,
                           const char *address, char text[STAGING_TEXT_SIZE])
{
	return staging_refuses(settings, address, text) ||
	       refuses(&relay->staging, relay->name, address, text);
}

static const char *find_match(const struct settings_words *patterns,
                              const char *address)
{
	size_t i;

	for (i = 0; i < patterns->count; i++)
		if (pattern_matches_address(patterns->word[i], address))
			return patterns->word[i];
	return NULL;
}

static bool refuses(const struct settings_staging *staging, const char *whose,
                    const char *address, char text[STAGING_TEXT_SIZE])
{
	const char *pattern = find_match(&staging->refuse, address);

	if (pattern) {
		(void)snprintf(text, STAGING_TEXT_SIZE,
		               "staging: recipients.refuse of %s has %.80s",
		               whose, pattern);
		return true;
	}
	if (staging->allow.count == 0 || find_match(&staging->allow, address))
		return false;
	(void)snprintf(text, STAGING_TEXT_SIZE,
	               "staging: recipients.allow of %s does not have %.80s",
	               whose, address);
	return true;
}

/* -------------------------------------------------------------- sentences */

void staging_describe(const struct settings *settings, staging_on_line *on_line,
                      void *context)
{
	struct telling telling = {
		.staging = &settings->staging,
		.file = settings->file,
		.on_line = on_line,
		.context = context,
	};
	size_t i;

	tell_all(&telling);
	for (i = 0; i < settings->relay_count; i++) {
		telling.relay = &settings->relays[i];
		telling.staging = &telling.relay->staging;
		telling.file = telling.relay->file;
		tell_all(&telling);
	}
}

/* "5% refused, 2 s late" */
static void describe_chaos(const struct settings_chaos *chaos,
                           char text[PARTS_SIZE])
{
	const struct {
		uint32_t number;
		const char *what;
	} parts[] = {
		{ chaos->refuse_percent, "% refused" },
		{ chaos->defer_percent, "% put off" },
		{ chaos->cut_percent, "% cut" },
		{ chaos->delay_s, " s late" },
	};
	size_t len = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].number != 0)
			len += (size_t)snprintf(text + len, PARTS_SIZE - len,
			                        "%s%u%s", len > 0 ? ", " : "",
			                        (unsigned)parts[i].number,
			                        parts[i].what);
}

static void tell_all(const struct telling *telling)
{
	const struct settings_staging *staging = telling->staging;
	const struct settings_chaos *chaos = &staging->chaos;
	char *of_relay = telling->relay
	                     ? xasprintf(" of relay %s", telling->relay->name)
	                     : xstrdup("");
	char what[STAGING_TEXT_SIZE], parts[PARTS_SIZE];

	if (staging->redirect) {
		(void)snprintf(what, sizeof(what), "all mail%s goes to %s",
		               of_relay, staging->redirect);
		tell(telling, "redirect", what);
	}
	if (staging_has_patterns(staging)) {
		(void)snprintf(
		    what, sizeof(what),
		    "some recipients%s are refused (%zu patterns allow, "
		    "%zu refuse)",
		    of_relay, staging->allow.count, staging->refuse.count);
		tell(telling, "recipients", what);
	}
	if (has_chaos(staging)) {
		describe_chaos(chaos, parts);
		(void)snprintf(what, sizeof(what),
		               "trouble is made on purpose for mail%s: %s",
		               of_relay, parts);
		tell(telling, "chaos", what);
	}
	free(of_relay);
}

static void tell(const struct telling *telling, const char *key,
                 const char *what)
{
	const struct relay_settings *relay = telling->relay;
	char *sentence = xasprintf("staging: %s", what);
	char *next =
	    relay && relay->managed == RELAY_MANAGED_API
		? xasprintf(
		      "to end it: relaisctl relay set %s %s=", relay->name, key)
		: xasprintf("to end it: take `%s` out of %s, then: relaisctl "
	                    "reload",
	                    key, telling->file);

	telling->on_line(telling->context, sentence, next);
	free(sentence);
	free(next);
}
