#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/log.h"

/* What is written to stderr meanwhile, behind the time. */
static struct {
	int pipe[2];
	int stderr_fd;
	char text[2 * LOG_LINE_MAX];
} written;

static void begin(void)
{
	assert_return_code(pipe(written.pipe), 0);
	written.stderr_fd = dup(STDERR_FILENO);
	assert_true(written.stderr_fd >= 0);
	assert_true(dup2(written.pipe[1], STDERR_FILENO) >= 0);
}

static const char *end(void)
{
	ssize_t len;

	assert_true(dup2(written.stderr_fd, STDERR_FILENO) >= 0);
	close(written.stderr_fd);
	close(written.pipe[1]);
	len = read(written.pipe[0], written.text, sizeof(written.text) - 1);
	close(written.pipe[0]);
	assert_true(len > 0);
	written.text[len] = '\0';
	return strchr(written.text, ' ') + 1;
}

static void quotes_what_needs_it(void **state)
{
	struct log_line line;

	(void)state;
	begin();
	log_begin(&line, LOG_LEVEL_INFO, "test");
	log_text(&line, "plain", "a@example.org");
	log_text(&line, "empty", "");
	log_text(&line, "hostile", "x\nevent=forged \"y\" \\");
	log_text(&line, "absent", NULL);
	log_number(&line, "number", -5);
	log_end(&line);
	assert_string_equal(
	    end(), "event=test plain=a@example.org empty=\"\" "
		   "hostile=\"x\\x0aevent=forged \\\"y\\\" \\\\\" number=-5\n");
}

/* Of each length that could break quotes, an escape or a number. */
static void a_line_that_is_cut_keeps_its_form(void **state)
{
	char value[LOG_LINE_MAX + 4];
	struct log_line line;
	size_t len;

	(void)state;
	for (len = LOG_LINE_MAX - 120; len < LOG_LINE_MAX; len++) {
		const char *text, *quote;

		memset(value, 'v', len);
		strcpy(value + len, "\x01\x01\"");
		begin();
		log_begin(&line, LOG_LEVEL_INFO, "test");
		log_text(&line, "long", value);
		log_number(&line, "number", 1234567890);
		log_text(&line, "more", "a b");
		log_end(&line);
		text = end();
		assert_true(strlen(written.text) < LOG_LINE_MAX + 1);
		quote = strchr(strchr(text, '"') + 1 + len - 120, '"');
		while (quote && quote[-1] == '\\')
			quote = strchr(quote + 1, '"');
		assert_non_null(quote);
		if (strncmp(quote, "\"\n", 2) == 0)
			continue;
		assert_memory_equal(quote, "\" number=1234567890", 19);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_what_needs_it),
		cmocka_unit_test(a_line_that_is_cut_keeps_its_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
