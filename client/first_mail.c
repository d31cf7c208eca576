#include "config.h"

#include "first_mail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "clock.h"
#include "command.h"
#include "json.h"
#include "person.h"
#include "relais.h"

#define SUBMIT_MS 30000
#define WAIT_S    30

static int submit(const char *to, struct relais_answer *answer);
static int wait_for(const struct invocation *invocation, const char *id,
                    struct json **ret_message);

int first_mail_send(const struct invocation *invocation, const char *to,
                    struct json **ret_message)
{
	struct relais_answer answer;
	const char *state;
	int r;

	*ret_message = NULL;
	if (submit(to, &answer) != RELAIS_OK) {
		command_complain("the first mail was not taken: %s",
		                 answer.text);
		return EXIT_NOT_SO;
	}
	r = wait_for(invocation, answer.id, ret_message);
	if (r != EXIT_FINE)
		return r;
	state = json_text(*ret_message, "state");
	if (state && strcmp(state, "delivered") == 0)
		return EXIT_FINE;
	command_complain("the first mail is %s: relaisctl show %s says why",
	                 state ? state : "not known", answer.id);
	return EXIT_NOT_SO;
}

/* From whoever calls, so that it is this host's own mail. */
static int submit(const char *to, struct relais_answer *answer)
{
	struct relais_session *session = relais_open(NULL);
	struct person person;
	char host[256] = "", text[1024];
	const struct relais_envelope envelope = {
		.sender = person.login,
		.recipients = &to,
		.recipient_count = 1,
	};
	enum relais_result result;

	person_look_up(&person);
	(void)gethostname(host, sizeof(host) - 1);
	(void)snprintf(
	    text, sizeof(text),
	    "To: %s\n"
	    "Subject: The first mail of %s\n"
	    "\n"
	    "relais on %s sends mail now, and this one went the whole way:\n"
	    "submitted, queued, relayed.\n",
	    to, host, host);
	result = relais_submit(session, &envelope, text, strlen(text),
	                       SUBMIT_MS, answer);
	relais_close(session);
	return (int)result;
}

/* Until it has ended, or been tried for a while. */
static int wait_for(const struct invocation *invocation, const char *id,
                    struct json **ret_message)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/v1/messages/%s?wait=%d", id,
	               WAIT_S);
	return ask(invocation, "GET", path, NULL, ret_message);
}
