/* Names to addresses and mail exchangers, against a name server on loopback. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "deliver/dns.h"
#include "deliver/idna.h"
#include "deliver/resolver.h"
#include "dns_server.h"
#include "runtime/loop.h"
#include "runtime/mailbox.h"
#include "scratch.h"
#include "settings.h"

static const struct dns_row zone[] = {
	{ "two.test", ROW_MX, 300, "20 mx2.test" },
	{ "two.test", ROW_MX, 300, "10 mx1.test" },
	{ "mx1.test", ROW_A, 300, "192.0.2.1" },
	{ "mx2.test", ROW_A, 300, "192.0.2.2" },
	{ "mx2.test", ROW_A, 300, "192.0.2.3" },
	{ "equal.test", ROW_MX, 300, "10 mx1.test" },
	{ "equal.test", ROW_MX, 300, "10 mx2.test" },
	{ "implicit.test", ROW_A, 300, "192.0.2.4" },
	{ "null.test", ROW_MX, 300, "0 ." },
	{ "alias.test", ROW_CNAME, 300, "two.test" },
	{ "halfalias.test", ROW_CNAME, 300, "implicit.test" },
	{ "broken.test", ROW_MX, 300, "10 gone.test" },
	{ "empty.test", ROW_CNAME + 11, 300, "x.test" },
	{ "fail.test", ROW_RCODE, 0, "2" },
	{ "refused.test", ROW_RCODE, 0, "5" },
	{ "silent.test", ROW_SILENCE, 0, NULL },
	{ "nonsense.test", ROW_NONSENSE, 0, NULL },
	{ "halffail.test", ROW_MX, 300, "10 fail.test" },
	{ "halffail.test", ROW_MX, 300, "20 mx1.test" },
	{ "allfail.test", ROW_MX, 300, "10 fail.test" },
	{ "ours.test", ROW_MX, 300, "10 mx1.test" },
	{ "ours.test", ROW_MX, 300, "20 HOST.example.net" },
	{ "ours.test", ROW_MX, 300, "20 mx2.test" },
	{ "ours.test", ROW_MX, 300, "30 mx2.test" },
	{ "loop.test", ROW_MX, 300, "10 host.example.net" },
	{ "loop.test", ROW_MX, 300, "20 mx1.test" },
	{ "both.test", ROW_A, 300, "127.0.0.1" },
	{ "both.test", ROW_A, 300, "127.0.0.2" },
	{ "both.test", ROW_AAAA, 300, "2001:db8::1" },
	{ "fleeting.test", ROW_A, 0, "192.0.2.5" },
	{ "short.test", ROW_A, 10, "192.0.2.6" },
	{ "xn--bcher-kva.test", ROW_MX, 300, "10 mx1.test" },
	{ NULL, 0, 0, NULL },
};

static struct {
	struct scratch *scratch;
	const struct settings *settings;
	struct dns_server *server;
	struct loop *loop;
	struct mailbox *mailbox;
	struct resolver *resolver;
	struct resolver_query *answered;
	unsigned waiting;
} f;

static int64_t boot_ms;

static int64_t fake_boottime_ms(void)
{
	return boot_ms;
}

static int64_t fake_wall_ms(void)
{
	return 1763923201123;
}

static int64_t fake_monotonic_us(void)
{
	return boot_ms * 1000;
}

static const struct settings *settings_for(struct dns_server *server,
                                           unsigned tries)
{
	char yaml[300];

	(void)snprintf(yaml, sizeof(yaml),
	               "hostname: host.example.net\n"
	               "resolver: {servers: ['127.0.0.1:%u'], timeout: 1s, "
	               "tries: %u}\n",
	               dns_server_port(server), tries);
	return scratch_settings(f.scratch, yaml);
}

static int set_up(void **state)
{
	static const struct clock_source source = {
		.wall_ms = fake_wall_ms,
		.boottime_ms = fake_boottime_ms,
		.monotonic_us = fake_monotonic_us,
	};

	(void)state;
	memset(&f, 0, sizeof(f));
	boot_ms = 1000000;
	clock_replace(&source);
	f.scratch = scratch_new();
	f.server = dns_server_new(zone);
	f.settings = settings_for(f.server, 1);
	assert_int_equal(loop_new(&f.loop, "test"), 0);
	assert_int_equal(mailbox_new(&f.mailbox, f.loop), 0);
	assert_int_equal(resolver_new(&f.resolver, f.loop, f.settings), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	resolver_query_free(f.answered);
	resolver_free(f.resolver);
	mailbox_free(f.mailbox);
	loop_free(f.loop);
	settings_unref(f.settings);
	dns_server_free(f.server);
	scratch_free(f.scratch);
	clock_replace(NULL);
	return 0;
}

static void on_answer(struct letter *letter)
{
	resolver_query_free(f.answered);
	f.answered = LETTER_OF(letter, struct resolver_query, letter);
	if (--f.waiting == 0)
		loop_stop(f.loop);
}

static void post(enum resolver_kind kind, const char *name)
{
	struct resolver_query *query = resolver_query_new(kind, name, 2525);

	query->home = f.mailbox;
	query->on_done = on_answer;
	f.waiting++;
	resolver_ask_take(f.resolver, query);
}

static const struct resolver_query *ask(enum resolver_kind kind,
                                        const char *name)
{
	post(kind, name);
	assert_int_equal(loop_run(f.loop), 0);
	assert_int_equal(f.waiting, 0);
	return f.answered;
}

/* "mx1.test 192.0.2.1; mx2.test 192.0.2.2 192.0.2.3" */
static const char *hosts(const struct resolver_query *query)
{
	static char text[1000];
	char number[INET6_ADDRSTRLEN];
	size_t used = 0;

	text[0] = '\0';
	if (query->status != RESOLVED)
		fail_msg("%s", query->text);
	for (size_t i = 0; i < query->host_count; i++) {
		const struct resolver_host *host = &query->hosts[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used,
		                         "%s%s", i ? "; " : "", host->name);
		for (size_t j = 0; j < host->address_count; j++) {
			const struct sockaddr_storage *address =
			    &host->addresses[j].address;
			const struct sockaddr_in *v4 = (const void *)address;
			const struct sockaddr_in6 *v6 = (const void *)address;
			bool is_v4 = address->ss_family == AF_INET;

			assert_int_equal(is_v4 ? v4->sin_port : v6->sin6_port,
			                 htons(2525));
			inet_ntop(address->ss_family,
			          is_v4 ? (const void *)&v4->sin_addr
			                : (const void *)&v6->sin6_addr,
			          number, sizeof(number));
			used += (size_t)snprintf(
			    text + used, sizeof(text) - used, " %s", number);
		}
	}
	return text;
}

/* ----------------------------------------------------------- exchangers */

static void gives_exchangers_by_preference(void **state)
{
	(void)state;
	assert_string_equal(hosts(ask(RESOLVE_MX, "two.test")),
	                    "mx1.test 192.0.2.1; "
	                    "mx2.test 192.0.2.2 192.0.2.3");
}

static void shuffles_equal_preferences(void **state)
{
	unsigned first_counts[2] = { 0, 0 };

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		const char *text = hosts(ask(RESOLVE_MX, "equal.test"));

		first_counts[strncmp(text, "mx1", 3) == 0]++;
	}
	assert_true(first_counts[0] > 0);
	assert_true(first_counts[1] > 0);
	assert_int_equal(dns_server_asked(f.server, "equal.test", ROW_MX), 1);
}

static void takes_the_domain_itself_where_it_has_no_exchanger(void **state)
{
	(void)state;
	assert_string_equal(hosts(ask(RESOLVE_MX, "implicit.test")),
	                    "implicit.test 192.0.2.4");
}

static void follows_aliases(void **state)
{
	(void)state;
	assert_string_equal(hosts(ask(RESOLVE_MX, "alias.test")),
	                    "mx1.test 192.0.2.1; "
	                    "mx2.test 192.0.2.2 192.0.2.3");
	/* The answer has a CNAME and no MX. */
	assert_string_equal(hosts(ask(RESOLVE_MX, "halfalias.test")),
	                    "halfalias.test 192.0.2.4");
}

static void knows_a_domain_that_takes_no_mail(void **state)
{
	(void)state;
	assert_int_equal(ask(RESOLVE_MX, "null.test")->status, RESOLVE_NULL_MX);
	assert_string_equal(f.answered->text,
	                    "null.test accepts no mail (null MX)");
}

static void tells_a_missing_domain_from_one_without_hosts(void **state)
{
	(void)state;
	assert_int_equal(ask(RESOLVE_MX, "nowhere.test")->status,
	                 RESOLVE_NO_DOMAIN);
	assert_int_equal(ask(RESOLVE_MX, "broken.test")->status,
	                 RESOLVE_NO_HOST);
	assert_int_equal(ask(RESOLVE_MX, "a..b")->status, RESOLVE_NO_DOMAIN);
}

static void takes_no_trouble_of_servers_for_an_answer(void **state)
{
	static const char *const names[] = { "fail.test", "refused.test",
		                             "silent.test", "nonsense.test",
		                             "allfail.test" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(ask(RESOLVE_MX, names[i])->status,
		                 RESOLVE_TEMPORARY);
		assert_non_null(f.answered->text);
	}
}

static void goes_on_with_the_hosts_that_are_known(void **state)
{
	(void)state;
	assert_string_equal(hosts(ask(RESOLVE_MX, "halffail.test")),
	                    "fail.test; mx1.test 192.0.2.1");
}

static void leaves_itself_out_and_whatever_is_not_better(void **state)
{
	(void)state;
	assert_string_equal(hosts(ask(RESOLVE_MX, "ours.test")),
	                    "mx1.test 192.0.2.1");
	assert_int_equal(ask(RESOLVE_MX, "loop.test")->status, RESOLVE_LOOP);
}

static void tries_no_more_than_five_hosts(void **state)
{
	static char names[2][40][16];
	static struct dns_row rows[81];

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		(void)snprintf(names[0][i], 16, "%u h%u.test", 39 - i, i);
		(void)snprintf(names[1][i], 16, "h%u.test", i);
		rows[i] =
		    (struct dns_row){ "big.test", ROW_MX, 60, names[0][i] };
		rows[40 + i] =
		    (struct dns_row){ names[1][i], ROW_A, 60, "192.0.2.9" };
	}
	dns_server_change(f.server, rows);
	/*
	 * Forty records do not fit into a packet either. When the server closes
	 * the TCP connection, c-ares asks again whatever else is under way.
	 */
	resolver_apply_settings_take(f.resolver, settings_for(f.server, 2));
	assert_string_equal(hosts(ask(RESOLVE_MX, "big.test")),
	                    "h39.test 192.0.2.9; h38.test 192.0.2.9; "
	                    "h37.test 192.0.2.9; h36.test 192.0.2.9; "
	                    "h35.test 192.0.2.9");
	assert_int_equal(dns_server_asked_by_tcp(f.server), 1);
}

static void asks_for_the_ascii_form_of_other_scripts(void **state)
{
	(void)state;
	assert_string_equal(hosts(ask(RESOLVE_MX, "B\xc3\xbc"
	                                          "cher.test")),
	                    "mx1.test 192.0.2.1");
}

static void takes_address_literals_as_domains(void **state)
{
	(void)state;
	assert_string_equal(hosts(ask(RESOLVE_MX, "[192.0.2.7]")),
	                    "[192.0.2.7] 192.0.2.7");
	assert_string_equal(hosts(ask(RESOLVE_MX, "[IPv6:2001:db8::7]")),
	                    "[ipv6:2001:db8::7] 2001:db8::7");
	assert_int_equal(ask(RESOLVE_MX, "[2001:db8::7]")->status,
	                 RESOLVE_NO_DOMAIN);
	assert_int_equal(ask(RESOLVE_MX, "[nonsense]")->status,
	                 RESOLVE_NO_DOMAIN);
}

/* ----------------------------------------------------------------- hosts */

static void answers_addresses_at_once(void **state)
{
	(void)state;
	assert_string_equal(hosts(ask(RESOLVE_HOST, "192.0.2.8")),
	                    "192.0.2.8 192.0.2.8");
	assert_string_equal(hosts(ask(RESOLVE_HOST, "2001:db8::8")),
	                    "2001:db8::8 2001:db8::8");
	assert_int_equal(dns_server_asked(f.server, "192.0.2.8", ROW_A), 0);
}

static void looks_into_the_hosts_file_first(void **state)
{
	(void)state;
	assert_non_null(
	    strstr(hosts(ask(RESOLVE_HOST, "localhost")), "127.0.0.1"));
	assert_int_equal(dns_server_asked(f.server, "localhost", ROW_A), 0);
}

static void lets_both_families_take_turns(void **state)
{
	const char *text;

	(void)state;
	text = hosts(ask(RESOLVE_HOST, "both.test"));
	/* Which one is first depends on this machine's routes. */
	if (strcmp(text, "both.test 2001:db8::1 127.0.0.1 127.0.0.2") != 0)
		assert_string_equal(
		    text, "both.test 127.0.0.1 2001:db8::1 127.0.0.2");
}

static void tells_a_missing_host_from_one_without_address(void **state)
{
	(void)state;
	assert_int_equal(ask(RESOLVE_HOST, "nowhere.test")->status,
	                 RESOLVE_NO_DOMAIN);
	assert_int_equal(ask(RESOLVE_HOST, "null.test")->status,
	                 RESOLVE_NO_HOST);
	assert_int_equal(ask(RESOLVE_HOST, "fail.test")->status,
	                 RESOLVE_TEMPORARY);
}

/* ----------------------------------------------------------------- cache */

static void keeps_answers_for_their_time_to_live(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		(void)hosts(ask(RESOLVE_HOST, "short.test"));
	assert_int_equal(dns_server_asked(f.server, "short.test", ROW_A), 1);
	boot_ms += 9999;
	(void)hosts(ask(RESOLVE_HOST, "short.test"));
	assert_int_equal(dns_server_asked(f.server, "short.test", ROW_A), 1);
	boot_ms += 2;
	(void)hosts(ask(RESOLVE_HOST, "short.test"));
	assert_int_equal(dns_server_asked(f.server, "short.test", ROW_A), 2);
}

static void keeps_nothing_that_lives_no_time(void **state)
{
	(void)state;
	(void)hosts(ask(RESOLVE_HOST, "fleeting.test"));
	(void)hosts(ask(RESOLVE_HOST, "fleeting.test"));
	assert_int_equal(dns_server_asked(f.server, "fleeting.test", ROW_A), 2);
}

static void keeps_what_does_not_exist_as_long_as_the_soa_says(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ask(RESOLVE_MX, "nowhere.test")->status,
		                 RESOLVE_NO_DOMAIN);
	assert_int_equal(dns_server_asked(f.server, "nowhere.test", ROW_MX), 1);
	boot_ms += 60001;
	(void)ask(RESOLVE_MX, "nowhere.test");
	assert_int_equal(dns_server_asked(f.server, "nowhere.test", ROW_MX), 2);
}

static void asks_once_for_many_who_ask_together(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++)
		post(RESOLVE_MX, i % 2 ? "two.test" : "TWO.test");
	assert_int_equal(loop_run(f.loop), 0);
	assert_int_equal(f.waiting, 0);
	assert_int_equal(dns_server_asked(f.server, "two.test", ROW_MX), 1);
	assert_int_equal(dns_server_asked(f.server, "mx1.test", ROW_A), 1);
}

static void asks_the_new_servers_after_a_change(void **state)
{
	static const struct dns_row other_zone[] = {
		{ "short.test", ROW_A, 10, "192.0.2.66" },
		{ NULL, 0, 0, NULL },
	};
	struct dns_server *other = dns_server_new(other_zone);

	(void)state;
	assert_string_equal(hosts(ask(RESOLVE_HOST, "short.test")),
	                    "short.test 192.0.2.6");
	/* One question is still under way when its servers change. */
	post(RESOLVE_MX, "silent.test");
	post(RESOLVE_MX, "two.test");
	resolver_apply_settings_take(f.resolver, settings_for(other, 1));
	post(RESOLVE_HOST, "short.test");
	assert_int_equal(loop_run(f.loop), 0);
	assert_int_equal(f.waiting, 0);
	assert_string_equal(hosts(ask(RESOLVE_HOST, "short.test")),
	                    "short.test 192.0.2.66");
	assert_int_equal(dns_server_asked(other, "short.test", ROW_A), 1);
	dns_server_free(other);
}

/* ----------------------------------------------------------- resolv.conf */

static void write_resolv_conf(const char *path, const char *server)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	assert_true(
	    fprintf(stream, "search lan.test\nnameserver %s\n", server) > 0);
	assert_int_equal(fclose(stream), 0);
}

static char found[INET_ADDRSTRLEN];

static void on_record_take(void *context, struct dns_answer *answer)
{
	(void)context;
	found[0] = '\0';
	if (answer->count > 0)
		inet_ntop(AF_INET, &answer->records[0].v4, found,
		          sizeof(found));
	dns_answer_free(answer);
	loop_stop(f.loop);
}

static const char *ask_dns(struct dns *dns, const char *name, bool may_search)
{
	dns_ask(dns, DNS_A, name, may_search, on_record_take, NULL);
	assert_int_equal(loop_run(f.loop), 0);
	return found;
}

static void reads_resolv_conf_again_when_it_changes(void **state)
{
	static const struct dns_row other_zone[] = {
		{ "short.test", ROW_A, 10, "192.0.2.66" },
		{ "mail.lan.test", ROW_A, 10, "192.0.2.67" },
		{ NULL, 0, 0, NULL },
	};
	/* There is no port in a resolv.conf: this takes a privilege. */
	struct dns_server *one = dns_server_new_at(zone, "127.83.41.1", 53);
	struct dns_server *other =
	    one ? dns_server_new_at(other_zone, "127.83.41.2", 53) : NULL;
	const struct settings *settings;
	char path[128], path_new[132];
	struct dns *dns;
	uint64_t before;

	(void)state;
	if (!other) {
		dns_server_free(one);
		skip();
	}
	settings = scratch_settings(f.scratch, "hostname: host.example.net\n");
	(void)snprintf(path, sizeof(path), "%s/resolv.conf",
	               scratch_path(f.scratch));
	(void)snprintf(path_new, sizeof(path_new), "%s.new", path);
	write_resolv_conf(path, "127.83.41.1");
	assert_int_equal(dns_new(&dns, f.loop, settings, path), 0);
	before = dns_generation(dns);
	assert_string_equal(ask_dns(dns, "short.test", false), "192.0.2.6");
	assert_int_equal(dns_generation(dns), before);

	write_resolv_conf(path_new, "127.83.41.2");
	assert_int_equal(rename(path_new, path), 0);
	assert_int_equal(dns_generation(dns), before + 1);
	assert_string_equal(ask_dns(dns, "short.test", false), "192.0.2.66");

	/* Its search list is for those who may use it. */
	assert_string_equal(ask_dns(dns, "mail", true), "192.0.2.67");
	assert_string_equal(ask_dns(dns, "mail", false), "");
	dns_free(dns);
	dns_server_free(one);
	dns_server_free(other);
	settings_unref(settings);
}

/* ------------------------------------------------------------------ idna */

static void encodes_labels_as_rfc_3492_does(void **state)
{
	static const char *const cases[][2] = {
		{ "example.com", "example.com" },
		{ "EXAMPLE.com", "example.com" },
		{ "b\xc3\xbc"
		  "cher.example",
		  "xn--bcher-kva.example" },
		{ "\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83"
		  "\x88",
		  "xn--r8jz45g.xn--zckzah" },
		/* RFC 3492 7.1 (A) */
		{ "\xd9\x84\xd9\x8a\xd9\x87\xd9\x85\xd8\xa7\xd8\xa8\xd8\xaa"
		  "\xd9\x83\xd9\x84\xd9\x85\xd9\x88\xd8\xb4\xd8\xb9\xd8\xb1"
		  "\xd8\xa8\xd9\x8a\xd8\x9f",
		  "xn--egbpdaj6bu4bxfgehfvwxn" },
		/* RFC 3492 7.1 (L) */
		{ "3\xe5\xb9\xb4"
		  "b\xe7\xb5\x84\xe9\x87\x91\xe5\x85\xab\xe5\x85\x88\xe7\x94"
		  "\x9f",
		  "xn--3b-ww4c5e180e575a65lsy2b" },
		{ "", "" },
	};
	char out[IDNA_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(idna_to_ascii(cases[i][0], out), 0);
		assert_string_equal(out, cases[i][1]);
	}
}

static void refuses_domains_that_cannot_be(void **state)
{
	char domain[400], out[IDNA_SIZE];

	(void)state;
	assert_int_equal(idna_to_ascii("\xff.test", out), -EILSEQ);
	assert_int_equal(idna_to_ascii("\xc3", out), -EILSEQ);
	assert_int_equal(idna_to_ascii("\xc0\xae", out), -EILSEQ);
	assert_int_equal(idna_to_ascii("\xed\xa0\x80", out), -EILSEQ);
	memset(domain, 'a', sizeof(domain));
	domain[64] = '\0';
	assert_int_equal(idna_to_ascii(domain, out), -EMSGSIZE);
	domain[63] = '\0';
	assert_int_equal(idna_to_ascii(domain, out), 0);
	memset(domain, 'a', sizeof(domain));
	for (unsigned i = 50; i < 399; i += 50)
		domain[i] = '.';
	domain[399] = '\0';
	assert_int_equal(idna_to_ascii(domain, out), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(gives_exchangers_by_preference),
		TEST(shuffles_equal_preferences),
		TEST(takes_the_domain_itself_where_it_has_no_exchanger),
		TEST(follows_aliases),
		TEST(knows_a_domain_that_takes_no_mail),
		TEST(tells_a_missing_domain_from_one_without_hosts),
		TEST(takes_no_trouble_of_servers_for_an_answer),
		TEST(goes_on_with_the_hosts_that_are_known),
		TEST(leaves_itself_out_and_whatever_is_not_better),
		TEST(tries_no_more_than_five_hosts),
		TEST(asks_for_the_ascii_form_of_other_scripts),
		TEST(takes_address_literals_as_domains),
		TEST(answers_addresses_at_once),
		TEST(looks_into_the_hosts_file_first),
		TEST(lets_both_families_take_turns),
		TEST(tells_a_missing_host_from_one_without_address),
		TEST(keeps_answers_for_their_time_to_live),
		TEST(keeps_nothing_that_lives_no_time),
		TEST(keeps_what_does_not_exist_as_long_as_the_soa_says),
		TEST(asks_once_for_many_who_ask_together),
		TEST(asks_the_new_servers_after_a_change),
		TEST(reads_resolv_conf_again_when_it_changes),
		cmocka_unit_test(encodes_labels_as_rfc_3492_does),
		cmocka_unit_test(refuses_domains_that_cannot_be),
	};

	if (loop_prepare_process() < 0)
		return 99;
	return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
