#include "config.h"

#include "control/selection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "clock.h"
#include "control/users.h"
#include "runtime/xalloc.h"
#include "settings.h"

static int set_states(struct selection *selection, const char *value,
                      char *error);
static int add_state(struct selection *selection, const char *word,
                     char *error);
static int set_relay(struct selection *selection, const char *value,
                     char *error);
static int set_sender(struct selection *selection, const char *value,
                      char *error);
static int set_recipient(struct selection *selection, const char *value,
                         char *error);
static int set_submitter(struct selection *selection, const char *value,
                         char *error);
static int set_tag(struct selection *selection, const char *value, char *error);
static int set_since(struct selection *selection, const char *value,
                     char *error);
static int set_address(char **slot, const char **shown, const char *value,
                       char *error);
static bool is_mailbox_like(const char *pattern, const char *mailbox);
static bool has_recipient(const struct message *message, const char *pattern);

static const struct {
	const char *name;
	int (*set)(struct selection *selection, const char *value, char *error);
} names[] = {
	{ "state", set_states },        { "relay", set_relay },
	{ "sender", set_sender },       { "recipient", set_recipient },
	{ "submitter", set_submitter }, { "tag", set_tag },
	{ "since", set_since },
};

void selection_init(struct selection *selection)
{
	memset(selection, 0, sizeof(*selection));
}

void selection_done(struct selection *selection)
{
	free(selection->relay);
	free(selection->sender);
	free(selection->recipient);
	free(selection->tag);
	selection_init(selection);
}

int selection_set(struct selection *selection, const char *name,
                  const char *value, char error[SELECTION_ERROR_SIZE])
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i].name) == 0)
			return names[i].set(selection, value, error);
	snprintf(error, SELECTION_ERROR_SIZE, "%s: there is no such filter",
	         name);
	return -ENOENT;
}

void selection_restrict(struct selection *selection, uid_t uid)
{
	selection->is_restricted = true;
	selection->queue.has_uid = true;
	selection->queue.uid = uid;
}

/* One state, or several with commas between them. */
static int set_states(struct selection *selection, const char *value,
                      char *error)
{
	char *copy = xstrdup(value);
	char *rest = copy;
	char *word;
	int r = 0;

	while (r == 0 && (word = strsep(&rest, ",")))
		r = add_state(selection, word, error);
	free(copy);
	return r;
}

static int add_state(struct selection *selection, const char *word, char *error)
{
	enum message_state state;

	if (strcmp(word, "delivering") == 0) {
		selection->states |= SELECTION_DELIVERING;
		return 0;
	}
	if (strcmp(word, "waiting") == 0) {
		selection->states |= SELECTION_WAITING;
		return 0;
	}
	if (message_state_parse(word, &state) < 0 ||
	    state == MESSAGE_RECEIVING) {
		snprintf(error, SELECTION_ERROR_SIZE,
		         "state: expected waiting (queued, delivering, held, "
		         "parked), delivered, failed, expired, cancelled or "
		         "partial, not `%.40s`",
		         word);
		return -EINVAL;
	}
	selection->states |= 1u << state;
	return 0;
}

static int set_relay(struct selection *selection, const char *value,
                     char *error)
{
	(void)error;
	free(selection->relay);
	selection->relay = xstrdup(value);
	selection->queue.has_relay = true;
	selection->queue.relay = selection->relay;
	selection->queue.relay_id = settings_relay_id(value);
	return 0;
}

static int set_sender(struct selection *selection, const char *value,
                      char *error)
{
	/* The null sender is "" in a record, "<>" in words. */
	if (strcmp(value, "<>") == 0)
		value = "";
	return set_address(&selection->sender, &selection->queue.sender, value,
	                   error);
}

static int set_recipient(struct selection *selection, const char *value,
                         char *error)
{
	return set_address(&selection->recipient, &selection->queue.recipient,
	                   value, error);
}

static int set_address(char **slot, const char **shown, const char *value,
                       char *error)
{
	if (strlen(value) >= ADDRESS_SIZE) {
		snprintf(
		    error, SELECTION_ERROR_SIZE,
		    "expected an address or @domain, not a text this long");
		return -EINVAL;
	}
	free(*slot);
	*slot = xstrdup(value);
	*shown = *slot;
	return 0;
}

static int set_submitter(struct selection *selection, const char *value,
                         char *error)
{
	uid_t uid;

	if (selection->is_restricted)
		return 0;
	if (users_find(value, &uid) < 0) {
		snprintf(error, SELECTION_ERROR_SIZE,
		         "submitter: this host has no user `%.40s`", value);
		return -EINVAL;
	}
	selection->queue.has_uid = true;
	selection->queue.uid = uid;
	return 0;
}

static int set_tag(struct selection *selection, const char *value, char *error)
{
	(void)error;
	free(selection->tag);
	selection->tag = xstrdup(value);
	selection->queue.tag = selection->tag;
	return 0;
}

static int set_since(struct selection *selection, const char *value,
                     char *error)
{
	int64_t since_ms;

	if (clock_parse_rfc3339(value, &since_ms) < 0 || since_ms < 0) {
		snprintf(error, SELECTION_ERROR_SIZE,
		         "since: expected a time like 2026-11-23T18:40:01Z, "
		         "not `%.40s`",
		         value);
		return -EINVAL;
	}
	selection->queue.since_ms = (uint64_t)since_ms;
	return 0;
}

bool selection_matches(const struct selection *selection,
                       const struct message *message)
{
	const struct queue_filter *queue = &selection->queue;

	if (queue->has_uid && queue->uid != message->uid)
		return false;
	if (queue->since_ms && message->submitted_ms < queue->since_ms)
		return false;
	if (queue->tag &&
	    (!message->tag || strcmp(queue->tag, message->tag) != 0))
		return false;
	if (queue->sender && !is_mailbox_like(queue->sender, message->sender))
		return false;
	return !queue->recipient || has_recipient(message, queue->recipient);
}

static bool has_recipient(const struct message *message, const char *pattern)
{
	unsigned i;

	for (i = 0; i < message->recipient_count; i++)
		if (is_mailbox_like(pattern, message->recipients[i].address))
			return true;
	return false;
}

static bool is_mailbox_like(const char *pattern, const char *mailbox)
{
	const char *domain;

	if (*pattern != '@')
		return address_is_same(pattern, mailbox);
	domain = strrchr(mailbox, '@');
	return domain && strcasecmp(domain, pattern) == 0;
}
