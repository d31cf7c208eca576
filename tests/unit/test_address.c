/* Mailboxes of the envelope, and those in header fields. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "address.h"
#include "address_list.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int check(const char *text, unsigned flags)
{
	return address_check(text, strlen(text), flags);
}

static void accepts_mailboxes_of_rfc5321(void **state)
{
	static const char *const good[] = { "a@b",
		                            "user@example.com",
		                            "o'brien+tag=1@ex-ample.co",
		                            "!#$%&'*+-/=?^_`{|}~@x.org",
		                            "a.b.c@d.e.f",
		                            "\"a b\"@example.com",
		                            "\"a\\\"b\"@example.com",
		                            "\"\"@example.com",
		                            "\"a@b\"@example.com",
		                            "u@[192.0.2.1]",
		                            "u@[IPv6:2001:db8::1]",
		                            "u@[ipv6:::1]",
		                            "root@my_host",
		                            "0@0.0" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_int_equal(check(good[i], 0), 0);
}

static void refuses_what_is_no_mailbox(void **state)
{
	static const char *const bad[] = { "",
		                           "@",
		                           "a",
		                           "a@",
		                           "@b",
		                           ".a@b",
		                           "a.@b",
		                           "a..b@c",
		                           "a b@c",
		                           "a@b c",
		                           "a@b..c",
		                           "a@.b",
		                           "a@b.",
		                           "a@-b",
		                           "a@b-",
		                           "a@b-.c",
		                           "a@@b",
		                           "a@b@c",
		                           "\"a@b",
		                           "\"a\"b@c",
		                           "a\"b\"@c",
		                           "\"a\\\"@b",
		                           "a@[192.0.2]",
		                           "a@[192.0.2.1",
		                           "a@192.0.2.1]",
		                           "a@[IPv6:192.0.2.1]",
		                           "a@[2001:db8::1]",
		                           "a@[]",
		                           "a@[x:y]",
		                           "a(b)@c",
		                           "a,b@c",
		                           "a<b@c",
		                           "a@b>",
		                           "a@b\r",
		                           "a\n@b",
		                           "a@b\x7f",
		                           "\"a\tb\"@c",
		                           "a:b@c",
		                           "a;@c",
		                           "[a]@c",
		                           "a\\b@c" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(check(bad[i], ADDRESS_UTF8 | ADDRESS_NULL),
		                 -EINVAL);
	assert_int_equal(address_check("a\0@b", 4, 0), -EINVAL);
}

static void accepts_bare_local_parts_on_request(void **state)
{
	(void)state;
	assert_int_equal(check("root", 0), -EINVAL);
	assert_int_equal(check("root", ADDRESS_BARE), 0);
	assert_int_equal(check("\"big boss\"", ADDRESS_BARE), 0);
	assert_int_equal(check("root ", ADDRESS_BARE), -EINVAL);
	assert_int_equal(check("", ADDRESS_BARE), -EINVAL);
}

static void takes_utf8_only_where_it_is_agreed_on(void **state)
{
	static const char *const broken[] = {
		"\xff@b",     "\xc0\x80@b",     "\xc3@b",
		"\xe2\x82@b", "\xed\xa0\x80@b", "\xf4\x90\x80\x80@b",
		"\xc2\x80@b", "\xe0\x80\x80@b", "\xf0\x80\x80\x80@b",
		"a@b\xc3"
	};

	(void)state;
	assert_int_equal(check("j\xc3\xbcrgen@b\xc3\xbc.de", 0), -EILSEQ);
	assert_int_equal(check("j\xc3\xbcrgen@b\xc3\xbc.de", ADDRESS_UTF8), 0);
	assert_int_equal(
	    check("\"\xe2\x82\xac \"@\xf0\x9f\x93\xa7.x", ADDRESS_UTF8), 0);
	for (size_t i = 0; i < COUNT(broken); i++)
		assert_int_equal(check(broken[i], ADDRESS_UTF8), -EILSEQ);
}

static void limits_every_length(void **state)
{
	char text[1024];
	char *at;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[255] = '@';
	assert_int_equal(address_check(text, 320, 0), -EINVAL);
	for (at = text + 256 + 63; at < text + 1024; at += 64)
		*at = '.';
	assert_int_equal(address_check(text, 256 + 255, 0), 0);
	assert_int_equal(address_check(text, 256 + 256, 0), -EMSGSIZE);
	text[255] = 'a';
	text[256] = '@';
	assert_int_equal(address_check(text, 300, 0), -EMSGSIZE);
}

static void path_gives(const char *path, unsigned flags, const char *mailbox)
{
	const char *found;
	size_t used;
	size_t len;

	assert_int_equal(
	    address_parse_path(path, strlen(path), flags, &found, &len, &used),
	    0);
	assert_int_equal(len, strlen(mailbox));
	assert_memory_equal(found, mailbox, len);
	assert_int_equal(path[used - 1], '>');
	assert_memory_equal(path + used, " SIZE=1", 7);
}

static void finds_the_mailbox_in_a_path(void **state)
{
	(void)state;
	path_gives("<a@b> SIZE=1", 0, "a@b");
	path_gives("<> SIZE=1", ADDRESS_NULL, "");
	path_gives("<\"a>b\"@c> SIZE=1", 0, "\"a>b\"@c");
	path_gives("<\"a\\\">\"@c> SIZE=1", 0, "\"a\\\">\"@c");
	path_gives("<postmaster> SIZE=1", ADDRESS_BARE, "postmaster");
	path_gives("<@x,@y.z:a@b> SIZE=1", 0, "a@b");
	path_gives("<@[IPv6:::1]:a@b> SIZE=1", 0, "a@b");
	path_gives("<u@[IPv6:::1]> SIZE=1", 0, "u@[IPv6:::1]");
}

static void refuses_broken_paths(void **state)
{
	static const char *const bad[] = {
		"",        "<",          "a@b",        "<a@b",    "<>",
		"< a@b>",  "<a@b >",     "<@x>",       "<@x:>",   "<@x,a@b>",
		"<@:a@b>", "<@x,@:a@b>", "<@x@y:a@b>", "<<a@b>>", "<\"a@b>"
	};
	const char *found;
	size_t used;
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(address_parse_path(bad[i], strlen(bad[i]), 0,
		                                    &found, &len, &used),
		                 -EINVAL);
	assert_int_equal(
	    address_parse_path("<@x:>", 5, ADDRESS_NULL, &found, &len, &used),
	    -EINVAL);
}

static void finds_the_domain(void **state)
{
	(void)state;
	assert_string_equal(address_domain("a@b.c"), "b.c");
	assert_string_equal(address_domain("\"a@b\"@c"), "c");
	assert_null(address_domain("root"));
	assert_null(address_domain("\"a@b\""));
	assert_int_equal(address_local_len("\"a@b\"@c"), 5);
}

static void compares_by_meaning(void **state)
{
	(void)state;
	assert_true(address_is_same("a@EXAMPLE.com", "a@example.COM"));
	assert_true(address_is_same("\"a.b\"@c", "a.b@c"));
	assert_true(address_is_same("\"a\\ b\"@c", "\"a b\"@c"));
	assert_false(address_is_same("A@c", "a@c"));
	assert_false(address_is_same("\"a..b\"@c", "a@c"));
	assert_false(address_is_same("\"\\\"a\\\"\"@c", "a@c"));
	assert_false(address_is_same("\"\"@c", "\"a\"@c"));
	assert_true(address_is_same("root", "\"root\""));
}

/* Walks a field and writes what it finds: "name|mailbox" lines, or "!". */
static void list_gives(const char *field, const char *expected)
{
	struct address_list list;
	char found[2048] = "";
	int r;

	address_list_init(&list, field, strlen(field),
	                  ADDRESS_BARE | ADDRESS_UTF8);
	while ((r = address_list_next(&list)) != -ENOENT) {
		if (r < 0) {
			strcat(found, "!\n");
			continue;
		}
		strncat(found, list.name, list.name_len);
		strcat(found, list.name_len ? "|" : "");
		strcat(found, list.mailbox);
		strcat(found, "\n");
	}
	assert_string_equal(found, expected);
}

static void walks_lists_of_mailboxes(void **state)
{
	(void)state;
	list_gives("", "");
	list_gives(" , ,\r\n ", "");
	list_gives("a@b", "a@b\n");
	list_gives("a@b, c@d,,e@f,", "a@b\nc@d\ne@f\n");
	list_gives("root", "root\n");
	list_gives("Joe <j@x>, <k@y>", "Joe|j@x\nk@y\n");
	list_gives("\"Doe, Joe\" <j@x>", "\"Doe, Joe\"|j@x\n");
	list_gives("Dr. J. Doe <j@x>", "Dr. J. Doe|j@x\n");
	list_gives("j@x <j@x>", "j@x|j@x\n");
	list_gives("=?utf-8?Q?J=C3=B6?= <j@x>", "=?utf-8?Q?J=C3=B6?=|j@x\n");
	list_gives("J\xc3\xb6 <j@x>", "J\xc3\xb6|j@x\n");
	list_gives("\"a b\"@c", "\"a b\"@c\n");
	list_gives("u@[IPv6:::1], v@w", "u@[IPv6:::1]\nv@w\n");
}

static void skips_comments_and_folding(void **state)
{
	(void)state;
	list_gives("a (x, \"y) @ (z(nested\\)))\r\n b . c", "a@b.c\n");
	list_gives("(only a comment)", "");
	list_gives("Joe\r\n <j@x>\r\n\t(Joe)", "Joe|j@x\n");
	list_gives("j@x (Joe Doe), k@y", "j@x\nk@y\n");
	list_gives("< a (c) @ b >", "a@b\n");
}

static void walks_into_groups(void **state)
{
	(void)state;
	list_gives("undisclosed-recipients:;", "");
	list_gives("Team: a@b, C <c@d>;, e@f", "a@b\nC|c@d\ne@f\n");
	list_gives("A:a@b;B:c@d", "a@b\nc@d\n");
}

static void drops_routes(void **state)
{
	(void)state;
	list_gives("Joe <@x,@y:j@z>", "Joe|j@z\n");
	list_gives("<@x>", "!\n");
}

static void goes_on_behind_faulty_members(void **state)
{
	(void)state;
	list_gives("a b, c@d", "!\nc@d\n");
	list_gives("<a@b, c@d", "!\n");
	list_gives("<a@b> x, c@d", "!\nc@d\n");
	list_gives("<>, c@d", "!\nc@d\n");
	list_gives("a@b c@d", "!\n");
	list_gives("a@, @b, c@d", "!\n!\nc@d\n");
	list_gives("\"a@b", "!\n");
	list_gives("a@b)", "!\n");
	list_gives("a..b@c, c@d", "!\nc@d\n");
}

static void bounds_what_it_puts_together(void **state)
{
	char field[4096];

	(void)state;
	memset(field, 'a', sizeof(field));
	memcpy(field + 3000, " <j@x>", 7);
	field[3006] = '\0';
	{
		struct address_list list;

		address_list_init(&list, field, strlen(field), 0);
		assert_int_equal(address_list_next(&list), 0);
		assert_string_equal(list.mailbox, "j@x");
		assert_int_equal(list.name_len, 3000);
	}
	memcpy(field + 3000, "@x, b@c", 8);
	{
		struct address_list list;

		address_list_init(&list, field, strlen(field), 0);
		assert_int_equal(address_list_next(&list), -EMSGSIZE);
		assert_int_equal(address_list_next(&list), 0);
		assert_string_equal(list.mailbox, "b@c");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_mailboxes_of_rfc5321),
		cmocka_unit_test(refuses_what_is_no_mailbox),
		cmocka_unit_test(accepts_bare_local_parts_on_request),
		cmocka_unit_test(takes_utf8_only_where_it_is_agreed_on),
		cmocka_unit_test(limits_every_length),
		cmocka_unit_test(finds_the_mailbox_in_a_path),
		cmocka_unit_test(refuses_broken_paths),
		cmocka_unit_test(finds_the_domain),
		cmocka_unit_test(compares_by_meaning),
		cmocka_unit_test(walks_lists_of_mailboxes),
		cmocka_unit_test(skips_comments_and_folding),
		cmocka_unit_test(walks_into_groups),
		cmocka_unit_test(drops_routes),
		cmocka_unit_test(goes_on_behind_faulty_members),
		cmocka_unit_test(bounds_what_it_puts_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
