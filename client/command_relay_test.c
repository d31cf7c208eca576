/*
 * command_relay_test - relaisctl relay test
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <stdlib.h>

#include "ask.h"
#include "json.h"
#include "question.h"
#include "relay_order.h"
#include "relay_test_view.h"

static int test_saved(struct invocation *invocation);
static int test_unsaved(struct invocation *invocation);

int command_relay_test(struct invocation *invocation)
{
	if (relay_order_is_given(invocation, relay_order_first_key(invocation)))
		return test_unsaved(invocation);
	if (invocation->operand_count == 1)
		return test_saved(invocation);
	command_complain("which relay? A name, or the keys of one that is not "
	                 "saved");
	return EXIT_BAD_USAGE;
}

static int test_saved(struct invocation *invocation)
{
	struct buffer target;
	char *path = NULL;
	int r;

	buffer_init(&target, 0);
	r = command_add_segment(&target, "/v1/relays/", invocation->operands[0],
	                        "/test");
	if (r == 0)
		r = ask_add_query(&target, "to", invocation->values[OPTION_TO]);
	if (r == 0)
		r = buffer_take(&target, &path, NULL);
	buffer_done(&target);
	r = r < 0 ? ask_complain(invocation, r)
	          : relay_test_view(invocation, path, NULL, NULL);
	free(path);
	return r;
}

/* A name is only for the mail's text. */
static int test_unsaved(struct invocation *invocation)
{
	struct json *order = json_make();
	struct ask_text body;
	struct buffer target;
	char *text = NULL, *path = NULL;
	int r;

	if (!order)
		return ask_complain(invocation, -ENOMEM);
	r = relay_order_read(invocation, relay_order_first_key(invocation),
	                     order);
	if (r == EXIT_FINE)
		r = relay_order_read_password(
		    invocation, order,
		    json_text(order, "username") && question_is_possible() &&
			!json_member(order, "password") &&
			!json_member(order, "oauth"));
	if (r == EXIT_FINE)
		r = relay_order_text(invocation, order, &body, &text);
	json_free(order);
	if (r != EXIT_FINE)
		return r;
	buffer_init(&target, 0);
	r = buffer_append_string(&target, "/v1/relays:test");
	if (r == 0)
		r = ask_add_query(&target, "to", invocation->values[OPTION_TO]);
	if (r == 0)
		r = buffer_take(&target, &path, NULL);
	buffer_done(&target);
	r = r < 0 ? ask_complain(invocation, r)
	          : relay_test_view(invocation, path, &body, NULL);
	free(path);
	question_wipe(text);
	return r;
}
