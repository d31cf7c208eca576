/* The header block that leaves for a relay. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buffer.h"
#include "deliver/compose.h"
#include "deliver/identity.h"
#include "queue/message.h"
#include "settings.h"

static struct {
	struct settings settings;
	struct relay_settings relay;
	struct message message;
	struct buffer out;
	char *text;
	unsigned notes;
} f;

static int set_up(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	setenv("TZ", "UTC", 1);
	f.settings.hostname = (char *)"web1.example.com";
	f.settings.domain = (char *)"example.com";
	f.relay.name = (char *)"office";
	f.message.id = 42;
	f.message.uid = 33;
	f.message.submitted_ms = 1763923201123;
	f.message.sender = "www@example.com";
	f.message.helo = "php.local";
	buffer_init(&f.out, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buffer_done(&f.out);
	free(f.text);
	f.text = NULL;
	return 0;
}

static const char *compose(const char *stored)
{
	buffer_clear(&f.out);
	free(f.text);
	f.text = NULL;
	assert_int_equal(compose_header(&f.out,
	                                &(struct composition){
					    .message = &f.message,
					    .settings = &f.settings,
					    .relay = &f.relay,
					    .stored = stored,
					    .stored_len = strlen(stored),
					},
	                                &f.notes),
	                 0);
	f.text = strndup(f.out.data, f.out.len);
	assert_int_equal(strlen(f.text), f.out.len);
	return f.text;
}

static void assert_begins_with(const char *text, const char *start)
{
	assert_memory_equal(text, start, strlen(start));
}

#define RECEIVED                                                               \
	"Received: from php.local (uid 33)\r\n"                                \
	"\tby web1.example.com (relais) with ESMTP\r\n"                        \
	"\tid 000000000001a; Sun, 23 Nov 2025 18:40:01 +0000\r\n"

static void puts_received_on_top_and_keeps_the_rest(void **state)
{
	(void)state;
	assert_string_equal(
	    compose("Subject: x\r\nX-Odd:  folded\r\n\tline \r\n"),
	    RECEIVED "Subject: x\r\nX-Odd:  folded\r\n\tline \r\n\r\n");
}

static void composes_the_same_octets_every_time(void **state)
{
	char *first;

	(void)state;
	f.message.flags = MESSAGE_ADD_DATE | MESSAGE_ADD_FROM;
	first = strdup(compose("To: root\r\n"));
	assert_string_equal(compose("To: root\r\n"), first);
	free(first);
}

static void names_the_protocol_of_the_submission(void **state)
{
	(void)state;
	f.message.flags = MESSAGE_LMTP;
	assert_non_null(strstr(compose(""), " with LMTP\r\n"));
	f.message.flags = MESSAGE_SMTPUTF8;
	assert_non_null(strstr(compose(""), " with UTF8SMTP\r\n"));
	f.message.flags = MESSAGE_LMTP | MESSAGE_SMTPUTF8;
	assert_non_null(strstr(compose(""), " with UTF8LMTP\r\n"));
}

static void lets_no_helo_into_received_that_is_no_name(void **state)
{
	static const char *const bad[] = { "",    "a b",      "x)\r\nBcc: y",
		                           "a;b", "[1.2.3.4", "(x" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f.message.helo = bad[i];
		assert_begins_with(compose(""),
		                   "Received: from localhost (uid 33)\r\n");
	}
	f.message.helo = NULL;
	assert_begins_with(compose(""), "Received: from localhost ");
	f.message.helo = "[IPv6:::1]";
	assert_begins_with(compose(""), "Received: from [IPv6:::1] ");
}

static void names_no_uid_where_there_are_no_credentials(void **state)
{
	(void)state;
	f.message.flags = MESSAGE_FROM_TCP;
	assert_begins_with(compose(""), "Received: from php.local\r\n");
}

static void says_of_a_bounce_that_it_was_made_here(void **state)
{
	(void)state;
	f.message.flags = MESSAGE_IS_BOUNCE;
	assert_string_equal(compose(""),
	                    "Received: by web1.example.com (relais) id "
	                    "000000000001a;\r\n"
	                    "\tSun, 23 Nov 2025 18:40:01 +0000\r\n\r\n");
}

static void adds_what_is_missing_behind_the_stored_fields(void **state)
{
	(void)state;
	f.message.flags =
	    MESSAGE_ADD_DATE | MESSAGE_ADD_MESSAGE_ID | MESSAGE_ADD_FROM;
	f.message.message_id = "<1a@web1.example.com>";
	assert_string_equal(compose("Subject: x\r\n"),
	                    RECEIVED "Subject: x\r\n"
	                             "From: www@example.com\r\n"
	                             "Date: Sun, 23 Nov 2025 18:40:01 +0000\r\n"
	                             "Message-ID: <1a@web1.example.com>\r\n"
	                             "\r\n");
}

static void gives_a_missing_author_the_relays_identity(void **state)
{
	(void)state;
	f.message.flags = MESSAGE_ADD_FROM;
	f.relay.from.address = (char *)"noreply@example.com";
	f.relay.from.name = (char *)"Example, Inc.";
	assert_non_null(
	    strstr(compose(""),
	           "\r\nFrom: \"Example, Inc.\" <noreply@example.com>\r\n"));
}

static void gives_mail_of_the_null_sender_an_author(void **state)
{
	(void)state;
	f.message.flags = MESSAGE_ADD_FROM;
	f.message.sender = "";
	assert_non_null(
	    strstr(compose(""), "\r\nFrom: MAILER-DAEMON@example.com\r\n"));
}

static void adds_reply_to_only_where_there_is_none(void **state)
{
	(void)state;
	f.relay.reply_to.address = (char *)"support@example.com";
	f.relay.reply_to.name = (char *)"J\xc3\xb6rg";
	assert_non_null(
	    strstr(compose("Subject: x\r\n"),
	           "\r\nReply-To: =?utf-8?b?SsO2cmc=?= <support@example.com>"));
	assert_string_equal(compose("reply-to: me@example.net\r\n"),
	                    RECEIVED "reply-to: me@example.net\r\n\r\n");
}

static void qualifies_bare_mailboxes_and_nothing_else(void **state)
{
	static const char *const cases[][2] = {
		{ "root", "root@example.com" },
		{ "root (Charlie Root)", "root@example.com (Charlie Root)" },
		{ "root <root>", "root <root@example.com>" },
		{ "\"a <root>\" <root>", "\"a <root>\" <root@example.com>" },
		{ "< root >", "< root@example.com >" },
		{ "a@example.net, root,\r\n\tb",
		  "a@example.net, "
		  "root@example.com,\r\n\tb@example.com" },
		{ "root: root, a@x.org;", "root: root@example.com, a@x.org;" },
		{ "(root) root", "(root) root@example.com" },
		{ "undisclosed-recipients:;", "undisclosed-recipients:;" },
		{ "A <a@example.net>", "A <a@example.net>" },
		{ "root@localhost", "root@localhost" },
		{ "", "" },
	};
	char stored[200], wanted[300];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(stored, sizeof(stored), "To: %s\r\nSubject: root\r\n",
		         cases[i][0]);
		snprintf(wanted, sizeof(wanted),
		         RECEIVED "To: %s\r\nSubject: root\r\n\r\n",
		         cases[i][1]);
		assert_string_equal(compose(stored), wanted);
	}
}

static void
replaces_a_sender_without_a_full_domain_by_the_identity(void **state)
{
	(void)state;
	assert_string_equal(identity_sender(&f.relay, f.message.sender),
	                    "www@example.com");
	f.message.sender = "root@laptop";
	assert_string_equal(identity_sender(&f.relay, f.message.sender),
	                    "root@laptop");
	f.relay.from.address = (char *)"noreply@example.com";
	assert_string_equal(identity_sender(&f.relay, f.message.sender),
	                    "noreply@example.com");
	f.message.sender = "www@example.com";
	assert_string_equal(identity_sender(&f.relay, f.message.sender),
	                    "www@example.com");
	f.message.sender = "";
	assert_string_equal(identity_sender(&f.relay, f.message.sender), "");
}

static void fills_in_templates(void **state)
{
	struct relay_header headers[] = {
		{ (char *)"X-Trace", (char *)"{queue_id} {submitter} {tag}" },
		{ (char *)"X-Odd", (char *)"{unknown} {" },
		{ (char *)"X-Relay", (char *)"{relay}@{hostname} " },
	};

	(void)state;
	f.relay.headers = headers;
	f.relay.header_count = 3;
	f.message.tag = "news";
	assert_string_equal(compose(""), RECEIVED
	                    "X-Trace: 000000000001a 33 news\r\n"
	                    "X-Odd: {unknown} {\r\n"
	                    "X-Relay: office@web1.example.com\r\n\r\n");
}

static void lets_no_value_of_a_template_end_its_field(void **state)
{
	struct relay_header header = { (char *)"X-Tag", (char *)"{tag}" };

	(void)state;
	f.relay.headers = &header;
	f.relay.header_count = 1;
	f.message.tag = "a\r\nBcc: b\n\nc";
	assert_string_equal(compose(""),
	                    RECEIVED "X-Tag: a  Bcc: b  c\r\n\r\n");
	f.message.tag = "\xc3\xa9t\xc3\xa9\r\nBcc: b";
	assert_null(strstr(compose(""), "\nBcc"));
	assert_non_null(strstr(f.text, "X-Tag: =?utf-8?b?w6l0w6k"));
}

static void folds_long_values_at_spaces(void **state)
{
	char value[400];
	struct relay_header header = { (char *)"X-Long", value };
	char *line, *end;
	unsigned lines = 0;

	(void)state;
	value[0] = '\0';
	for (unsigned i = 0; i < 40; i++)
		strcat(value, i ? " word" : "word");
	f.relay.headers = &header;
	f.relay.header_count = 1;
	line = strstr(compose(""), "X-Long");
	for (; (end = strstr(line, "\r\n")) && end != line; line = end + 2) {
		assert_true(end - line <= 78);
		assert_true(lines++ == 0 || line[0] == ' ');
		assert_true(line[1] != ' ');
	}
	assert_int_equal(lines, 3);
}

static void folds_encoded_words_only_between_them(void **state)
{
	char value[400] = "";
	struct relay_header header = { (char *)"X-Long", value };
	char *line, *end;

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		strcat(value, "\xc3\xa9t\xc3\xa9 ");
	f.relay.headers = &header;
	f.relay.header_count = 1;
	line = strstr(compose(""), "X-Long");
	for (; (end = strstr(line, "\r\n")) && end != line; line = end + 2) {
		assert_true(end - line <= 78);
		assert_memory_equal(end - 2, "?=", 2);
	}
	/* The empty line is the last there is. */
	assert_string_equal(line, "\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(puts_received_on_top_and_keeps_the_rest),
		TEST(composes_the_same_octets_every_time),
		TEST(names_the_protocol_of_the_submission),
		TEST(lets_no_helo_into_received_that_is_no_name),
		TEST(names_no_uid_where_there_are_no_credentials),
		TEST(says_of_a_bounce_that_it_was_made_here),
		TEST(adds_what_is_missing_behind_the_stored_fields),
		TEST(gives_a_missing_author_the_relays_identity),
		TEST(gives_mail_of_the_null_sender_an_author),
		TEST(adds_reply_to_only_where_there_is_none),
		TEST(qualifies_bare_mailboxes_and_nothing_else),
		TEST(replaces_a_sender_without_a_full_domain_by_the_identity),
		TEST(fills_in_templates),
		TEST(lets_no_value_of_a_template_end_its_field),
		TEST(folds_long_values_at_spaces),
		TEST(folds_encoded_words_only_between_them),
	};

	return cmocka_run_group_tests_name("compose", tests, NULL, NULL);
}
