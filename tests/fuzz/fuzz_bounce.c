/*
 * fuzz_bounce - a report about mail and replies of anybody
 *
 * Whatever the message and the relay said: lines that end in CRLF and are not
 * too long, the three parts and no more, and no field but those of RFC 3464.
 *
 * Input: sender, recipient, ORCPT, ENVID, reply, host, each ended by a NUL;
 * then the message's header.
 */
#include "config.h"

#include "deliver/bounce.h"

#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "address.h"
#include "buffer.h"
#include "header.h"
#include "queue/queue.h"
#include "queue/report.h"
#include "settings.h"
#include "settings_errors.h"
#include "smtp/dot_stuffing.h"
#include "smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { SENDER, RECIPIENT, ORIGINAL, ENVELOPE_ID, REPLY, HOST, TEXTS };

static const char *const status_fields[] = { "Reporting-MTA",
	                                     "Arrival-Date",
	                                     "Original-Envelope-Id",
	                                     "X-Relais-Queue-Id",
	                                     "Original-Recipient",
	                                     "Final-Recipient",
	                                     "Action",
	                                     "Status",
	                                     "Remote-MTA",
	                                     "Diagnostic-Code",
	                                     "Last-Attempt-Date",
	                                     "Will-Retry-Until" };

static const struct settings *load_settings(void)
{
	static const char text[] =
	    "hostname: host.example.net\n"
	    "relays: {capture: {url: 'maildir:/nowhere'}}\n";
	static const struct settings *settings;
	char folder[] = "/tmp/fuzz-bounce-XXXXXX", path[64];
	struct settings_errors errors = { 0 };
	int fd;

	if (settings != NULL)
		return settings;
	assert(mkdtemp(folder) != NULL);
	(void)snprintf(path, sizeof(path), "%s/relais.yaml", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert(fd >= 0 && write(fd, text, strlen(text)) > 0);
	(void)close(fd);
	if (settings_load(path, &settings, &errors) < 0)
		abort();
	settings_errors_done(&errors);
	(void)unlink(path);
	(void)rmdir(folder);
	return settings;
}

/* What the receiving side lets pass: see smtp/parameters. */
static bool is_original(const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	return strchr(text, ';') != NULL;
}

static char *take_texts(const uint8_t *data, size_t len, char *texts[TEXTS],
                        const char **ret_rest, size_t *ret_len)
{
	char *copy = malloc(len + 1), *at = copy;

	if (copy == NULL)
		return NULL;
	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	for (unsigned i = 0; i < TEXTS; i++) {
		texts[i] = at;
		at += strlen(at);
		at += at < copy + len;
	}
	*ret_rest = at;
	*ret_len = (size_t)(copy + len - at);
	return copy;
}

static char *gather(const struct submission *submission, size_t *ret_len)
{
	size_t size = submission->header_len + 2 + 1;
	const struct body_chunk *chunk;
	char *all;

	for (chunk = submission->body; chunk != NULL; chunk = chunk->next)
		size += chunk->len;
	all = malloc(size);
	assert(all != NULL);
	memcpy(all, submission->header, submission->header_len);
	memcpy(all + submission->header_len, "\r\n", 2);
	*ret_len = submission->header_len + 2;
	for (chunk = submission->body; chunk != NULL; chunk = chunk->next) {
		memcpy(all + *ret_len, chunk->data, chunk->len);
		*ret_len += chunk->len;
	}
	all[*ret_len] = '\0';
	return all;
}

static bool is_status_field(const char *line)
{
	if (line[0] == ' ' || line[0] == '\t' || line[0] == '\r')
		return true;
	for (size_t i = 0; i < sizeof(status_fields) / sizeof(char *); i++) {
		size_t n = strlen(status_fields[i]);

		if (strncmp(line, status_fields[i], n) == 0 && line[n] == ':')
			return true;
	}
	return false;
}

static void check_report(const char *all, size_t len)
{
	/* Nothing of anybody else's begins a line in the header. */
	const char *boundary = strstr(all, "\r\n\tboundary=\"");
	const char *line = all, *end;
	bool is_in_status = false, is_in_fields = false;
	char mark[128];
	unsigned marks = 0;

	assert(strlen(all) == len); /* no NUL */
	assert(boundary != NULL);
	(void)snprintf(mark, sizeof(mark), "--%.*s",
	               (int)strcspn(boundary + 13, "\""), boundary + 13);
	for (; line < all + len; line = end + 2) {
		end = strstr(line, "\r\n");
		assert(end != NULL && end - line <= 998);
		assert(memchr(line, '\n', (size_t)(end - line)) == NULL);
		assert(memchr(line, '\r', (size_t)(end - line)) == NULL);
		if (strncmp(line, mark, strlen(mark)) == 0) {
			marks++;
			is_in_status = marks == 2;
			is_in_fields = false;
		} else if (is_in_status && is_in_fields) {
			assert(is_status_field(line));
		} else if (is_in_status && line == end) {
			is_in_fields = true;
		}
	}
	assert(marks == 4);
}

static void report(char *texts[TEXTS], const char *header, size_t len)
{
	struct message_recipient recipient = {
		.address = texts[RECIPIENT],
		.original =
		    is_original(texts[ORIGINAL]) ? texts[ORIGINAL] : NULL,
		.state = RECIPIENT_FAILED,
		.flags = RECIPIENT_REPORT_OWED,
		.attempts = 1,
	};
	struct timeline_entry entry = { .kind = TIMELINE_FAILED,
		                        .is_for_all = true,
		                        .code = 550,
		                        .enhanced = { 5, 1, 1 } };
	struct message message = {
		.id = 1,
		.sender = texts[SENDER],
		.uid = 33,
		.state = MESSAGE_FAILED,
		.recipients = &recipient,
		.recipient_count = 1,
		.timeline = &entry,
		.timeline_count = 1,
		.envelope_id = texts[ENVELOPE_ID],
		.submitted_ms = 1795000000000,
		.flags = MESSAGE_BODY_GONE,
	};
	const struct reported reported = { 0, RECIPIENT_FAILED };
	const struct bounce bounce = {
		.settings = load_settings(),
		.message = &message,
		.recipients = &reported,
		.count = 1,
		.header = header,
		.header_len = len,
		.now_ms = 1795000001000,
	};
	char reply[VERDICT_TEXT_SIZE];
	struct submission *submission;
	char *all;

	smtp_text_clean(reply, sizeof(reply), texts[REPLY],
	                strlen(texts[REPLY]));
	entry.text = recipient.reply.text = reply;
	entry.host = recipient.reply.host = texts[HOST];
	entry.relay = recipient.reply.relay = "office";
	recipient.reply.code = 550;
	submission = bounce_make(&bounce);
	all = gather(submission, &len);
	check_report(all, len);
	free(all);
	submission_free(submission);
}

/* As content comes in: lines in CRLF, no bare CR, no NUL. */
static bool normalise(struct buffer *out, const char *data, size_t len)
{
	struct dot_decoder normaliser;
	struct dot_run run;
	size_t used;

	dot_normaliser_init(&normaliser);
	for (; len > 0; data += used, len -= used) {
		used = dot_decoder_next(&normaliser, data, len, &run);
		if (buffer_append(out, run.data, run.len) < 0)
			abort();
	}
	dot_normaliser_finish(&normaliser, &run);
	if (buffer_append(out, run.data, run.len) < 0)
		abort();
	return !normaliser.is_damaged;
}

static void report_with_header(char *texts[TEXTS], const struct buffer *content)
{
	struct header_scanner scanner;
	const char *block = NULL;
	size_t used, len = 0;

	header_scanner_init(&scanner, 0);
	if (header_scanner_feed(&scanner, content->data, content->len, &used) ==
	        0 &&
	    header_scanner_finish(&scanner) == 0 &&
	    scanner.state == HEADER_SCAN_DONE)
		block = header_scanner_block_borrow(&scanner, &len);
	report(texts, block, len);
	header_scanner_done(&scanner);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *texts[TEXTS], *copy, host[64];
	struct buffer content;
	const char *rest;
	size_t rest_len;

	copy = take_texts(data, len, texts, &rest, &rest_len);
	if (copy == NULL)
		return 0;
	buffer_init(&content, 0);
	smtp_text_clean(host, sizeof(host), texts[HOST], strlen(texts[HOST]));
	texts[HOST] = host;
	/* These came in checked, as long as RFC 3461 4.2 and 4.4 allow. */
	if (strlen(texts[ORIGINAL]) <= 500 &&
	    strlen(texts[ENVELOPE_ID]) <= 100 &&
	    address_check(texts[SENDER], strlen(texts[SENDER]), ADDRESS_UTF8) ==
	        0 &&
	    address_check(texts[RECIPIENT], strlen(texts[RECIPIENT]),
	                  ADDRESS_UTF8) == 0 &&
	    normalise(&content, rest, rest_len))
		report_with_header(texts, &content);
	buffer_done(&content);
	free(copy);
	return 0;
}
