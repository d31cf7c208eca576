/*
 * SMTP clients that know no CRLF, cut at every place there is.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sendmail_smtp.h"

static void check(const char *from, const char *to)
{
	size_t len = strlen(from);

	for (size_t cut = 0; cut <= len; cut++) {
		struct line_translator translator = { 0 };
		struct buffer out;

		buffer_init(&out, 0);
		assert_int_equal(
		    line_translator_feed(&translator, from, cut, &out), 0);
		assert_int_equal(line_translator_feed(&translator, from + cut,
		                                      len - cut, &out),
		                 0);
		assert_int_equal(out.len, strlen(to));
		if (out.len > 0)
			assert_memory_equal(out.data, to, out.len);
		buffer_done(&out);
	}
}

static void adds_the_cr_that_lines_lack(void **state)
{
	(void)state;
	check("EHLO x\nQUIT\n", "EHLO x\r\nQUIT\r\n");
	check("EHLO x\nMAIL FROM:<>\r\nQUIT\n",
	      "EHLO x\r\nMAIL FROM:<>\r\nQUIT\r\n");
	check("DATA\na\n\n..b\n.\nQUIT\n",
	      "DATA\r\na\r\n\r\n..b\r\n.\r\nQUIT\r\n");
	check("\n\n", "\r\n\r\n");
	check("", "");
	check("EHLO", "EHLO");
}

static void changes_nothing_for_a_client_with_crlf(void **state)
{
	static const char text[] =
	    "EHLO x\r\nDATA\r\na\n.\nMAIL FROM:<evil@example.com>\r\n.\r\n";

	(void)state;
	check(text, text);
}

static void passes_chunks_untouched(void **state)
{
	(void)state;
	check("EHLO x\nBDAT 6\na\nb\nc\nBDAT 2 LAST\n\n\nQUIT\n",
	      "EHLO x\r\nBDAT 6\r\na\nb\nc\nBDAT 2 LAST\r\n\n\nQUIT\r\n");
	check("EHLO x\nbdat 0 LAST\nQUIT\n",
	      "EHLO x\r\nbdat 0 LAST\r\nQUIT\r\n");
}

static void takes_content_for_content(void **state)
{
	(void)state;
	check("data \nBDAT 9\nDATA\n.\nBDAT 2\n\n\nQ\n",
	      "data \r\nBDAT 9\r\nDATA\r\n.\r\nBDAT 2\r\n\n\nQ\r\n");
}

static void copes_with_long_lines(void **state)
{
	char from[300], to[300];

	(void)state;
	memset(from, 'x', sizeof(from));
	memset(to, 'x', sizeof(to));
	strcpy(from + 200, "\nDATA\n.\n");
	strcpy(to + 200, "\r\nDATA\r\n.\r\n");
	check(from, to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_the_cr_that_lines_lack),
		cmocka_unit_test(changes_nothing_for_a_client_with_crlf),
		cmocka_unit_test(passes_chunks_untouched),
		cmocka_unit_test(takes_content_for_content),
		cmocka_unit_test(copes_with_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
