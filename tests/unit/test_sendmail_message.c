/*
 * Messages on standard input, cut at every place there is.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sendmail_message.h"

struct input {
	const char *text;
	size_t len;
};

#define INPUT(literal)                                                         \
	{                                                                      \
		literal, sizeof(literal) - 1                                   \
	}

static void put(int fd, const char *data, size_t len)
{
	/* an empty packet would be the end */
	if (len > 0)
		assert_int_equal(write(fd, data, len), len);
}

/* Reads the input in two packets, as two reads, into out. */
static int read_cut(const struct input *input, size_t cut, bool ends_at_dot,
                    char *out, size_t *ret_len)
{
	struct sendmail_message *message = malloc(sizeof(*message));
	const char *data;
	size_t len, total = 0;
	int fds[2];
	int r;

	assert_non_null(message);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	put(fds[1], input->text, cut);
	put(fds[1], input->text + cut, input->len - cut);
	(void)close(fds[1]);
	sendmail_message_init(message, fds[0], ends_at_dot);
	while ((r = sendmail_message_next(message, &data, &len)) == 0) {
		if (len == 0)
			break;
		memcpy(out + total, data, len);
		total += len;
	}
	(void)close(fds[0]);
	free(message);
	*ret_len = total;
	return r;
}

static void check(const struct input *input, bool ends_at_dot, int result,
                  const char *expected, size_t expected_len)
{
	char out[256];
	size_t len;

	for (size_t cut = 0; cut <= input->len; cut++) {
		assert_int_equal(read_cut(input, cut, ends_at_dot, out, &len),
		                 result);
		if (result < 0)
			continue;
		assert_int_equal(len, expected_len);
		assert_memory_equal(out, expected, len);
	}
}

static void gives_every_octet_as_it_is(void **state)
{
	static const struct input inputs[] = {
		INPUT(""),
		INPUT("a"),
		INPUT("Subject: x\n\nbody\n"),
		INPUT("Subject: x\r\n\r\nmixed\nends\r\n"),
		INPUT("\n\n\n"),
		INPUT("..\n.a\n. \na.\n"),
		INPUT("no end"),
		INPUT("8-bit \xc3\xa9 \xff\n"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		check(&inputs[i], true, 0, inputs[i].text, inputs[i].len);
		check(&inputs[i], false, 0, inputs[i].text, inputs[i].len);
	}
}

static void ends_at_a_line_that_is_a_dot(void **state)
{
	static const struct {
		struct input input;
		size_t len;
	} cases[] = {
		{ INPUT("a\n.\nb\n"), 2 },      { INPUT("a\r\n.\r\nb\r\n"), 3 },
		{ INPUT("a\n."), 2 },           { INPUT(".\na\n"), 0 },
		{ INPUT("a\n..\n.\n\0\r"), 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(&cases[i].input, true, 0, cases[i].input.text,
		      cases[i].len);
}

static void takes_a_dot_for_text_where_told_so(void **state)
{
	static const struct input input = INPUT("a\n.\nb\n.\r\n.");

	(void)state;
	check(&input, false, 0, input.text, input.len);
}

static void refuses_nul_and_stray_cr(void **state)
{
	static const struct input inputs[] = {
		INPUT("a\0b\n"), INPUT("a\rb\n"), INPUT("a\r\r\n"),
		INPUT("a\r"),    INPUT("a\n\r"),  INPUT("\0"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		check(&inputs[i], true, -EILSEQ, NULL, 0);
		check(&inputs[i], false, -EILSEQ, NULL, 0);
	}
}

static void says_why_it_cannot_read(void **state)
{
	struct sendmail_message *message = malloc(sizeof(*message));
	const char *data;
	size_t len;

	(void)state;
	assert_non_null(message);
	sendmail_message_init(message, -1, true);
	assert_int_equal(sendmail_message_next(message, &data, &len), -EBADF);
	free(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_every_octet_as_it_is),
		cmocka_unit_test(ends_at_a_line_that_is_a_dot),
		cmocka_unit_test(takes_a_dot_for_text_where_told_so),
		cmocka_unit_test(refuses_nul_and_stray_cr),
		cmocka_unit_test(says_why_it_cannot_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
