/*
 * test_aliases - names and addresses, whatever else the file holds
 */
#include "config.h"

#include "aliases.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "settings_errors.h"
#include "settings_table.h"

static char hostname[] = "web1.example.com", domain[] = "example.com";

/* Gathers what an expansion gives, with spaces between. */
static int append(void *context, const char *address)
{
	char *text = context;

	if (*text)
		strcat(text, " ");
	strcat(text, address);
	return 0;
}

static void read_text(struct settings *settings, const char *text,
                      struct settings_errors *errors)
{
	char path[] = "aliases-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	memset(settings, 0, sizeof(*settings));
	assert_int_equal(aliases_read_file(settings, path, errors), 0);
	assert_int_equal(unlink(path), 0);
	settings->hostname = hostname;
	settings->domain = domain;
}

static void done(struct settings *settings, struct settings_errors *errors)
{
	settings->hostname = settings->domain = NULL;
	settings_done(settings);
	settings_errors_done(errors);
}

static void must_expand(const struct settings *settings, const char *name,
                        const char *expected)
{
	char text[1024] = "";

	assert_int_equal(aliases_expand(settings, name, append, text), 0);
	assert_string_equal(text, expected);
}

static void follows_names_to_addresses(void **state)
{
	struct settings_errors errors = { 0 };
	struct settings settings;

	(void)state;
	read_text(&settings,
	          "# comment\n"
	          "root: admin, ops@example.org,\n"
	          "   \"odd name\"@example.org\n"
	          "# between\n"
	          "Admin: jane , ops@example.org\n"
	          "postmaster:root\n"
	          "keep: keep, other@example.org\n",
	          &errors);
	assert_int_equal(errors.count, 0);
	must_expand(&settings, "root",
	            "ops@example.org "
	            "\"odd name\"@example.org jane@example.com");
	must_expand(&settings, "POSTMASTER",
	            "ops@example.org "
	            "\"odd name\"@example.org jane@example.com");
	must_expand(&settings, "root@web1.example.com",
	            "ops@example.org "
	            "\"odd name\"@example.org jane@example.com");
	must_expand(&settings, "root@localhost",
	            "ops@example.org "
	            "\"odd name\"@example.org jane@example.com");
	must_expand(&settings, "root@example.org", "root@example.org");
	must_expand(&settings, "nobody", "nobody@example.com");
	must_expand(&settings, "keep", "keep@example.com other@example.org");
	done(&settings, &errors);
}

static void ends_loops_without_losing_mail(void **state)
{
	struct settings_errors errors = { 0 };
	struct settings settings;

	(void)state;
	read_text(&settings, "a: b\nb: a\nc: a, x@example.org\nd: d\n",
	          &errors);
	must_expand(&settings, "a", "a@example.com");
	must_expand(&settings, "c", "x@example.org");
	must_expand(&settings, "d", "d@example.com");
	done(&settings, &errors);
}

static void runs_nothing_and_writes_nothing(void **state)
{
	struct settings_errors errors = { 0 };
	struct settings settings;

	(void)state;
	read_text(&settings,
	          "a: \"|/usr/bin/vacation jane, joe\", jane\n"
	          "b: /var/mail/b\n"
	          "c: :include:/etc/list\n"
	          "d: |/bin/sh\n"
	          "broken line\n"
	          "e@example.com: x\n"
	          "f: \\jane\n",
	          &errors);
	assert_int_equal(errors.count, 6);
	assert_int_equal(errors.error_count, 0);
	assert_string_equal(
	    strchr(errors.entries[1].text, ':'),
	    ":2:1: warning: `/var/mail/b` is skipped: relais follows names and "
	    "addresses only");
	must_expand(&settings, "a", "jane@example.com");
	must_expand(&settings, "b", "b@example.com");
	must_expand(&settings, "c", "c@example.com");
	must_expand(&settings, "d", "d@example.com");
	must_expand(&settings, "f", "jane@example.com");
	done(&settings, &errors);
}

static void takes_the_first_of_two_definitions(void **state)
{
	struct settings_errors errors = { 0 };
	struct settings settings;

	(void)state;
	read_text(&settings, "root: a@example.org\nRoot: b@example.org\n",
	          &errors);
	must_expand(&settings, "root", "a@example.org");
	done(&settings, &errors);
}

static void stops_at_a_thousand(void **state)
{
	struct settings_errors errors = { 0 };
	struct settings settings;
	char text[32768] = "all: u0", *end = text + strlen(text);
	char gathered[64] = "";
	int i;

	(void)state;
	for (i = 1; i < 1500; i++)
		end += sprintf(end, ", u%d@example.org", i);
	read_text(&settings, text, &errors);
	assert_int_equal(aliases_expand(&settings, "all", append, gathered),
	                 -E2BIG);
	assert_string_equal(gathered, "");
	done(&settings, &errors);
}

static void knows_names_that_end_nowhere(void **state)
{
	struct settings_errors errors = { 0 };
	struct settings settings;
	char name[ADDRESS_SIZE];

	(void)state;
	read_text(&settings, "root: a@example.org\npostmaster: nobody\n",
	          &errors);
	settings.has_full_hostname = settings.has_full_domain = true;
	assert_false(aliases_end_nowhere(&settings, "jane", name));
	assert_false(aliases_end_nowhere(&settings, "jane@web1", name));
	assert_true(aliases_end_nowhere(&settings, "jane@localhost", name));
	assert_string_equal(name, "jane");
	assert_false(aliases_end_nowhere(&settings, "root@localhost", name));

	settings.has_full_hostname = settings.has_full_domain = false;
	assert_true(aliases_end_nowhere(&settings, "jane", name));
	assert_false(aliases_end_nowhere(&settings, "root", name));
	/* What the alias leads to is what has to be mended. */
	assert_true(aliases_end_nowhere(&settings, "postmaster", name));
	assert_string_equal(name, "nobody");
	assert_false(aliases_end_nowhere(&settings, "jane@example.net", name));
	done(&settings, &errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_names_to_addresses),
		cmocka_unit_test(ends_loops_without_losing_mail),
		cmocka_unit_test(runs_nothing_and_writes_nothing),
		cmocka_unit_test(takes_the_first_of_two_definitions),
		cmocka_unit_test(stops_at_a_thousand),
		cmocka_unit_test(knows_names_that_end_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
