#include "config.h"

#include "smtp/parameters.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "clock.h"
#include "smtp/command.h"
#include "smtp/extensions.h"
#include "smtp/xtext.h"

/* RFC 3461 4.4 and 4.2 */
#define ENVID_MAX 100
#define ORCPT_MAX 500
#define RELAY_MAX 64
/* Longest keyword that an answer repeats. */
#define SHOWN_MAX 40

struct value {
	const char *text;
	size_t len;
	/* was there a "="? */
	bool is_there;
};

/* Where values go: into one of both. */
struct target {
	struct smtp_mail_params *mail;
	struct smtp_rcpt_params *rcpt;
	struct arena *arena;
	unsigned extensions;
};

struct parameter {
	const char *keyword;
	enum smtp_extension extension;
	/* Returns whether the value is well-formed. */
	bool (*read)(const struct target *target, const struct value *value);
	const char *complaint; /* where it isn't, or is there twice */
};

static bool read_size(const struct target *t, const struct value *v);
static bool read_body(const struct target *t, const struct value *v);
static bool read_smtputf8(const struct target *t, const struct value *v);
static bool read_ret(const struct target *t, const struct value *v);
static bool read_envid(const struct target *t, const struct value *v);
static bool read_notify(const struct target *t, const struct value *v);
static bool read_orcpt(const struct target *t, const struct value *v);
static bool read_holdfor(const struct target *t, const struct value *v);
static bool read_holduntil(const struct target *t, const struct value *v);
static bool read_by(const struct target *t, const struct value *v);
static bool read_priority(const struct target *t, const struct value *v);
static bool read_key(const struct target *t, const struct value *v);
static bool read_tag(const struct target *t, const struct value *v);
static bool read_meta(const struct target *t, const struct value *v);
static bool read_relay(const struct target *t, const struct value *v);
static bool read_wait(const struct target *t, const struct value *v);

static const struct parameter mail_parameters[] = {
	{ "SIZE", SMTP_EXT_SIZE, read_size,
	  "SIZE: expected once, with octets" },
	{ "BODY", SMTP_EXT_8BITMIME, read_body,
	  "BODY: expected once, with 7BIT or 8BITMIME" },
	{ "SMTPUTF8", SMTP_EXT_SMTPUTF8, read_smtputf8,
	  "SMTPUTF8: expected once, without a value" },
	{ "RET", SMTP_EXT_DSN, read_ret,
	  "RET: expected once, with FULL or HDRS" },
	{ "ENVID", SMTP_EXT_DSN, read_envid,
	  "ENVID: expected once, with up to 100 characters of xtext" },
	{ "HOLDFOR", SMTP_EXT_FUTURERELEASE, read_holdfor,
	  "HOLDFOR: expected once, with 1 to 999999999 seconds" },
	{ "HOLDUNTIL", SMTP_EXT_FUTURERELEASE, read_holduntil,
	  "HOLDUNTIL: expected once, with a time such as "
	  "2026-11-23T18:40:00Z" },
	{ "BY", SMTP_EXT_DELIVERBY, read_by,
	  "BY: expected once, with seconds and ;R or ;N, such as 600;R" },
	{ "MT-PRIORITY", SMTP_EXT_MT_PRIORITY, read_priority,
	  "MT-PRIORITY: expected once, with -9 to 9" },
	{ "XKEY", SMTP_EXT_XRELAIS, read_key,
	  "XKEY: expected once, with 1 to 256 octets as xtext" },
	{ "XTAG", SMTP_EXT_XRELAIS, read_tag,
	  "XTAG: expected once, with 1 to 128 octets as xtext" },
	{ "XMETA", SMTP_EXT_XRELAIS, read_meta,
	  "XMETA: expected once, with 1 to 2048 octets as xtext" },
	{ "XRELAY", SMTP_EXT_XRELAIS, read_relay,
	  "XRELAY: expected once, with the name of a relay as xtext" },
	{ "XWAIT", SMTP_EXT_XRELAIS, read_wait,
	  "XWAIT: expected once, with 1 to 300 seconds" },
	{ NULL, 0, NULL, NULL },
};

/* BY and MT-PRIORITY belong to MAIL, but go-smtp sends them here. */
static const struct parameter rcpt_parameters[] = {
	{ "NOTIFY", SMTP_EXT_DSN, read_notify,
	  "NOTIFY: expected once, with NEVER, or some of "
	  "SUCCESS,FAILURE,DELAY" },
	{ "ORCPT", SMTP_EXT_DSN, read_orcpt,
	  "ORCPT: expected once, with a type, a semicolon and xtext" },
	{ "BY", SMTP_EXT_DELIVERBY, read_by,
	  "BY: expected once, with seconds and ;R or ;N, such as 600;R" },
	{ "MT-PRIORITY", SMTP_EXT_MT_PRIORITY, read_priority,
	  "MT-PRIORITY: expected once, with -9 to 9" },
	{ NULL, 0, NULL, NULL },
};

static bool parse(const char *text, size_t len,
                  const struct parameter *parameters,
                  const struct target *target, struct smtp_answer *ret_answer);
static const struct parameter *find(const struct parameter *parameters,
                                    unsigned extensions, const char *keyword,
                                    size_t len);
static struct smtp_answer complain(struct arena *arena, const char *keyword,
                                   size_t len);

bool smtp_parameters_parse_mail(const char *text, size_t len,
                                unsigned extensions, struct arena *arena,
                                struct smtp_mail_params *ret_params,
                                struct smtp_answer *ret_answer)
{
	struct target target = { .mail = ret_params,
		                 .arena = arena,
		                 .extensions = extensions };

	*ret_params = (struct smtp_mail_params){ 0 };
	if (!parse(text, len, mail_parameters, &target, ret_answer))
		return false;
	if (ret_params->hold_for_s && ret_params->hold_until_wall_ms) {
		*ret_answer = smtp_answer(
		    501, "5.5.4", "HOLDFOR and HOLDUNTIL exclude each other");
		return false;
	}
	return true;
}

bool smtp_parameters_parse_rcpt(const char *text, size_t len,
                                unsigned extensions, struct arena *arena,
                                struct smtp_rcpt_params *ret_params,
                                struct smtp_answer *ret_answer)
{
	struct target target = { .rcpt = ret_params,
		                 .arena = arena,
		                 .extensions = extensions };

	*ret_params = (struct smtp_rcpt_params){ 0 };
	return parse(text, len, rcpt_parameters, &target, ret_answer);
}

static bool parse(const char *text, size_t len,
                  const struct parameter *parameters,
                  const struct target *target, struct smtp_answer *ret_answer)
{
	const char *end = text + len;
	uint32_t seen = 0;

	for (;;) {
		const struct parameter *parameter;
		struct value value = { 0 };
		const char *keyword;
		size_t keyword_len;

		while (text < end && *text == ' ')
			text++;
		if (text == end)
			return true;
		keyword = text;
		while (text < end && *text != ' ' && *text != '=')
			text++;
		keyword_len = (size_t)(text - keyword);
		if (text < end && *text == '=') {
			value.is_there = true;
			value.text = ++text;
			while (text < end && *text != ' ')
				text++;
			value.len = (size_t)(text - value.text);
		}

		parameter =
		    find(parameters, target->extensions, keyword, keyword_len);
		if (!parameter) {
			*ret_answer =
			    complain(target->arena, keyword, keyword_len);
			return false;
		}
		if (seen & 1u << (parameter - parameters) ||
		    !parameter->read(target, &value)) {
			*ret_answer =
			    smtp_answer(501, "5.5.4", parameter->complaint);
			return false;
		}
		seen |= 1u << (parameter - parameters);
	}
}

static const struct parameter *find(const struct parameter *parameters,
                                    unsigned extensions, const char *keyword,
                                    size_t len)
{
	for (; parameters->keyword; parameters++) {
		if ((extensions & parameters->extension) &&
		    strlen(parameters->keyword) == len &&
		    strncasecmp(parameters->keyword, keyword, len) == 0)
			return parameters;
	}
	return NULL;
}

static struct smtp_answer complain(struct arena *arena, const char *keyword,
                                   size_t len)
{
	static const char what[] = "Unsupported parameter";
	char text[96];
	const char *copy;

	(void)snprintf(text, sizeof(text), "%s: %.*s", what,
	               len < SHOWN_MAX ? (int)len : SHOWN_MAX, keyword);
	copy = arena_copy(arena, text, strlen(text));
	return smtp_answer(555, "5.5.4", copy ? copy : what);
}

static bool is_word(const struct value *value, const char *word)
{
	return value->len == strlen(word) &&
	       strncasecmp(value->text, word, value->len) == 0;
}

/* 1 to max_digits digits. What exceeds 64 bits is the largest number. */
static bool read_number(const char *text, size_t len, size_t max_digits,
                        uint64_t *ret_number)
{
	uint64_t number = 0;

	if (len == 0 || len > max_digits)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned char)text[i] - (unsigned)'0';

		if (digit > 9)
			return false;
		if (number > (UINT64_MAX - digit) / 10)
			number = UINT64_MAX;
		else
			number = number * 10 + digit;
	}
	*ret_number = number;
	return true;
}

/* RFC 1870 3: size-value is 1*20DIGIT. */
static bool read_size(const struct target *t, const struct value *v)
{
	return read_number(v->text, v->len, 20, &t->mail->size_bytes);
}

/* RFC 6152 2. BINARYMIME belongs to an extension that is not offered. */
static bool read_body(const struct target *t, const struct value *v)
{
	if (is_word(v, "7BIT"))
		t->mail->body = SMTP_BODY_7BIT;
	else if (is_word(v, "8BITMIME"))
		t->mail->body = SMTP_BODY_8BITMIME;
	else
		return false;
	return true;
}

/* RFC 6531 3.4: has no value. */
static bool read_smtputf8(const struct target *t, const struct value *v)
{
	t->mail->is_smtputf8 = true;
	return !v->is_there;
}

static bool read_ret(const struct target *t, const struct value *v)
{
	if (is_word(v, "FULL"))
		t->mail->ret = SMTP_RET_FULL;
	else if (is_word(v, "HDRS"))
		t->mail->ret = SMTP_RET_HDRS;
	else
		return false;
	return true;
}

/* RFC 3461 4.4: the decoded value is printable ASCII and white space. */
static bool read_envid(const struct target *t, const struct value *v)
{
	char decoded[ENVID_MAX + 1];

	if (v->len == 0 || v->len > ENVID_MAX ||
	    xtext_decode(v->text, v->len, decoded) < 0)
		return false;
	for (const char *c = decoded; *c; c++) {
		if ((*c < ' ' && *c != '\t') || *c > '~')
			return false;
	}
	t->mail->envid = arena_copy(t->arena, v->text, v->len);
	return t->mail->envid != NULL;
}

/* RFC 3461 4.1: NEVER, or a list of the others. */
static bool read_notify(const struct target *t, const struct value *v)
{
	const char *end = v->text + v->len;
	const char *at = v->text;
	unsigned notify = 0;

	if (v->len == 0)
		return false;
	for (;;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma ? comma : end;
		struct value word = { at, (size_t)(stop - at), true };

		if (is_word(&word, "NEVER"))
			notify |= SMTP_NOTIFY_NEVER;
		else if (is_word(&word, "SUCCESS"))
			notify |= SMTP_NOTIFY_SUCCESS;
		else if (is_word(&word, "FAILURE"))
			notify |= SMTP_NOTIFY_FAILURE;
		else if (is_word(&word, "DELAY"))
			notify |= SMTP_NOTIFY_DELAY;
		else
			return false;
		if (!comma)
			break;
		at = comma + 1;
	}
	t->rcpt->notify = notify;
	return !(notify & SMTP_NOTIFY_NEVER) || notify == SMTP_NOTIFY_NEVER;
}

/*
 * RFC 3461 4.2: addr-type ";" xtext. RFC 6533 3: the type utf-8 may have raw
 * UTF-8 too.
 */
static bool read_orcpt(const struct target *t, const struct value *v)
{
	const char *semicolon = v->len ? memchr(v->text, ';', v->len) : NULL;
	struct value type;
	size_t len;

	if (!semicolon || semicolon == v->text || v->len > ORCPT_MAX)
		return false;
	type = (struct value){ v->text, (size_t)(semicolon - v->text), true };
	len = v->len - type.len - 1;
	if (len == 0 || !xtext_is_valid(type.text, type.len))
		return false;
	if (is_word(&type, "utf-8") && (t->extensions & SMTP_EXT_SMTPUTF8)) {
		if (!address_is_utf8(semicolon + 1, len))
			return false;
	} else if (!xtext_is_valid(semicolon + 1, len)) {
		return false;
	}
	t->rcpt->orcpt = arena_copy(t->arena, v->text, v->len);
	return t->rcpt->orcpt != NULL;
}

/* RFC 4865 5: 1 to 9 digits, not 0 */
static bool read_holdfor(const struct target *t, const struct value *v)
{
	return read_number(v->text, v->len, 9, &t->mail->hold_for_s) &&
	       t->mail->hold_for_s > 0;
}

/* An RFC 3339 date-time; all digits are the seconds of some clients. */
static bool read_holduntil(const struct target *t, const struct value *v)
{
	char text[40];
	uint64_t seconds;

	if (read_number(v->text, v->len, 12, &seconds)) {
		t->mail->hold_until_wall_ms = (int64_t)seconds * 1000;
		return seconds > 0;
	}
	if (v->len == 0 || v->len >= sizeof(text))
		return false;
	memcpy(text, v->text, v->len);
	text[v->len] = '\0';
	return clock_parse_rfc3339(text, &t->mail->hold_until_wall_ms) == 0 &&
	       t->mail->hold_until_wall_ms > 0;
}

/* RFC 2852 4: [+-] 1 to 9 digits ";" R or N, and T */
static bool read_by(const struct target *t, const struct value *v)
{
	struct smtp_by *by = t->mail ? &t->mail->by : &t->rcpt->by;
	const char *semicolon = v->len ? memchr(v->text, ';', v->len) : NULL;
	const char *digits = v->text;
	struct value mode;
	uint64_t seconds;

	if (!semicolon)
		return false;
	if (*digits == '-' || *digits == '+')
		digits++;
	if (!read_number(digits, (size_t)(semicolon - digits), 9, &seconds))
		return false;
	mode.text = semicolon + 1;
	mode.len = v->len - (size_t)(mode.text - v->text);
	by->is_traced = is_word(&mode, "RT") || is_word(&mode, "NT");
	if (is_word(&mode, "R") || is_word(&mode, "RT"))
		by->mode = SMTP_BY_RETURN;
	else if (is_word(&mode, "N") || is_word(&mode, "NT"))
		by->mode = SMTP_BY_NOTIFY;
	else
		return false;
	by->seconds = (int64_t)seconds * (v->text[0] == '-' ? -1 : 1);
	return by->mode == SMTP_BY_NOTIFY || by->seconds > 0;
}

/* RFC 6710 8: -9 to 9 */
static bool read_priority(const struct target *t, const struct value *v)
{
	struct smtp_priority *priority =
	    t->mail ? &t->mail->priority : &t->rcpt->priority;
	bool is_negative = v->len > 0 && v->text[0] == '-';
	uint64_t level;

	if (v->len == 0 || !read_number(v->text + is_negative,
	                                v->len - is_negative, 1, &level))
		return false;
	if (is_negative && level == 0)
		return false;
	priority->is_stated = true;
	priority->level = is_negative ? -(int)level : (int)level;
	return true;
}

bool smtp_parameters_decode(const char *text, size_t len, size_t max,
                            struct arena *arena, const char **ret_value)
{
	char *decoded;
	size_t n;

	if (len == 0 || len >= XTEXT_ENCODED_SIZE(max))
		return false;
	decoded = arena_allocate(arena, len + 1);
	if (!decoded || xtext_decode(text, len, decoded) < 0)
		return false;
	for (n = 0; decoded[n]; n++) {
		if ((unsigned char)decoded[n] < ' ' || decoded[n] == 127)
			return false;
	}
	*ret_value = decoded;
	return n <= max;
}

static bool read_key(const struct target *t, const struct value *v)
{
	return smtp_parameters_decode(v->text, v->len, SMTP_KEY_MAX, t->arena,
	                              &t->mail->key);
}

static bool read_tag(const struct target *t, const struct value *v)
{
	return smtp_parameters_decode(v->text, v->len, SMTP_TAG_MAX, t->arena,
	                              &t->mail->tag);
}

static bool read_meta(const struct target *t, const struct value *v)
{
	return smtp_parameters_decode(v->text, v->len, SMTP_META_MAX, t->arena,
	                              &t->mail->meta);
}

static bool read_relay(const struct target *t, const struct value *v)
{
	return smtp_parameters_decode(v->text, v->len, RELAY_MAX, t->arena,
	                              &t->mail->relay);
}

static bool read_wait(const struct target *t, const struct value *v)
{
	uint64_t seconds;

	if (!read_number(v->text, v->len, 3, &seconds) || seconds == 0 ||
	    seconds > SMTP_WAIT_MAX)
		return false;
	t->mail->wait_s = (unsigned)seconds;
	return true;
}
