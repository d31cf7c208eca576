/*
 * The sending side against tests/dialogues/client/: one test a file.
 *
 * A line is a word and its argument; what each means is in tests/dialogues/
 * client/README. A command must be in the output when its line is reached,
 * and none may be left when a reply is given, so the order of C: and S: lines
 * shows what goes out together.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buffer.h"
#include "smtp/client.h"

#define RECIPIENTS_MAX 8

struct dialogue {
	const char *file;
	unsigned line;
	struct smtp_client *client;
	struct smtp_client_options options;
	struct smtp_client_auth auth;
	struct smtp_reply_parser parser;
	struct buffer replies;
	/* the message under way */
	struct smtp_client_message message;
	struct smtp_mail_params params;
	struct smtp_recipient recipients[RECIPIENTS_MAX];
	char words[512];
	char sender[64];
	char envid[32];
	bool has_body;
	bool has_broken_body;
	bool is_dotted;
	unsigned next_verdict;
};

static const char *at(const struct dialogue *d)
{
	static char where[PATH_MAX + 16];

	snprintf(where, sizeof where, "%s:%u", d->file, d->line);
	return where;
}

/* --- A login of one step ------------------------------------------------- */

static int auth_start(void *context, const struct smtp_capabilities *offer,
                      bool has_tls, struct buffer *out)
{
	(void)context;
	if (!(offer->mechanisms & SMTP_MECHANISM_PLAIN))
		return -EOPNOTSUPP;
	return has_tls ? buffer_append_string(out, "PLAIN AHUAcA==") : -EACCES;
}

static int auth_step(void *context, const char *challenge, size_t len,
                     struct buffer *out)
{
	(void)context;
	if (len == 1 && *challenge == '?')
		return -EPROTO;
	return buffer_append_string(out, "c3RlcA==");
}

static int auth_finish(void *context)
{
	(void)context;
	return 0;
}

static bool auth_may_retry(void *context, uint16_t code)
{
	(void)context;
	return code == 504;
}

/* --- The message --------------------------------------------------------- */

static int read_body(void *context, const char **ret_data, size_t *ret_len)
{
	struct dialogue *d = context;

	*ret_data = ".dot\r\nlast";
	*ret_len = d->has_body ? 0 : strlen(*ret_data);
	if (d->has_broken_body)
		return -EIO;
	d->has_body = true;
	return 0;
}

static void on_dot(void *context)
{
	((struct dialogue *)context)->is_dotted = true;
}

/* "FROM TO[,TO…] [8bit] [utf8] [dsn] [broken] [size=N] [priority=N]" */
static void send_message(struct dialogue *d, const char *argument)
{
	char *save;
	char *word;
	char *to;

	snprintf(d->words, sizeof d->words, "%s", argument);
	word = strtok_r(d->words, " ", &save);
	snprintf(d->sender, sizeof d->sender, "%s",
	         strcmp(word, "<>") == 0 ? "" : word);
	to = strtok_r(NULL, " ", &save);

	d->params = (struct smtp_mail_params){ .size_bytes = 20 };
	d->has_body = d->has_broken_body = d->is_dotted = false;
	memset(d->recipients, 0, sizeof d->recipients);
	while ((word = strtok_r(NULL, " ", &save))) {
		if (strcmp(word, "8bit") == 0)
			d->params.body = SMTP_BODY_8BITMIME;
		else if (strcmp(word, "utf8") == 0)
			d->params.is_smtputf8 = true;
		else if (strcmp(word, "broken") == 0)
			d->has_broken_body = true;
		else if (strncmp(word, "size=", 5) == 0)
			d->params.size_bytes = strtoull(word + 5, NULL, 10);
		else if (strncmp(word, "priority=", 9) == 0)
			d->params.priority = (struct smtp_priority){
				.is_stated = true,
				.level = atoi(word + 9),
			};
		else if (strcmp(word, "dsn") == 0) {
			d->params.ret = SMTP_RET_HDRS;
			d->params.envid = "e1";
			d->recipients[0].params.notify =
			    SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE;
			d->recipients[0].params.orcpt = "rfc822;o@x.test";
		} else
			fail_msg("%s: unknown word %s", at(d), word);
	}
	d->message = (struct smtp_client_message){
		.sender = d->sender,
		.params = &d->params,
		.recipients = d->recipients,
		.header = "A: b\r\n\r\n",
		.header_len = 8,
		.read_body = read_body,
		.on_dot = on_dot,
		.context = d,
	};
	for (word = strtok_r(to, ",", &save); word;
	     word = strtok_r(NULL, ",", &save))
		d->recipients[d->message.recipient_count++].address = word;
	d->next_verdict = 0;
	assert_int_equal(smtp_client_send(d->client, &d->message), 0);
}

/* --- The lines ----------------------------------------------------------- */

static void expect_command(struct dialogue *d, const char *expected)
{
	const char *data;
	const char *end;
	size_t len;

	smtp_client_output(d->client, &data, &len);
	end = len > 0 ? memchr(data, '\n', len) : NULL;
	if (!end)
		fail_msg("%s: no output, expected %s", at(d), expected);
	assert_true(end > data && end[-1] == '\r');
	if ((size_t)(end - 1 - data) != strlen(expected) ||
	    memcmp(data, expected, strlen(expected)) != 0)
		fail_msg("%s: got %.*s, expected %s", at(d),
		         (int)(end - 1 - data), data, expected);
	smtp_client_wrote(d->client, (size_t)(end + 1 - data));
}

static void give_reply(struct dialogue *d, const char *line, bool is_early)
{
	struct smtp_reply reply;
	const char *data;
	size_t len;
	int r;

	smtp_client_output(d->client, &data, &len);
	if (len > 0 && !is_early)
		fail_msg("%s: output left: %.*s", at(d), (int)len, data);
	assert_int_equal(buffer_append_string(&d->replies, line), 0);
	assert_int_equal(buffer_append_string(&d->replies, "\r\n"), 0);
	r = smtp_reply_parse(&d->parser, d->replies.data, d->replies.len,
	                     &reply);
	if (r == -EAGAIN)
		return;
	assert_int_equal(r, 0);
	smtp_client_on_reply(d->client, &reply);
	buffer_clear(&d->replies);
}

/* "delivered" or "permanent recipient none 550 5.1.1 No such user" */
static void expect_verdict(struct dialogue *d, const char *expected)
{
	const struct verdict *v;
	char got[600];
	char code[16] = "";
	char enhanced[32] = "";

	assert_false(smtp_client_is_sending(d->client));
	v = &smtp_client_verdicts(d->client)[d->next_verdict++];
	assert_true(d->next_verdict <= d->message.recipient_count);
	if (v->code)
		snprintf(code, sizeof code, " %u", v->code);
	if (v->enhanced[0])
		snprintf(enhanced, sizeof enhanced, " %u.%u.%u", v->enhanced[0],
		         v->enhanced[1], v->enhanced[2]);
	if (v->class == VERDICT_NONE || v->class == VERDICT_DELIVERED)
		snprintf(got, sizeof got, "%s", verdict_class_name(v->class));
	else
		snprintf(got, sizeof got, "%s %s %s %s%s%s %s",
		         verdict_class_name(v->class),
		         verdict_scope_name(v->scope),
		         verdict_fault_name(v->fault),
		         smtp_phase_name(v->phase), code, enhanced, v->text);
	if (strncmp(got, expected, strlen(expected)) != 0)
		fail_msg("%s: got %s", at(d), got);
}

/* "none" or "auth auth 535": fault, phase, code */
static void expect_fault(struct dialogue *d, const char *expected)
{
	const struct verdict *v = smtp_client_fault(d->client);
	char got[600] = "none";

	if (v->class != VERDICT_NONE) {
		assert_int_equal(v->scope, SCOPE_RELAY);
		assert_int_equal(v->class, VERDICT_TEMPORARY);
		snprintf(got, sizeof got, "%s %s %u %s",
		         verdict_fault_name(v->fault),
		         smtp_phase_name(v->phase), v->code, v->text);
	}
	if (strncmp(got, expected, strlen(expected)) != 0)
		fail_msg("%s: got %s", at(d), got);
}

static void expect_state(struct dialogue *d, const char *expected)
{
	static const char *const names[] = {
		[SMTP_CLIENT_BUSY] = "busy",
		[SMTP_CLIENT_WANTS_TLS] = "wants-tls",
		[SMTP_CLIENT_READY] = "ready",
		[SMTP_CLIENT_CLOSED] = "closed",
	};
	const char *got = names[smtp_client_status(d->client)];

	if (smtp_client_is_stale(d->client))
		got = "stale";
	else if (smtp_client_status(d->client) == SMTP_CLIENT_READY &&
	         !smtp_client_may_send(d->client))
		got = "full";
	if (strcmp(got, expected) != 0)
		fail_msg("%s: got %s", at(d), got);
}

static void set_option(struct dialogue *d, const char *argument)
{
	struct smtp_client_options *options = &d->options;

	if (strcmp(argument, "lmtp") == 0)
		options->is_lmtp = true;
	else if (strcmp(argument, "tls") == 0)
		options->has_tls = true;
	else if (strcmp(argument, "starttls") == 0)
		options->security = SMTP_CLIENT_STARTTLS;
	else if (strcmp(argument, "opportunistic") == 0)
		options->security = SMTP_CLIENT_OPPORTUNISTIC;
	else if (strcmp(argument, "login") == 0)
		options->auth = &d->auth;
	else if (strcmp(argument, "direct") == 0)
		options->is_direct = true;
	else if (strncmp(argument, "recipients=", 11) == 0)
		options->recipients_max = (unsigned)atoi(argument + 11);
	else
		fail_msg("%s: unknown option", at(d));
}

static void play(struct dialogue *d, const char *word, const char *argument)
{
	if (strcmp(word, "option") == 0) {
		set_option(d, argument);
		return;
	}
	if (!d->client)
		assert_int_equal(smtp_client_new(&d->client, &d->options), 0);
	if (strcmp(word, "S:") == 0)
		give_reply(d, argument, false);
	else if (strcmp(word, "early") == 0)
		give_reply(d, argument, true);
	else if (strcmp(word, "C:") == 0)
		expect_command(d, argument);
	else if (strcmp(word, "send") == 0)
		send_message(d, argument);
	else if (strcmp(word, "verdict") == 0)
		expect_verdict(d, argument);
	else if (strcmp(word, "fault") == 0)
		expect_fault(d, argument);
	else if (strcmp(word, "state") == 0)
		expect_state(d, argument);
	else if (strcmp(word, "tls") == 0)
		smtp_client_on_tls(d->client);
	else if (strcmp(word, "lost") == 0)
		smtp_client_on_lost(d->client, FAULT_NETWORK, "lost");
	else if (strcmp(word, "quit") == 0)
		smtp_client_quit(d->client);
	else if (strcmp(word, "dotted") == 0)
		assert_true(d->is_dotted);
	else if (strcmp(word, "undotted") == 0)
		assert_false(d->is_dotted);
	else
		fail_msg("%s: unknown word %s", at(d), word);
}

static void replay(void **state)
{
	struct dialogue d = {
		.file = *state,
		.options = { .ehlo_name = "us.test" },
		.auth = { auth_start, auth_step, auth_finish, auth_may_retry,
		          NULL },
	};
	FILE *file = fopen(d.file, "r");
	char line[8192];
	const char *data;
	size_t len;

	assert_non_null(file);
	buffer_init(&d.replies, 0);
	while (fgets(line, sizeof line, file)) {
		char *argument;

		d.line++;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		argument = line + strcspn(line, " ");
		if (*argument)
			*argument++ = '\0';
		play(&d, line, argument);
	}
	fclose(file);
	smtp_client_output(d.client, &data, &len);
	if (len > 0)
		fail_msg("%s: output left: %.*s", at(&d), (int)len, data);
	if (d.next_verdict != d.message.recipient_count)
		fail_msg("%s: verdicts left", at(&d));
	smtp_client_free(d.client);
	buffer_done(&d.replies);
}

static int is_dialogue(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && strcmp(entry->d_name + len - 5, ".smtp") == 0;
}

int main(void)
{
	static char paths[200][PATH_MAX];
	static struct CMUnitTest tests[200];
	const char *srcdir = getenv("srcdir");
	char folder[PATH_MAX - 300];
	struct dirent **entries;
	int failed;
	int n;

	snprintf(folder, sizeof folder, "%s/tests/dialogues/client",
	         srcdir ? srcdir : ".");
	n = scandir(folder, &entries, is_dialogue, alphasort);
	if (n <= 0 || n > 200) {
		fprintf(stderr, "%d dialogues in %s\n", n, folder);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		snprintf(paths[i], sizeof paths[i], "%s/%s", folder,
		         entries[i]->d_name);
		*strrchr(entries[i]->d_name, '.') = '\0';
		tests[i] = (struct CMUnitTest){
			.name = entries[i]->d_name,
			.test_func = replay,
			.initial_state = paths[i],
		};
	}
	failed = _cmocka_run_group_tests("dialogues/client", tests, (size_t)n,
	                                 NULL, NULL);
	while (n-- > 0)
		free(entries[n]);
	free(entries);
	return failed;
}
