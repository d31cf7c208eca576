/* The sending side over TLS: whom it trusts, and what it says when not. */
#include "config.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "transport_fixture.h"

static const char *const over_tls[] = { "tls",
	                                "S: 220 mx.test",
	                                EHLO,
	                                "S: 250-mx.test",
	                                "S: 250 PIPELINING",
	                                "C~ MAIL",
	                                "C~ RCPT",
	                                "C: DATA",
	                                ACCEPTED,
	                                "S: 354 go",
	                                "body",
	                                "S: 250 ok",
	                                "C: QUIT",
	                                "eof",
	                                NULL };
static const char *const refused_tls[] = { "tls", NULL };

static void use_tls(enum relay_security security)
{
	f.relay.security = security;
	f.relay.tls.ca_file = file("ca.pem");
}

static void delivers_over_tls_and_resumes(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	for (int i = 0; i < 2; i++) {
		use_tls(RELAY_TLS);
		f.address_count = 0;
		start(&(struct peer_script){
		    .certificate = file("good.all"),
		    .tls_version = versions[i],
		    .connections = { over_tls, over_tls },
		});
		send_message();
		expect_delivered();
		assert_string_equal(f.tls, i ? "TLSv1.3" : "TLSv1.2");
		transport_free(f.transport);
		open_transport();
		send_message();
		expect_delivered();
		finish();
		assert_true(scripted_peer_is_resumed(f.peer));
		scripted_peer_free(f.peer);
		f.peer = NULL;
		/* another policy, so as not to resume 1.2 with 1.3 */
		f.relay.tls.minimum = TLS_MINIMUM_1_3;
	}
}

static void logs_in_behind_starttls(void **state)
{
	static char username[] = "user";
	static const char *const talk[] = { "S: 220 mx.test",
		                            EHLO,
		                            "S: 250-mx.test",
		                            "S: 250 STARTTLS",
		                            "C: STARTTLS",
		                            "S: 220 go",
		                            "tls",
		                            EHLO,
		                            "S: 250-mx.test",
		                            "S: 250-PIPELINING",
		                            "S: 250 AUTH PLAIN LOGIN",
		                            "C: AUTH PLAIN AHVzZXIAc2VjcmV0",
		                            "S: 235 in",
		                            "C~ MAIL",
		                            "C~ RCPT",
		                            "C: DATA",
		                            ACCEPTED,
		                            "S: 354 go",
		                            "body",
		                            "S: 250 ok",
		                            "C: QUIT",
		                            "eof",
		                            NULL };

	(void)state;
	use_tls(RELAY_STARTTLS);
	f.relay.authentication = RELAY_AUTHENTICATION_ON;
	f.relay.username = username;
	start(&(struct peer_script){ .certificate = file("good.all"),
	                             .connections = { talk } });
	send_message();
	expect_delivered();
	assert_string_equal(f.tls, "TLSv1.3");
	finish();
}

static void refuses_bad_certificates(void **state)
{
	static const struct {
		const char *certificate;
		const char *text;
	} bad[] = {
		{ "expired.all", "certificate has expired" },
		{ "wrong.all", "hostname mismatch" },
		{ "self.all", "self-signed certificate" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		use_tls(RELAY_TLS);
		f.address_count = 0;
		start(&(struct peer_script){ .certificate =
		                                 file(bad[i].certificate),
		                             .connections = { refused_tls } });
		send_message();
		expect_fault(PHASE_TLS, FAULT_TLS, bad[i].text);
		finish();
		scripted_peer_free(f.peer);
		f.peer = NULL;
	}
}

static void refuses_an_authority_it_does_not_know(void **state)
{
	(void)state;
	use_tls(RELAY_TLS);
	f.relay.tls.ca_file = file("self.pem");
	start(&(struct peer_script){ .certificate = file("good.all"),
	                             .connections = { refused_tls } });
	send_message();
	expect_fault(PHASE_TLS, FAULT_TLS, "unable to get local issuer");
	finish();
}

static void checks_an_address_where_one_is_configured(void **state)
{
	(void)state;
	use_tls(RELAY_TLS);
	f.host = "127.0.0.1";
	start(&(struct peer_script){ .certificate = file("good.all"),
	                             .connections = { over_tls } });
	send_message();
	expect_delivered();
	finish();
	scripted_peer_free(f.peer);

	f.host = "127.0.0.2";
	f.address_count = 0;
	start(&(struct peer_script){ .certificate = file("good.all"),
	                             .connections = { refused_tls } });
	send_message();
	expect_fault(PHASE_TLS, FAULT_TLS, "IP address mismatch");
	finish();
}

/* sha256 of the SPKI, as openssl(1) prints it. */
static void fingerprint_of(const char *certificate, char digest[65])
{
	char command[2 * PATH_MAX];
	FILE *pipe;

	snprintf(command, sizeof command,
	         "openssl x509 -in %s -noout -pubkey |"
	         "openssl pkey -pubin -outform DER |"
	         "openssl dgst -sha256 -r",
	         file(certificate));
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fread(digest, 1, 64, pipe), 64);
	digest[64] = '\0';
	pclose(pipe);
}

static void trusts_the_pinned_key_alone(void **state)
{
	char digest[65];

	(void)state;
	fingerprint_of("self.pem", digest);
	use_tls(RELAY_TLS);
	f.relay.tls.ca_file = NULL;
	f.relay.tls.fingerprint = digest;
	start(&(struct peer_script){ .certificate = file("self.all"),
	                             .connections = { over_tls } });
	send_message();
	expect_delivered();
	finish();
	scripted_peer_free(f.peer);

	f.address_count = 0;
	start(&(struct peer_script){ .certificate = file("good.all"),
	                             .connections = { refused_tls } });
	send_message();
	expect_fault(PHASE_TLS, FAULT_TLS, "not the pinned one");
	finish();
}

static void takes_anybody_where_verification_is_off(void **state)
{
	(void)state;
	use_tls(RELAY_TLS);
	f.relay.tls.verify = false;
	start(&(struct peer_script){ .certificate = file("self.all"),
	                             .connections = { over_tls } });
	send_message();
	expect_delivered();
	finish();
}

static void refuses_a_version_below_the_minimum(void **state)
{
	(void)state;
	use_tls(RELAY_TLS);
	f.relay.tls.minimum = TLS_MINIMUM_1_3;
	start(&(struct peer_script){ .certificate = file("good.all"),
	                             .tls_version = TLS1_2_VERSION,
	                             .connections = { refused_tls } });
	send_message();
	expect_fault(PHASE_TLS, FAULT_TLS, "version");
	finish();
}

static void says_that_a_port_does_not_speak_tls(void **state)
{
	static const char *const talk[] = { "S: 220 mx.test", "drain", NULL };

	(void)state;
	use_tls(RELAY_TLS);
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	expect_fault(PHASE_TLS, FAULT_CONFIG, "does not speak TLS");
	finish();
}

static void says_which_file_cannot_be_used(void **state)
{
	static const char *const talk[] = { "eof", NULL };

	(void)state;
	use_tls(RELAY_TLS);
	f.relay.tls.ca_file = file("absent.pem");
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	expect_fault(PHASE_TLS, FAULT_CONFIG, "absent.pem");
	finish();
}

static void drops_a_server_that_talks_between_starttls_and_tls(void **state)
{
	static const char *const talk[] = {
		"S: 220 mx.test",  EHLO,          "S: 250-mx.test",
		"S: 250 STARTTLS", "C: STARTTLS", "S: 220 go",
		"S: 250 injected", "eof",         NULL
	};

	(void)state;
	use_tls(RELAY_STARTTLS);
	start(&(struct peer_script){ .connections = { talk } });
	send_message();
	expect_fault(PHASE_STARTTLS, FAULT_PROTOCOL, "clear text");
	finish();
}

static void knows_nothing_when_tls_is_cut_after_the_dot(void **state)
{
	static const char *const talk[] = { "tls",
		                            "S: 220 mx.test",
		                            EHLO,
		                            "S: 250-mx.test",
		                            "S: 250 PIPELINING",
		                            "C~ MAIL",
		                            "C~ RCPT",
		                            "C: DATA",
		                            ACCEPTED,
		                            "S: 354 go",
		                            "body",
		                            "cut",
		                            NULL };

	(void)state;
	use_tls(RELAY_TLS);
	start(&(struct peer_script){ .certificate = file("good.all"),
	                             .connections = { talk } });
	send_message();
	assert_int_equal(f.verdicts[0].class, VERDICT_UNKNOWN);
	assert_non_null(strstr(f.verdicts[0].text, "close_notify"));
	finish();
}

static void encrypts_with_anybody_where_that_is_enough(void **state)
{
	static const char *const talk[] = { "S: 220 mx.test",
		                            EHLO,
		                            "S: 250-mx.test",
		                            "S: 250 STARTTLS",
		                            "C: STARTTLS",
		                            "S: 220 go",
		                            "tls",
		                            EHLO,
		                            "S: 250-mx.test",
		                            "S: 250 PIPELINING",
		                            "C~ MAIL",
		                            "C~ RCPT",
		                            "C: DATA",
		                            ACCEPTED,
		                            "S: 354 go",
		                            "body",
		                            "S: 250 ok",
		                            "C: QUIT",
		                            "eof",
		                            NULL };

	(void)state;
	use_tls(RELAY_OPPORTUNISTIC);
	start(&(struct peer_script){ .certificate = file("expired.all"),
	                             .connections = { talk } });
	send_message();
	expect_delivered();
	assert_string_equal(f.tls, "TLSv1.3");
	finish();
}

static void goes_in_the_clear_when_opportunistic_tls_breaks(void **state)
{
	static const char *const broken[] = { "S: 220 mx.test",
		                              EHLO,
		                              "S: 250-mx.test",
		                              "S: 250 STARTTLS",
		                              "C: STARTTLS",
		                              "S: 220 go",
		                              "cut",
		                              NULL };
	static const char *const clear[] = { "S: 220 mx.test",
		                             EHLO,
		                             "S: 250-mx.test",
		                             "S: 250-PIPELINING",
		                             "S: 250 STARTTLS",
		                             "C~ MAIL",
		                             "C~ RCPT",
		                             "C: DATA",
		                             ACCEPTED,
		                             "S: 354 go",
		                             "body",
		                             "S: 250 ok",
		                             "C: QUIT",
		                             "eof",
		                             NULL };

	(void)state;
	use_tls(RELAY_OPPORTUNISTIC);
	start(&(struct peer_script){ .connections = { broken, clear } });
	send_message();
	expect_delivered();
	assert_string_equal(f.tls, "");
	finish();
}

static void never_goes_in_the_clear_when_required_tls_breaks(void **state)
{
	static const char *const broken[] = { "S: 220 mx.test",
		                              EHLO,
		                              "S: 250-mx.test",
		                              "S: 250 STARTTLS",
		                              "C: STARTTLS",
		                              "S: 220 go",
		                              "cut",
		                              NULL };

	(void)state;
	use_tls(RELAY_STARTTLS);
	start(&(struct peer_script){ .connections = { broken } });
	send_message();
	expect_fault(PHASE_TLS, FAULT_TLS, "");
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(delivers_over_tls_and_resumes),
		TEST(logs_in_behind_starttls),
		TEST(refuses_bad_certificates),
		TEST(refuses_an_authority_it_does_not_know),
		TEST(checks_an_address_where_one_is_configured),
		TEST(trusts_the_pinned_key_alone),
		TEST(takes_anybody_where_verification_is_off),
		TEST(refuses_a_version_below_the_minimum),
		TEST(says_that_a_port_does_not_speak_tls),
		TEST(says_which_file_cannot_be_used),
		TEST(drops_a_server_that_talks_between_starttls_and_tls),
		TEST(knows_nothing_when_tls_is_cut_after_the_dot),
		TEST(encrypts_with_anybody_where_that_is_enough),
		TEST(goes_in_the_clear_when_opportunistic_tls_breaks),
		TEST(never_goes_in_the_clear_when_required_tls_breaks),
	};

	return cmocka_run_group_tests(tests, prepare, clean_up);
}
