#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/journal.h"

static size_t put(char *fields, size_t len, size_t size, const char *key,
                  const char *value)
{
	return journal_put_field(fields, len, size, key, value, strlen(value));
}

static void sends_text_level_and_fields(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char fields[200], got[400];
	size_t len = 0;
	ssize_t received;
	int journal, fd;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path),
	         "/tmp/test_journal.%ld", (long)getpid());
	(void)unlink(address.sun_path);
	journal = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_return_code(
	    bind(journal, (struct sockaddr *)&address, sizeof(address)), 0);
	fd = journal_open(address.sun_path);
	assert_true(fd >= 0);

	len = put(fields, len, sizeof(fields), "event", "delivered");
	len = put(fields, len, sizeof(fields), "id", "01j9x2k7q4mzt");
	assert_int_equal(
	    journal_send(fd, 6, "event=delivered\n", 16, fields, len), 0);

	received = recv(journal, got, sizeof(got) - 1, 0);
	assert_true(received > 0);
	got[received] = '\0';
	assert_string_equal(
	    got,
	    "PRIORITY=6\nSYSLOG_IDENTIFIER=relaisd\nMESSAGE=event=delivered\n"
	    "RELAIS_EVENT=delivered\nRELAIS_QUEUE_ID=01j9x2k7q4mzt\n");
	close(fd);
	close(journal);
	unlink(address.sun_path);
}

static void names_fields_as_the_journal_wants_them(void **state)
{
	char fields[100];
	size_t len = put(fields, 0, sizeof(fields), "delay_s", "3");

	(void)state;
	len = put(fields, len, sizeof(fields), "x-y", "");
	assert_memory_equal(fields, "RELAIS_DELAY_S=3\nRELAIS_X_Y=\n", len);
}

static void leaves_out_what_does_not_fit(void **state)
{
	char fields[24];
	size_t len = put(fields, 0, sizeof(fields), "ms", "12345");

	(void)state;
	assert_int_equal(len, 16);
	assert_int_equal(put(fields, len, sizeof(fields), "ms", "1"), len);
}

static void says_that_there_is_no_journal(void **state)
{
	(void)state;
	assert_true(journal_open("/nonexistent/journal") < 0);
	setenv("JOURNAL_STREAM", "1:1", 1);
	assert_false(journal_is_stderr());
	unsetenv("JOURNAL_STREAM");
	assert_false(journal_is_stderr());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_text_level_and_fields),
		cmocka_unit_test(names_fields_as_the_journal_wants_them),
		cmocka_unit_test(leaves_out_what_does_not_fit),
		cmocka_unit_test(says_that_there_is_no_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
