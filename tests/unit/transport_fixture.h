/*
 * transport_fixture - one SMTP transport on a loop, facing a scripted_peer
 */
#ifndef TRANSPORT_FIXTURE_H
#define TRANSPORT_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "deliver/transport.h"
#include "scripted_peer.h"
#include "settings.h"

#define EHLO     "C: EHLO us.test"
#define ENVELOPE "C: MAIL FROM:<a@us.test> SIZE=21", "C: RCPT TO:<b@them.test>"
#define ACCEPTED "S: 250 2.1.0 ok", "S: 250 2.1.5 ok"

/* What a test has in hand. */
struct fixture {
	struct relay_settings relay;
	struct transport_address addresses[3];
	size_t address_count;
	struct scripted_peer *peer;
	struct transport *transport;
	const char *host;
	/* the message */
	const char *body;
	size_t body_len;
	size_t read;
	int read_error;
	unsigned dots;
	struct transport_recipient recipients[2];
	struct transport_message message;
	/* the outcome */
	bool is_done;
	bool is_idle_closed;
	bool frees_when_done;
	struct verdict verdicts[2];
	struct transport_result result;
	char tls[32];
	char name[64];
};

extern struct fixture f;

/* For the group and for each test: */
int prepare(void **state);
int clean_up(void **state);
int set_up(void **state);
int tear_down(void **state);

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* One of the files that certificates.sh makes; good until the eighth call
 * from here. Not const, as settings own their strings: nobody writes there. */
char *file(const char *name);

void add_address(uint16_t port);
void open_transport(void);
/* A peer, and a transport towards it. */
void start(const struct peer_script *script);
/* A few turns of the loop, without waiting. */
void turn(int times);
void turn_until(const bool *is_reached);
/* Sends f.message and waits for its outcome. */
void send_message(void);
/* Frees the transport, and waits for the peer's script to end. */
void finish(void);

void expect_delivered(void);
/* Of scope relay, with nobody tried. */
void expect_fault(enum smtp_phase phase, enum verdict_fault fault,
                  const char *text);

#endif
