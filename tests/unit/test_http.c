/* Answers as a server may send them, in any pieces. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "http.h"

static char folder[] = "/tmp/relais-http-XXXXXX";
static char path[64];
static int listener;
static pthread_t server;
static const char *answer;
static size_t step; /* octets a write */
static char question[4096];

/* One connection: reads a request's head, writes the answer, closes. */
static void *serve(void *context)
{
	int fd = accept(listener, NULL, NULL);
	size_t used = 0;
	const char *rest = answer;

	(void)context;
	while (used + 1 < sizeof(question)) {
		ssize_t got =
		    read(fd, question + used, sizeof(question) - 1 - used);

		if (got <= 0)
			break;
		used += (size_t)got;
		question[used] = '\0';
		if (strstr(question, "\r\n\r\n"))
			break;
	}
	while (*rest) {
		size_t len = strlen(rest) < step ? strlen(rest) : step;

		if (send(fd, rest, len, MSG_NOSIGNAL) < 0)
			break;
		rest += len;
	}
	close(fd);
	return NULL;
}

static int set_up_folder(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/s", folder);
	memcpy(address.sun_path, path, strlen(path) + 1);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return listen(listener, 5);
}

static int tear_down_folder(void **state)
{
	(void)state;
	close(listener);
	unlink(path);
	return rmdir(folder);
}

static int ask_server(const char *text, size_t octets, struct http **ret_http)
{
	answer = text;
	step = octets;
	assert_int_equal(pthread_create(&server, NULL, serve, NULL), 0);
	return http_open(ret_http, path, "POST", "/v1/x", NULL, "{}");
}

static void assert_body(const char *text, int status, const char *body)
{
	size_t octets;

	for (octets = 1; octets < 40; octets += 13) {
		struct http *http;
		char *data;
		size_t len;

		assert_int_equal(ask_server(text, octets, &http), 0);
		assert_int_equal(http_status(http), status);
		assert_int_equal(http_read_all(http, &data, &len), 0);
		assert_string_equal(data, body);
		assert_int_equal(len, strlen(body));
		free(data);
		http_close(http);
		pthread_join(server, NULL);
	}
}

static void reads_a_body_of_known_length(void **state)
{
	(void)state;
	assert_body("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello"
	            "more",
	            404, "hello");
	assert_non_null(strstr(question, "POST /v1/x HTTP/1.1\r\n"));
	assert_non_null(strstr(question, "Content-Length: 2\r\n"));
}

static void reads_chunks(void **state)
{
	(void)state;
	assert_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	            "4\r\nhell\r\nA;x=y\r\no, world!!\r\n0\r\n\r\n",
	            200, "hello, world!!");
}

static void reads_to_the_end_of_the_connection(void **state)
{
	(void)state;
	assert_body("HTTP/1.0 200 OK\r\nX: y\r\n\r\nall of it", 200,
	            "all of it");
}

static void reads_line_by_line(void **state)
{
	struct http *http;
	const char *line;

	(void)state;
	assert_int_equal(ask_server("HTTP/1.1 200 OK\r\n"
	                            "Transfer-Encoding: chunked\r\n\r\n"
	                            "6\r\n: a\n\nd\r\n4\r\nata\n\r\n0\r\n\r\n",
	                            3, &http),
	                 0);
	assert_int_equal(http_read_line(http, &line), 0);
	assert_string_equal(line, ": a");
	assert_int_equal(http_read_line(http, &line), 0);
	assert_string_equal(line, "");
	assert_int_equal(http_read_line(http, &line), 0);
	assert_string_equal(line, "data");
	assert_int_equal(http_read_line(http, &line), -ENODATA);
	http_close(http);
	pthread_join(server, NULL);
}

static void notices_an_answer_that_was_cut(void **state)
{
	static const char *const cut[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhel",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		struct http *http;
		char *data;
		size_t len;

		assert_int_equal(ask_server(cut[i], 100, &http), 0);
		assert_true(http_read_all(http, &data, &len) < 0);
		http_close(http);
		pthread_join(server, NULL);
	}
}

static void refuses_what_is_no_http(void **state)
{
	struct http *http;

	(void)state;
	assert_int_equal(ask_server("220 relais ESMTP\r\n\r\n", 100, &http),
	                 -EPROTO);
	pthread_join(server, NULL);
	assert_int_equal(ask_server("", 1, &http), -EPROTO);
	pthread_join(server, NULL);
}

static void says_that_nobody_listens(void **state)
{
	struct http *http;

	(void)state;
	assert_int_equal(http_open(&http, "/nowhere/s", "GET", "/", NULL, NULL),
	                 -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_body_of_known_length),
		cmocka_unit_test(reads_chunks),
		cmocka_unit_test(reads_to_the_end_of_the_connection),
		cmocka_unit_test(reads_line_by_line),
		cmocka_unit_test(notices_an_answer_that_was_cut),
		cmocka_unit_test(refuses_what_is_no_http),
		cmocka_unit_test(says_that_nobody_listens),
	};

	return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
