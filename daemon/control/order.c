#include "config.h"

#include "control/order.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "queue/message.h"
#include "smtp/reply.h"

static int on_member(void *context, const char *path,
                     const struct json_value *value,
                     char error[JSON_ERROR_SIZE]);
static int set_reason(struct order *order, const struct json_value *value,
                      char *error);
static int set_until(struct order *order, const struct json_value *value,
                     char *error);
static int set_at(struct order *order, const struct json_value *value,
                  char *error);
static int set_dry_run(struct order *order, const struct json_value *value,
                       char *error);
static int set_progress(struct order *order, const struct json_value *value,
                        char *error);
static int set_filter(struct order *order, const struct json_value *value,
                      char *error);
static int set_filter_member(struct order *order, const char *name,
                             const struct json_value *value, char *error);

static const struct {
	const char *name;
	unsigned member;
	int (*set)(struct order *order, const struct json_value *value,
	           char *error);
} members[] = {
	{ "reason", ORDER_REASON, set_reason },
	{ "until", ORDER_UNTIL, set_until },
	{ "at", ORDER_AT, set_at },
	{ "dry_run", ORDER_DRY_RUN, set_dry_run },
	{ "progress", ORDER_PROGRESS, set_progress },
	{ "filter", ORDER_FILTER, set_filter },
};

void order_init(struct order *order, unsigned allowed)
{
	memset(order, 0, sizeof(*order));
	selection_init(&order->filter);
	order->members = allowed;
}

int order_read(struct order *order, const char *text, size_t len,
               char error[JSON_ERROR_SIZE])
{
	return json_walk(text, len, on_member, order, error);
}

void order_done(struct order *order)
{
	selection_done(&order->filter);
}

static int on_member(void *context, const char *path,
                     const struct json_value *value,
                     char error[JSON_ERROR_SIZE])
{
	struct order *order = context;
	size_t i;

	if (order->has_filter && strncmp(path, "filter.", 7) == 0)
		return set_filter_member(order, path + 7, value, error);
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (members[i].member & order->members &&
		    strcmp(path, members[i].name) == 0)
			return members[i].set(order, value, error);
	snprintf(error, JSON_ERROR_SIZE,
	         "%.80s: not known here; expected%s%s%s%s%s%s", path,
	         order->members & ORDER_REASON ? " reason" : "",
	         order->members & ORDER_UNTIL ? " until" : "",
	         order->members & ORDER_AT ? " at" : "",
	         order->members & ORDER_DRY_RUN ? " dry_run" : "",
	         order->members & ORDER_PROGRESS ? " progress" : "",
	         order->members & ORDER_FILTER ? " filter" : "");
	return -EINVAL;
}

static int set_reason(struct order *order, const struct json_value *value,
                      char *error)
{
	if (value->kind == JSON_IS_NULL)
		return 0;
	if (value->kind != JSON_IS_TEXT ||
	    strlen(value->text) >= ORDER_REASON_SIZE) {
		snprintf(error, JSON_ERROR_SIZE,
		         "reason: expected a text of at most %d octets",
		         ORDER_REASON_SIZE - 1);
		return -EINVAL;
	}
	smtp_text_clean(order->reason, sizeof(order->reason), value->text,
	                strlen(value->text));
	return 0;
}

static int set_until(struct order *order, const struct json_value *value,
                     char *error)
{
	int64_t until_ms;

	if (value->kind == JSON_IS_NULL)
		return 0;
	if (value->kind != JSON_IS_TEXT ||
	    clock_parse_rfc3339(value->text, &until_ms) < 0 ||
	    until_ms <= clock_wall_ms()) {
		snprintf(error, JSON_ERROR_SIZE,
		         "until: expected a time to come, like "
		         "2026-11-23T18:40:01Z");
		return -EINVAL;
	}
	order->until_ms = (uint64_t)until_ms;
	return 0;
}

/* What lies behind stands for now. */
static int set_at(struct order *order, const struct json_value *value,
                  char *error)
{
	int64_t at_ms;

	if (value->kind != JSON_IS_TEXT ||
	    clock_parse_rfc3339(value->text, &at_ms) < 0 || at_ms <= 0 ||
	    at_ms > clock_wall_ms() + MESSAGE_RELEASE_MAX_S * INT64_C(1000)) {
		snprintf(error, JSON_ERROR_SIZE,
		         "at: expected a time within %d days, like "
		         "2026-11-23T18:40:01Z",
		         MESSAGE_RELEASE_MAX_S / 86400);
		return -EINVAL;
	}
	order->at_ms = (uint64_t)at_ms;
	return 0;
}

static int set_dry_run(struct order *order, const struct json_value *value,
                       char *error)
{
	if (value->kind != JSON_IS_BOOL) {
		snprintf(error, JSON_ERROR_SIZE,
		         "dry_run: expected true or false");
		return -EINVAL;
	}
	order->is_dry_run = value->is_true;
	return 0;
}

static int set_progress(struct order *order, const struct json_value *value,
                        char *error)
{
	if (value->kind != JSON_IS_BOOL) {
		snprintf(error, JSON_ERROR_SIZE,
		         "progress: expected true or false");
		return -EINVAL;
	}
	order->has_progress = value->is_true;
	return 0;
}

static int set_filter(struct order *order, const struct json_value *value,
                      char *error)
{
	if (value->kind != JSON_IS_OBJECT) {
		snprintf(
		    error, JSON_ERROR_SIZE,
		    "filter: expected an object; {} stands for all messages");
		return -EINVAL;
	}
	order->has_filter = true;
	return 0;
}

static int set_filter_member(struct order *order, const char *name,
                             const struct json_value *value, char *error)
{
	char number[24];
	const char *text = value->text;

	if (value->kind == JSON_IS_NUMBER) {
		snprintf(number, sizeof(number), "%lld",
		         (long long)value->number);
		text = number;
	} else if (value->kind != JSON_IS_TEXT) {
		snprintf(error, JSON_ERROR_SIZE,
		         "filter.%.80s: expected a text", name);
		return -EINVAL;
	}
	return selection_set(&order->filter, name, text, error) < 0 ? -EINVAL
	                                                            : 0;
}
