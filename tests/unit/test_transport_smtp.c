/* The sending side over real sockets, against a server that obeys. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport_fixture.h"

static void delivers_several_messages_over_one_connection(void **state)
{
	static const char *const talk[] = {
		"S: 220 mx.test", EHLO, "S: 250-mx.test", "S: 250-PIPELINING",
		"S: 250 SIZE 1000",
		/* both at once: the peer answers nothing before DATA */
		ENVELOPE, "C: DATA", ACCEPTED, "S: 354 go", "body",
		"S: 250 2.0.0 queued as 1", ENVELOPE, "C: DATA", ACCEPTED,
		"S: 354 go", "body", "S: 250 2.0.0 queued as 2", "C: QUIT",
		"S: 221 bye", NULL
	};
	const char *body;
	size_t len;

	(void)state;
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	expect_delivered();
	assert_string_equal(f.verdicts[0].text, "queued as 1");
	assert_false(f.result.is_closed);
	assert_string_equal(f.name, "localhost:25");
	assert_int_equal(f.result.size_limit, 1000);
	send_message();
	expect_delivered();
	assert_string_equal(f.verdicts[0].text, "queued as 2");
	finish();
	body = scripted_peer_body(f.peer, &len);
	assert_int_equal(len, strlen("A: b\r\n\r\ntwo\r\n..dot\r\n.\r\n"));
	assert_memory_equal(body, "A: b\r\n\r\ntwo\r\n..dot\r\n.\r\n", len);
}

static void delivers_a_large_body_whole(void **state)
{
	static const char *const talk[] = { "S: 220 mx.test",
		                            EHLO,
		                            "S: 250 mx.test",
		                            "C: MAIL FROM:<a@us.test>",
		                            "S: 250 ok",
		                            "C: RCPT TO:<b@them.test>",
		                            "S: 250 ok",
		                            "C: DATA",
		                            "S: 354 go",
		                            "body",
		                            "S: 250 ok",
		                            "C: QUIT",
		                            NULL };
	size_t lines = 200000;
	char *large = malloc(lines * 16 + 1);
	const char *body;
	size_t len;

	(void)state;
	for (size_t i = 0; i < lines; i++)
		snprintf(large + i * 16, 17, "%c%013zu\r\n", i % 7 ? 'x' : '.',
		         i);
	f.body = large;
	f.body_len = lines * 16;
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	expect_delivered();
	finish();
	body = scripted_peer_body(f.peer, &len);
	assert_int_equal(len, 8 + lines * 16 + (lines + 6) / 7 + 3);
	for (size_t i = 0, at = 8; i < lines; i++) {
		at += i % 7 == 0;
		assert_memory_equal(body + at, large + i * 16, 16);
		at += 16;
	}
	free(large);
}

static void hears_the_last_word_of_a_closing_server(void **state)
{
	static const char *const talk[] = {
		"S: 220 mx.test",      EHLO,
		"S: 250 mx.test",      "C: MAIL FROM:<a@us.test>",
		"S: 250 ok",           "C: RCPT TO:<b@them.test>",
		"S: 550 5.1.1 nobody", NULL
	};

	(void)state;
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	assert_int_equal(f.verdicts[0].class, VERDICT_PERMANENT);
	assert_string_equal(f.verdicts[0].text, "nobody");
	assert_int_equal(f.result.phase, PHASE_RCPT);
	turn_until(&f.is_idle_closed);
	finish();
}

static void knows_nothing_when_lost_after_the_dot(void **state)
{
	static const char *const talk[] = {
		"S: 220 mx.test", EHLO,
		"S: 250-mx.test", "S: 250 PIPELINING",
		"C~ MAIL",        "C~ RCPT",
		"C: DATA",        ACCEPTED,
		"S: 354 go",      "body",
		"reset",          NULL
	};

	(void)state;
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	assert_int_equal(f.verdicts[0].class, VERDICT_UNKNOWN);
	assert_int_equal(f.verdicts[0].phase, PHASE_DOT);
	assert_int_equal(f.dots, 1);
	assert_true(f.result.is_closed);
	assert_int_equal(f.result.fault.class, VERDICT_NONE);
	finish();
}

static void cuts_the_connection_when_the_body_cannot_be_read(void **state)
{
	static const char *const talk[] = { "S: 220 mx.test",
		                            EHLO,
		                            "S: 250-mx.test",
		                            "S: 250 PIPELINING",
		                            "C~ MAIL",
		                            "C~ RCPT",
		                            "C: DATA",
		                            ACCEPTED,
		                            "S: 354 go",
		                            "eof",
		                            NULL };

	(void)state;
	f.read_error = -EIO;
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	assert_int_equal(f.verdicts[0].class, VERDICT_TEMPORARY);
	assert_int_equal(f.verdicts[0].scope, SCOPE_MESSAGE);
	assert_int_equal(f.dots, 0);
	assert_true(f.result.is_closed);
	finish();
}

static void is_stale_when_the_server_has_left_in_between(void **state)
{
	static const char *const talk[] = {
		"S: 220 mx.test", EHLO,
		"S: 250-mx.test", "S: 250 PIPELINING",
		"C~ MAIL",        "C~ RCPT",
		"C: DATA",        ACCEPTED,
		"S: 354 go",      "body",
		"S: 250 ok",      "C~ MAIL",
		"reset",          NULL
	};

	(void)state;
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	expect_delivered();
	send_message();
	assert_true(f.result.is_stale);
	assert_true(f.result.is_closed);
	assert_int_equal(f.verdicts[0].class, VERDICT_NONE);
	assert_int_equal(f.result.fault.class, VERDICT_NONE);
	finish();
}

static void can_be_freed_when_done(void **state)
{
	static const char *const talk[] = { "S: 220 mx.test",
		                            EHLO,
		                            "S: 250 mx.test",
		                            "C: MAIL FROM:<a@us.test>",
		                            "S: 550 5.1.0 not you",
		                            "C: QUIT",
		                            NULL };

	(void)state;
	f.frees_when_done = true;
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	assert_int_equal(f.verdicts[0].class, VERDICT_PERMANENT);
	scripted_peer_finish(f.peer);
}

static void can_be_freed_at_any_time(void **state)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof address;
	/* the kernel answers the connection, and nobody says a word */
	int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(
	    bind(silent, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(silent, 8), 0);
	assert_int_equal(getsockname(silent, (struct sockaddr *)&address, &len),
	                 0);
	add_address(ntohs(address.sin_port));
	for (int turns = 0; turns < 5; turns++) {
		open_transport();
		transport_send(f.transport, &f.message);
		turn(turns);
		transport_free(f.transport);
		f.transport = NULL;
	}
	turn(5);
	assert_false(f.is_done);
	close(silent);
}

static void names_who_refused_the_connection(void **state)
{
	(void)state;
	/* port 1 of loopback: nobody */
	add_address(1);
	open_transport();
	send_message();
	expect_fault(PHASE_CONNECT, FAULT_NETWORK,
	             "cannot connect to localhost [127.0.0.1]:25: Connection "
	             "refused");
}

static void tries_the_next_address(void **state)
{
	static const char *const talk[] = { "S: 220 mx.test",
		                            EHLO,
		                            "S: 250 mx.test",
		                            "C: MAIL FROM:<a@us.test>",
		                            "S: 550 5.1.0 not you",
		                            "C: QUIT",
		                            NULL };

	(void)state;
	add_address(1);
	add_address(2);
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	assert_int_equal(f.verdicts[0].class, VERDICT_PERMANENT);
	finish();
}

/* A socket with a full backlog: the kernel drops what else comes. */
static int make_silent(uint16_t *ret_port, int waiting[4])
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(
	    bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(
	    getsockname(listener, (struct sockaddr *)&address, &len), 0);
	for (int i = 0; i < 4; i++) {
		waiting[i] = socket(
		    AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(waiting[i], (struct sockaddr *)&address, len);
	}
	*ret_port = ntohs(address.sin_port);
	return listener;
}

static void goes_on_while_an_address_is_silent(void **state)
{
	static const char *const talk[] = { "S: 220 mx.test",
		                            EHLO,
		                            "S: 250 mx.test",
		                            "C: MAIL FROM:<a@us.test>",
		                            "S: 550 5.1.0 not you",
		                            "C: QUIT",
		                            NULL };
	uint16_t port;
	int waiting[4];
	int listener = make_silent(&port, waiting);

	(void)state;
	add_address(port);
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	assert_int_equal(f.verdicts[0].class, VERDICT_PERMANENT);
	finish();
	for (int i = 0; i < 4; i++)
		close(waiting[i]);
	close(listener);
}

static void refuses_what_is_not_smtp(void **state)
{
	static const char *const talk[] = { "S: HTTP/1.1 400 Bad Request",
		                            "eof", NULL };

	(void)state;
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	expect_fault(PHASE_GREETING, FAULT_PROTOCOL, "not SMTP");
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(delivers_several_messages_over_one_connection),
		TEST(delivers_a_large_body_whole),
		TEST(hears_the_last_word_of_a_closing_server),
		TEST(knows_nothing_when_lost_after_the_dot),
		TEST(cuts_the_connection_when_the_body_cannot_be_read),
		TEST(is_stale_when_the_server_has_left_in_between),
		TEST(can_be_freed_when_done),
		TEST(can_be_freed_at_any_time),
		TEST(names_who_refused_the_connection),
		TEST(tries_the_next_address),
		TEST(goes_on_while_an_address_is_silent),
		TEST(refuses_what_is_not_smtp),
	};

	return cmocka_run_group_tests(tests, prepare, clean_up);
}
