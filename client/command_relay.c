/*
 * command_relay - relaisctl relay show, pause and resume; reload
 */
#include "config.h"

#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "json.h"
#include "relay_view.h"

static int each_relay(struct invocation *invocation, const char *method,
                      const char *action, const struct json *order);
static int one_relay(struct invocation *invocation, const char *method,
                     const char *name, const char *action,
                     const struct json *order);

int command_relay_show(struct invocation *invocation)
{
	return each_relay(invocation, "GET", "", NULL);
}

int command_relay_pause(struct invocation *invocation)
{
	struct json *order = json_make();
	int r;

	if (!order)
		return ask_complain(invocation, -ENOMEM);
	if (invocation->values[OPTION_REASON])
		json_put_text(order, "reason",
		              invocation->values[OPTION_REASON]);
	r = command_put_until(invocation, order);
	if (r == EXIT_FINE)
		r = each_relay(invocation, "POST", "/pause", order);
	json_free(order);
	return r;
}

int command_relay_resume(struct invocation *invocation)
{
	return each_relay(invocation, "POST", "/resume", NULL);
}

static int each_relay(struct invocation *invocation, const char *method,
                      const char *action, const struct json *order)
{
	int worst = EXIT_FINE;
	int i;

	for (i = 0; i < invocation->operand_count; i++) {
		int r;

		if (i > 0 && !invocation->is_json)
			fputc('\n', invocation->output.file);
		r = one_relay(invocation, method, invocation->operands[i],
		              action, order);
		if (r > worst)
			worst = r;
	}
	return worst;
}

static int one_relay(struct invocation *invocation, const char *method,
                     const char *name, const char *action,
                     const struct json *order)
{
	struct json *relay = NULL;
	struct buffer target;
	char *text = NULL;
	int r;

	buffer_init(&target, 0);
	r = command_add_segment(&target, "/v1/relays/", name, action);
	if (r == 0)
		r = buffer_take(&target, &text, NULL);
	buffer_done(&target);
	r = r < 0 ? ask_complain(invocation, r)
	          : ask(invocation, method, text, order, &relay);
	free(text);
	if (r != EXIT_FINE)
		return r;
	if (invocation->is_json)
		command_print_json(invocation, relay);
	else if (strcmp(method, "GET") == 0)
		relay_view_print(&invocation->output, relay);
	else
		relay_view_print_state(&invocation->output, relay);
	json_free(relay);
	return EXIT_FINE;
}

/* ----------------------------------------------------------------- reload */

int command_reload(struct invocation *invocation)
{
	const struct output *output = &invocation->output;
	const struct json *warnings;
	struct json *answer;
	size_t i;
	int r;

	r = ask(invocation, "POST", "/v1/reload", NULL, &answer);
	if (r != EXIT_FINE)
		return r;
	if (invocation->is_json) {
		command_print_json(invocation, answer);
	} else {
		warnings = json_member(answer, "warnings");
		for (i = 0; i < json_count(warnings); i++) {
			output_text(output, STYLE_WARNING,
			            json_item_text(warnings, i));
			fputc('\n', output->file);
		}
		fputs("The new settings are in use.\n", output->file);
	}
	json_free(answer);
	return EXIT_FINE;
}
