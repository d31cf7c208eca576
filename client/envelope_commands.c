#include "config.h"

#include "envelope_commands.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "outcome.h"
#include "smtp/command.h"
#include "smtp/reply.h"
#include "smtp/xtext.h"

/* RFC 3461 4.4, encoded */
#define ENVELOPE_ID_MAX 100
#define RELAY_NAME_MAX  64

static bool is_text(const char *text, size_t max);
static bool is_envelope_id(const char *text);
static bool needs_utf8(const struct relais_envelope *envelope);
static int append_private(struct buffer *out,
                          const struct relais_envelope *envelope,
                          unsigned words, const char *key);
static int append_notify(struct buffer *out, unsigned notify);

_Static_assert(RELAIS_NOTIFY_NEVER == 1 && RELAIS_NOTIFY_SUCCESS == 2 &&
                   RELAIS_NOTIFY_FAILURE == 4 && RELAIS_NOTIFY_DELAY == 8,
               "append_notify() names the bits in this order");

static const struct {
	const char *name;
	enum private_word word;
} private_words[] = {
	{ "KEY", PRIVATE_KEY },   { "TAG", PRIVATE_TAG },
	{ "META", PRIVATE_META }, { "RELAY", PRIVATE_RELAY },
	{ "WAIT", PRIVATE_WAIT },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "XRELAIS 1 WORD WORD …"; another version is another language. */
static unsigned read_private(const char *line, size_t len)
{
	static const char head[] = "XRELAIS 1 ";
	const char *end = line + len;
	unsigned words = 0;

	if (len < strlen(head) || strncasecmp(line, head, strlen(head)) != 0)
		return 0;
	for (const char *at = line + strlen(head); at < end;) {
		const char *space = memchr(at, ' ', (size_t)(end - at));
		size_t word_len = (size_t)((space ? space : end) - at);

		for (size_t i = 0; i < COUNT(private_words); i++) {
			if (strlen(private_words[i].name) == word_len &&
			    strncasecmp(private_words[i].name, at, word_len) ==
			        0)
				words |= private_words[i].word;
		}
		at += word_len + (space ? 1 : 0);
	}
	return words;
}

void offers_read(struct offers *offers, const struct smtp_reply *reply)
{
	const char *line;
	size_t cursor = 0;
	size_t len;

	*offers = (struct offers){ 0 };
	smtp_capabilities_parse(&offers->smtp, reply);
	while (smtp_reply_next_line(reply, &cursor, &line, &len))
		offers->private_words |= read_private(line, len);
}

/* ------------------------------------------------------------- checking */

static bool is_address(const char *address)
{
	return address_check(address, strlen(address),
	                     ADDRESS_UTF8 | ADDRESS_BARE) == 0;
}

static enum relais_result
check_addresses(const struct relais_envelope *envelope,
                struct relais_answer *answer)
{
	enum relais_result r;

	if (envelope->sender && *envelope->sender &&
	    !is_address(envelope->sender))
		return outcome_fail(answer, RELAIS_INVALID, EINVAL,
		                    "the sender is no address");
	if (envelope->recipient_count == 0)
		return outcome_fail(answer, RELAIS_INVALID, EINVAL,
		                    "there is no recipient");
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		if (envelope->recipients[i] &&
		    is_address(envelope->recipients[i]))
			continue;
		r = outcome_fail(answer, RELAIS_INVALID, EINVAL,
		                 "recipient %zu is no address", i + 1);
		answer->recipient = (long)i;
		return r;
	}
	return RELAIS_OK;
}

enum relais_result envelope_check(const struct relais_envelope *envelope,
                                  struct relais_answer *answer)
{
	const char *what = NULL;
	enum relais_result r = check_addresses(envelope, answer);

	if (r != RELAIS_OK)
		return r;
	if (envelope->key && !is_text(envelope->key, SMTP_KEY_MAX))
		what = "key";
	else if (envelope->tag && !is_text(envelope->tag, SMTP_TAG_MAX))
		what = "tag";
	else if (envelope->meta && !is_text(envelope->meta, SMTP_META_MAX))
		what = "meta";
	else if (envelope->relay && !is_text(envelope->relay, RELAY_NAME_MAX))
		what = "relay";
	else if (envelope->envelope_id &&
	         !is_envelope_id(envelope->envelope_id))
		what = "envelope id";
	else if (envelope->wait_s > SMTP_WAIT_MAX)
		what = "wait";
	else if (envelope->hold_s > 999999999 ||
	         envelope->deadline_s > 999999999)
		what = "time";
	else if (envelope->priority < -9 || envelope->priority > 9)
		what = "priority";
	else if (envelope->notify > 15 ||
	         ((envelope->notify & RELAIS_NOTIFY_NEVER) &&
	          envelope->notify != RELAIS_NOTIFY_NEVER))
		what = "notify";
	if (what)
		return outcome_fail(answer, RELAIS_INVALID, EINVAL,
		                    "the %s is not one that can be sent", what);
	return RELAIS_OK;
}

/* As relaisd takes it: no control characters; xtext hides the rest. */
static bool is_text(const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len == 0 || len > max)
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 127)
			return false;
	}
	return true;
}

static bool is_envelope_id(const char *text)
{
	char encoded[XTEXT_ENCODED_SIZE(ENVELOPE_ID_MAX)];
	size_t len = strlen(text);

	if (!is_text(text, ENVELOPE_ID_MAX))
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] > '~')
			return false;
	}
	xtext_encode(text, len, encoded);
	return strlen(encoded) <= ENVELOPE_ID_MAX;
}

enum relais_result envelope_check_offers(const struct relais_envelope *envelope,
                                         const struct offers *offers,
                                         uint64_t size_bytes,
                                         struct relais_answer *answer)
{
	const struct smtp_capabilities *smtp = &offers->smtp;
	const char *what = NULL;

	/* Left out they would make another message of it. What only adds
	   something, such as a tag or DSN, is left out where unknown. */
	if (envelope->relay && !(offers->private_words & PRIVATE_RELAY))
		what = "a relay of the sender's choice";
	else if (envelope->key && !(offers->private_words & PRIVATE_KEY))
		what = "idempotency keys";
	else if (envelope->hold_s > 0 &&
	         !smtp_capabilities_have(smtp, SMTP_EXT_FUTURERELEASE))
		what = "holding mail for a time";
	else if (envelope->deadline_s > 0 &&
	         !smtp_capabilities_have(smtp, SMTP_EXT_DELIVERBY))
		what = "a deadline";
	if (what)
		return outcome_fail(answer, RELAIS_UNSUPPORTED, ENOTSUP,
		                    "this relaisd does not offer %s", what);
	if (smtp->size_max_bytes > 0 && size_bytes > smtp->size_max_bytes)
		return outcome_fail(answer, RELAIS_REJECTED, EMSGSIZE,
		                    "the message has %" PRIu64
		                    " bytes, more than the %" PRIu64
		                    " that relaisd takes",
		                    size_bytes, smtp->size_max_bytes);
	if (smtp->rcpt_max > 0 && envelope->recipient_count > smtp->rcpt_max)
		return outcome_fail(
		    answer, RELAIS_REJECTED, E2BIG,
		    "there are %zu recipients, more than the %" PRIu32
		    " that relaisd takes",
		    envelope->recipient_count, smtp->rcpt_max);
	return RELAIS_OK;
}

/* ------------------------------------------------------------ composing */

static int append_xtext(struct buffer *out, const char *keyword,
                        const char *value)
{
	size_t len = strlen(value);
	int r;

	r = buffer_append_string(out, keyword);
	if (r == 0)
		r = buffer_reserve(out, XTEXT_ENCODED_SIZE(len));
	if (r < 0)
		return r;
	xtext_encode(value, len, out->data + out->len);
	buffer_grow(out, strlen(out->data + out->len));
	return 0;
}

static int append_mail(struct buffer *out,
                       const struct relais_envelope *envelope,
                       const struct offers *offers, uint64_t size_bytes,
                       const char *key)
{
	const struct smtp_capabilities *smtp = &offers->smtp;
	int r;

	r = buffer_append_strings(out, "MAIL FROM:<",
	                          envelope->sender ? envelope->sender : "", ">",
	                          NULL);
	if (r == 0 && size_bytes > 0 &&
	    smtp_capabilities_have(smtp, SMTP_EXT_SIZE)) {
		r = buffer_append_string(out, " SIZE=");
		if (r == 0)
			r = buffer_append_number(out, size_bytes);
	}
	if (r == 0 && smtp_capabilities_have(smtp, SMTP_EXT_8BITMIME))
		r = buffer_append_string(
		    out, envelope->is_7bit ? " BODY=7BIT" : " BODY=8BITMIME");
	if (r == 0 && needs_utf8(envelope))
		r = buffer_append_string(out, " SMTPUTF8");
	if (r == 0 && smtp_capabilities_have(smtp, SMTP_EXT_DSN)) {
		if (envelope->return_what != RELAIS_RETURN_UNSTATED)
			r = buffer_append_string(out, envelope->return_what ==
			                                      RELAIS_RETURN_FULL
			                                  ? " RET=FULL"
			                                  : " RET=HDRS");
		if (r == 0 && envelope->envelope_id)
			r = append_xtext(out, " ENVID=", envelope->envelope_id);
	}
	if (r == 0 && envelope->hold_s > 0)
		r = buffer_appendf(out, " HOLDFOR=%u", envelope->hold_s);
	if (r == 0 && envelope->deadline_s > 0)
		r = buffer_appendf(out, " BY=%u;R", envelope->deadline_s);
	if (r == 0 && envelope->priority != 0 &&
	    smtp_capabilities_have(smtp, SMTP_EXT_MT_PRIORITY))
		r = buffer_appendf(out, " MT-PRIORITY=%d", envelope->priority);
	if (r == 0)
		r = append_private(out, envelope, offers->private_words, key);
	return r < 0 ? r : buffer_append_string(out, "\r\n");
}

static int append_private(struct buffer *out,
                          const struct relais_envelope *envelope,
                          unsigned words, const char *key)
{
	int r = 0;

	if (key && (words & PRIVATE_KEY))
		r = append_xtext(out, " XKEY=", key);
	if (r == 0 && envelope->tag && (words & PRIVATE_TAG))
		r = append_xtext(out, " XTAG=", envelope->tag);
	if (r == 0 && envelope->meta && (words & PRIVATE_META))
		r = append_xtext(out, " XMETA=", envelope->meta);
	if (r == 0 && envelope->relay)
		r = append_xtext(out, " XRELAY=", envelope->relay);
	if (r == 0 && envelope->wait_s > 0 && (words & PRIVATE_WAIT))
		r = buffer_appendf(out, " XWAIT=%u", envelope->wait_s);
	return r;
}

static bool is_ascii(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text > 127)
			return false;
	}
	return true;
}

static bool needs_utf8(const struct relais_envelope *envelope)
{
	if (envelope->is_smtputf8 ||
	    (envelope->sender && !is_ascii(envelope->sender)))
		return true;
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		if (!is_ascii(envelope->recipients[i]))
			return true;
	}
	return false;
}

int envelope_append(struct buffer *out, const struct relais_envelope *envelope,
                    const struct offers *offers, uint64_t size_bytes,
                    const char *key)
{
	bool has_dsn = smtp_capabilities_have(&offers->smtp, SMTP_EXT_DSN);
	int r;

	r = append_mail(out, envelope, offers, size_bytes, key);
	for (size_t i = 0; i < envelope->recipient_count && r == 0; i++) {
		r = buffer_append_strings(out, "RCPT TO:<",
		                          envelope->recipients[i], ">", NULL);
		if (r == 0 && envelope->notify && has_dsn)
			r = append_notify(out, envelope->notify);
		if (r == 0)
			r = buffer_append_string(out, "\r\n");
	}
	return r;
}

static int append_notify(struct buffer *out, unsigned notify)
{
	static const char *const names[] = { "NEVER", "SUCCESS", "FAILURE",
		                             "DELAY" };
	const char *before = " NOTIFY=";
	int r = 0;

	for (size_t i = 0; i < COUNT(names) && r == 0; i++) {
		if (!(notify & 1u << i))
			continue;
		r = buffer_append_strings(out, before, names[i], NULL);
		before = ",";
	}
	return r;
}

int envelope_append_question(struct buffer *out, const char *key)
{
	int r = append_xtext(out, "XKEY ", key);

	return r < 0 ? r : buffer_append_string(out, "\r\n");
}
