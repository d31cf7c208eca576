/*
 * request_log - the audit lines: who did what
 */
#include "config.h"

#include "control/request.h"

#include <stdio.h>

#include "control/control_internal.h"
#include "control/users.h"
#include "runtime/log.h"

const char *request_user(struct request *request)
{
	const char *name = users_name(request->control->users, request->uid);

	if (name)
		return name;
	snprintf(request->uid_text, sizeof(request->uid_text), "uid %u",
	         (unsigned)request->uid);
	return request->uid_text;
}

void request_log(struct request *request, const char *action, uint64_t id,
                 const char *relay, int64_t count)
{
	struct log_line line;

	log_begin(&line, LOG_LEVEL_INFO, "control");
	log_text(&line, "action", action);
	if (id)
		log_id(&line, "id", id);
	if (relay)
		log_text(&line, "relay", relay);
	if (count >= 0)
		log_number(&line, "messages", count);
	log_number(&line, "uid", request->uid);
	log_number(&line, "pid", request->pid);
	log_end(&line);
}

void request_log_relay(struct request *request, const char *action,
                       const char *relay, const char *keys)
{
	struct log_line line;

	log_begin(&line, LOG_LEVEL_INFO, "control");
	log_text(&line, "action", action);
	log_text(&line, "relay", relay);
	log_text(&line, "keys", keys);
	log_number(&line, "uid", request->uid);
	log_number(&line, "pid", request->pid);
	log_end(&line);
}
