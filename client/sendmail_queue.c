#include "config.h"

#include "sendmail_queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "address.h"
#include "buffer.h"
#include "clock.h"
#include "control_socket.h"
#include "http.h"
#include "json_reader.h"
#include "queue_id.h"
#include "sendmail_complaint.h"
#include "smtp/reply.h"

#define PAGE_TARGET "/v1/messages?state=waiting&limit=100"

/* What has been listed so far, and where it goes on. */
struct listing {
	uint64_t count;
	uint64_t bytes;
	char cursor[QUEUE_ID_SIZE];
};

struct message_row {
	char id[QUEUE_ID_SIZE];
	char state[16];
	char submitted[CLOCK_RFC3339_SIZE + 8];
	char sender[ADDRESS_SIZE];
	char reason[256];
	int64_t size;
};

static int request(const char *method, const char *target, const char *body,
                   char **ret_answer);
static int refused(int status, const char *answer);
static void list_page(struct listing *listing, struct json_reader *page);
static void list_message(struct listing *listing, struct json_reader *page);
static void read_hold(struct json_reader *page, struct message_row *row);
static void print_message(struct listing *listing,
                          const struct message_row *row);
static void print_recipients(struct json_reader *list);
static void print_recipient(struct json_reader *recipient);
static void read_reply(struct json_reader *reply, char *out, size_t size);
static int make_order(const struct sendmail_options *options, char **ret_target,
                      char **ret_body);

int sendmail_list(void)
{
	struct listing listing = { 0 };
	struct json_reader page;
	char target[sizeof(PAGE_TARGET) + 8 + QUEUE_ID_SIZE];
	char *answer = NULL;
	int code;

	do {
		(void)snprintf(target, sizeof(target), "%s%s%s", PAGE_TARGET,
		               listing.cursor[0] ? "&cursor=" : "",
		               listing.cursor);
		code = request("GET", target, NULL, &answer);
		if (code != EX_OK)
			return code;
		json_reader_init(&page, answer);
		listing.cursor[0] = '\0';
		list_page(&listing, &page);
		free(answer);
		if (page.is_bad) {
			complain_mildly("relaisd's answer makes no sense (is "
			                "it of the same version?)");
			return EX_PROTOCOL;
		}
	} while (listing.cursor[0]);
	if (listing.count == 0)
		puts("Mail queue is empty");
	else
		printf("\n-- %" PRIu64 " Kbytes in %" PRIu64 " Request%s.\n",
		       (listing.bytes + 1023) / 1024, listing.count,
		       listing.count == 1 ? "" : "s");
	return EX_OK;
}

static int request(const char *method, const char *target, const char *body,
                   char **ret_answer)
{
	const char *path = control_socket_path(NULL);
	struct http *http = NULL;
	char *answer = NULL;
	int status = 0;
	int r;

	r = http_open(&http, path, method, target, NULL, body);
	if (r == 0) {
		status = http_status(http);
		r = http_read_all(http, &answer, NULL);
	}
	http_close(http);
	if (r < 0) {
		complain_mildly("the queue cannot be asked (%s: %s; is relaisd "
		                "running? systemctl status relaisd)",
		                path, strerror(-r));
		return r == -EACCES ? EX_NOPERM : EX_UNAVAILABLE;
	}
	if (status >= 400) {
		r = refused(status, answer);
		free(answer);
		return r;
	}
	*ret_answer = answer;
	return EX_OK;
}

static int refused(int status, const char *answer)
{
	char message[256];

	json_reader_refusal(answer, message, sizeof(message));
	complain_mildly("relaisd refuses (%d: %s)", status, message);
	if (status == 403)
		return EX_NOPERM;
	return status < 500 ? EX_DATAERR : EX_UNAVAILABLE;
}

/* ------------------------------------------------------------------- list */

static void list_page(struct listing *listing, struct json_reader *page)
{
	char name[JSON_NAME_SIZE];

	if (!json_reader_enter_object(page))
		page->is_bad = true;
	while (json_reader_next_member(page, name)) {
		if (strcmp(name, "messages") == 0) {
			if (!json_reader_enter_array(page))
				continue;
			while (json_reader_next_item(page))
				list_message(listing, page);
		} else if (strcmp(name, "next") == 0) {
			json_reader_text(page, listing->cursor,
			                 sizeof(listing->cursor));
		} else {
			json_reader_skip(page);
		}
	}
}

/* Twice over it: the recipients come last in print, wherever they are here. */
static void list_message(struct listing *listing, struct json_reader *page)
{
	struct message_row row = { .size = 0 };
	struct json_reader recipients = { .is_bad = true };
	char name[JSON_NAME_SIZE];

	if (!json_reader_enter_object(page))
		return;
	while (json_reader_next_member(page, name)) {
		if (strcmp(name, "id") == 0)
			json_reader_text(page, row.id, sizeof(row.id));
		else if (strcmp(name, "state") == 0)
			json_reader_text(page, row.state, sizeof(row.state));
		else if (strcmp(name, "submitted") == 0)
			json_reader_text(page, row.submitted,
			                 sizeof(row.submitted));
		else if (strcmp(name, "sender") == 0)
			json_reader_text(page, row.sender, sizeof(row.sender));
		else if (strcmp(name, "size") == 0)
			row.size = json_reader_number(page);
		else if (strcmp(name, "hold") == 0)
			read_hold(page, &row);
		else {
			if (strcmp(name, "recipients") == 0)
				recipients = *page;
			json_reader_skip(page);
		}
	}
	print_message(listing, &row);
	print_recipients(&recipients);
}

static void read_hold(struct json_reader *page, struct message_row *row)
{
	char name[JSON_NAME_SIZE];

	if (!json_reader_enter_object(page))
		return;
	while (json_reader_next_member(page, name)) {
		if (strcmp(name, "reason") == 0)
			json_reader_text(page, row->reason,
			                 sizeof(row->reason));
		else
			json_reader_skip(page);
	}
}

/* Texts may be anybody's: no control character reaches the terminal. */
static void print_clean(const char *before, const char *text,
                        const char *behind)
{
	char clean[ADDRESS_SIZE + 8];

	smtp_text_clean(clean, sizeof(clean), text, strlen(text));
	printf("%s%s%s", before, clean, behind);
}

static void print_message(struct listing *listing,
                          const struct message_row *row)
{
	char arrival[32] = "";
	char mark = ' ';
	int64_t at_ms;

	if (listing->count++ == 0)
		puts("--Queue ID---- --Size-- ----Arrival Time---- "
		     "-Sender/Recipient-------");
	listing->bytes += row->size > 0 ? (uint64_t)row->size : 0;
	if (strcmp(row->state, "delivering") == 0)
		mark = '*';
	else if (strcmp(row->state, "held") == 0 ||
	         strcmp(row->state, "parked") == 0)
		mark = '!';
	if (clock_parse_rfc3339(row->submitted, &at_ms) == 0) {
		time_t at = (time_t)(at_ms / 1000);
		struct tm local;

		if (localtime_r(&at, &local))
			(void)strftime(arrival, sizeof(arrival),
			               "%a %b %e %H:%M:%S", &local);
	}
	if (listing->count > 1)
		putchar('\n');
	printf("%-13s%c %8" PRId64 " %20s ", row->id, mark, row->size, arrival);
	print_clean("", row->sender[0] ? row->sender : "MAILER-DAEMON", "\n");
	if (row->reason[0])
		print_clean("(", row->reason, ")\n");
}

static void print_recipients(struct json_reader *list)
{
	if (!json_reader_enter_array(list))
		return;
	while (json_reader_next_item(list))
		print_recipient(list);
}

/* Those that wait, under the reason why. */
static void print_recipient(struct json_reader *recipient)
{
	char name[JSON_NAME_SIZE];
	char address[ADDRESS_SIZE] = "";
	char state[16] = "";
	char reply[320] = "";

	if (!json_reader_enter_object(recipient))
		return;
	while (json_reader_next_member(recipient, name)) {
		if (strcmp(name, "address") == 0)
			json_reader_text(recipient, address, sizeof(address));
		else if (strcmp(name, "state") == 0)
			json_reader_text(recipient, state, sizeof(state));
		else if (strcmp(name, "reply") == 0)
			read_reply(recipient, reply, sizeof(reply));
		else
			json_reader_skip(recipient);
	}
	if (strcmp(state, "waiting") != 0)
		return;
	if (reply[0])
		print_clean("(", reply, ")\n");
	printf("%45s", "");
	print_clean("", address, "\n");
}

static void read_reply(struct json_reader *reply, char *out, size_t size)
{
	char name[JSON_NAME_SIZE];
	char enhanced[16] = "";
	char text[256] = "";
	int64_t code = 0;

	if (!json_reader_enter_object(reply))
		return;
	while (json_reader_next_member(reply, name)) {
		if (strcmp(name, "code") == 0)
			code = json_reader_number(reply);
		else if (strcmp(name, "enhanced") == 0)
			json_reader_text(reply, enhanced, sizeof(enhanced));
		else if (strcmp(name, "text") == 0)
			json_reader_text(reply, text, sizeof(text));
		else
			json_reader_skip(reply);
	}
	if (code > 0)
		(void)snprintf(out, size, "%" PRId64 " %s%s%s", code, enhanced,
		               enhanced[0] ? " " : "", text);
	else
		(void)snprintf(out, size, "%s", text);
}

/* ------------------------------------------------------------------ flush */

int sendmail_flush(const struct sendmail_options *options)
{
	char *target = NULL;
	char *body = NULL;
	char *answer = NULL;
	int r = make_order(options, &target, &body);
	int code = EX_DATAERR;

	if (r == -ENOMEM)
		complain("out of memory");
	else if (r < 0)
		complain_mildly("-q%c%.60s names nothing (an id as mailq shows "
		                "it, an address, or a domain)",
		                options->flush_by, options->flush_what);
	else
		code = request("POST", target, body, &answer);
	free(target);
	free(body);
	free(answer);
	return code;
}

/* An id, or a filter by an address or @domain. */
static int make_order(const struct sendmail_options *options, char **ret_target,
                      char **ret_body)
{
	const char *what = options->flush_what ? options->flush_what : "";
	const char *field = options->flush_by == 'R' ? "recipient" : "sender";
	uint64_t id;
	int r = 0;

	if (options->flush_by == 'I') {
		if (queue_id_parse(what, &id) < 0)
			return -EINVAL;
		r = asprintf(ret_target, "/v1/messages/%s/retry", what);
		return r < 0 ? -ENOMEM : 0;
	}
	/* What JSON would have to escape is in no address that -q is for. */
	for (const char *at = what; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == '"' || *at == '\\')
			return -EINVAL;
	}
	*ret_target = strdup("/v1/messages:retry");
	if (!*ret_target)
		return -ENOMEM;
	if (options->flush_by)
		r = asprintf(ret_body, "{\"filter\": {\"%s\": \"%s%s\"}}",
		             field, strchr(what, '@') ? "" : "@", what);
	else
		r = asprintf(ret_body, "{\"filter\": {}}");
	return r < 0 ? -ENOMEM : 0;
}
