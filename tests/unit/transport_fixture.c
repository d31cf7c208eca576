/*
 * transport_fixture - one SMTP transport on a loop, facing a scripted_peer
 */
#include "config.h"

#include "transport_fixture.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "runtime/loop.h"

struct fixture f;

static struct loop *loop;
static char certificates[PATH_MAX];

char *file(const char *name)
{
	static char path[8][PATH_MAX + 64];
	static unsigned next;
	char *text = path[next++ % 8];

	snprintf(text, sizeof path[0], "%s/%s", certificates, name);
	return text;
}

static int read_body(void *context, const char **ret_data, size_t *ret_len)
{
	size_t left = f.body_len - f.read;

	(void)context;
	if (f.read_error)
		return f.read_error;
	*ret_data = f.body + f.read;
	*ret_len = left > 65520 ? 65520 : left;
	f.read += *ret_len;
	return 0;
}

static void on_dot(void *context)
{
	(void)context;
	f.dots++;
}

static void on_done(void *context, const struct transport_result *result)
{
	(void)context;
	assert_false(f.is_done);
	f.is_done = true;
	f.result = *result;
	memcpy(f.verdicts, result->verdicts,
	       result->count * sizeof *f.verdicts);
	snprintf(f.tls, sizeof f.tls, "%s", result->tls ? result->tls : "");
	snprintf(f.name, sizeof f.name, "%s", result->host);
	if (f.frees_when_done) {
		transport_free(f.transport);
		f.transport = NULL;
	}
}

static void on_idle_closed(void *context)
{
	(void)context;
	f.is_idle_closed = true;
}

int set_up(void **state)
{
	(void)state;
	memset(&f, 0, sizeof f);
	f.relay = (struct relay_settings){
		.kind = RELAY_SMTP,
		.security = RELAY_CLEAR,
		.tls = { .verify = true, .minimum = TLS_MINIMUM_1_2 },
	};
	f.host = "localhost";
	f.body = "two\r\n.dot\r\n";
	f.body_len = strlen(f.body);
	f.recipients[0].address = "b@them.test";
	f.recipients[1].address = "c@them.test";
	f.message = (struct transport_message){
		.id = 1,
		.sender = "a@us.test",
		.recipients = f.recipients,
		.recipient_count = 1,
		.header = "A: b\r\n\r\n",
		.header_len = 8,
		.size = 21,
		.read_body = read_body,
		.on_dot = on_dot,
	};
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	transport_free(f.transport);
	if (f.peer)
		scripted_peer_free(f.peer);
	return 0;
}

void add_address(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	memcpy(&f.addresses[f.address_count].address, &address, sizeof address);
	f.addresses[f.address_count++].length = sizeof address;
}

void open_transport(void)
{
	const struct transport_target target = {
		.relay = &f.relay,
		.host = f.host,
		.port = 25,
		.addresses = f.addresses,
		.address_count = f.address_count,
		.ehlo_name = "us.test",
		.password = "secret",
	};
	const struct transport_events events = { on_done, on_idle_closed,
		                                 NULL };

	assert_int_equal(transport_new(&f.transport, loop, &target, &events),
	                 0);
}

void start(const struct peer_script *script)
{
	f.peer = scripted_peer_start(script);
	add_address(scripted_peer_port(f.peer));
	open_transport();
}

void turn(int times)
{
	while (times-- > 0)
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

void turn_until(const bool *is_reached)
{
	while (!*is_reached)
		assert_int_equal(event_base_loop(loop_base(loop), EVLOOP_ONCE),
		                 0);
}

void send_message(void)
{
	f.is_done = false;
	f.read = 0;
	f.dots = 0;
	transport_send(f.transport, &f.message);
	/* never from inside transport_send() */
	assert_false(f.is_done);
	turn_until(&f.is_done);
}

void finish(void)
{
	transport_free(f.transport);
	f.transport = NULL;
	scripted_peer_finish(f.peer);
}

void expect_delivered(void)
{
	if (f.verdicts[0].class != VERDICT_DELIVERED)
		fail_msg(
		    "%s %s: %s / fault %s %s: %s",
		    verdict_class_name(f.verdicts[0].class),
		    smtp_phase_name(f.verdicts[0].phase), f.verdicts[0].text,
		    verdict_fault_name(f.result.fault.fault),
		    smtp_phase_name(f.result.fault.phase), f.result.fault.text);
	assert_int_equal(f.result.fault.class, VERDICT_NONE);
	assert_int_equal(f.dots, 1);
	assert_int_equal(f.result.phase, PHASE_DOT);
}

void expect_fault(enum smtp_phase phase, enum verdict_fault fault,
                  const char *text)
{
	if (f.result.fault.class != VERDICT_TEMPORARY ||
	    f.result.fault.scope != SCOPE_RELAY ||
	    f.result.fault.phase != phase || f.result.fault.fault != fault ||
	    !strstr(f.result.fault.text, text))
		fail_msg("%s %s: %s", verdict_fault_name(f.result.fault.fault),
		         smtp_phase_name(f.result.fault.phase),
		         f.result.fault.text);
	assert_int_equal(f.verdicts[0].class, VERDICT_NONE);
	assert_int_equal(f.dots, 0);
	assert_true(f.result.is_closed);
}

int prepare(void **state)
{
	const char *srcdir = getenv("srcdir");
	const char *builddir = getenv("builddir");
	char command[3 * PATH_MAX];

	(void)state;
	snprintf(certificates, sizeof certificates, "%s/tests/certificates",
	         builddir ? builddir : ".");
	snprintf(command, sizeof command,
	         "sh %s/tests/support/certificates.sh %s >&2",
	         srcdir ? srcdir : ".", certificates);
	if (system(command) != 0 || loop_prepare_process() < 0)
		return -1;
	return loop_new(&loop, "test");
}

int clean_up(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}
