/*
 * control_routes - which way a message would take, and as whom
 *
 * Asks the very functions that mail in earnest is asked about: aliases, routes,
 * identity. Nothing is queued.
 */
#include "config.h"

#include "control/handlers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "aliases.h"
#include "control/control_internal.h"
#include "control/request.h"
#include "control/users.h"
#include "deliver/identity.h"
#include "deliver/scheduler.h"
#include "queue/message.h"
#include "queue/route.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "staging.h"

/* What is asked, and what it stands for. */
struct question {
	struct request *request;
	struct message message; /* an envelope, no more */
	char *sender;           /* malloc'ed */
	const char *given;      /* the recipient as asked */
};

static bool read_question(struct question *question);
static bool read_submitter(struct question *question);
static bool read_sender(struct question *question);
static bool read_priority(struct question *question);
static int explain(void *context, const char *address);
static void shape_rule(struct emitter *emit, const struct settings *settings,
                       const char *key, int index);
static void shape_staging(struct emitter *emit, const struct settings *settings,
                          const struct relay_settings *relay,
                          const char *address);
static void shape_identity(struct emitter *emit,
                           const struct relay_settings *relay,
                           const char *sender);

void routes_explain(struct request *request)
{
	struct question question = { .request = request };
	struct emitter *emit = &request->emit;
	char name[ADDRESS_SIZE];

	if (!read_question(&question)) {
		free(question.sender);
		return;
	}
	emit_object(emit, NULL);
	emit_text(emit, "from", question.message.sender);
	emit_number(emit, "uid", question.message.uid);
	emit_text(emit, "tag", question.message.tag);
	emit_text(emit, "to", question.given);
	emit_text(emit, "needs_alias",
	          aliases_end_nowhere(request->settings, question.given, name)
	              ? name
	              : NULL);
	emit_text(emit, "aliases_file", request->settings->aliases_file);
	emit_array(emit, "recipients");
	(void)aliases_expand(request->settings, question.given, explain,
	                     &question);
	emit_end(emit);
	emit_end(emit);
	free(question.sender);
	request_reply(request, 200);
}

static bool read_question(struct question *question)
{
	struct request *request = question->request;
	const char *to = request_query(request, "to");

	if (!to ||
	    address_check(to, strlen(to), ADDRESS_UTF8 | ADDRESS_BARE) < 0) {
		request_fail(request, 400, "bad_query", NULL,
		             to ? "`%s` is no address" : "to= is missing", to);
		return false;
	}
	question->given = to;
	question->message.tag = request_query(request, "tag");
	return read_submitter(question) && read_sender(question) &&
	       read_priority(question);
}

static bool read_submitter(struct question *question)
{
	const char *word = request_query(question->request, "user");
	uid_t uid = question->request->uid;
	gid_t gid;

	if (word && users_find(word, &uid) < 0) {
		request_fail(question->request, 422, "no_such_user", NULL,
		             "there is no user %s", word);
		return false;
	}
	question->message.uid = uid;
	question->message.gid = users_group(uid, &gid) == 0 ? gid : (gid_t)-1;
	return true;
}

/* As submitted: a bare name gets the domain. */
static bool read_sender(struct question *question)
{
	struct request *request = question->request;
	const char *from = request_query(request, "from");
	const char *name;

	if (!from) {
		name =
		    users_name(request->control->users, question->message.uid);
		from = name ? name : "nobody";
	} else if (strcmp(from, "<>") == 0) {
		from = "";
	}
	if (*from != '\0' && address_check(from, strlen(from),
	                                   ADDRESS_UTF8 | ADDRESS_BARE) < 0) {
		request_fail(request, 400, "bad_query", NULL,
		             "`%s` is no address", from);
		return false;
	}
	question->sender =
	    *from == '\0' || address_domain(from)
		? xstrdup(from)
		: xasprintf("%s@%s", from, request->settings->domain);
	question->message.sender = question->sender;
	return true;
}

static bool read_priority(struct question *question)
{
	const char *word = request_query(question->request, "priority");
	enum priority priority;

	question->message.priority = PRIORITY_NORMAL;
	if (!word)
		return true;
	for (priority = PRIORITY_URGENT; priority <= PRIORITY_BULK;
	     priority++) {
		if (strcmp(word, priority_name(priority)) == 0) {
			question->message.priority = priority;
			return true;
		}
	}
	request_fail(question->request, 400, "bad_query", NULL,
	             "priority is urgent, normal or bulk, not `%s`", word);
	return false;
}

static int explain(void *context, const char *address)
{
	struct question *question = context;
	struct request *request = question->request;
	const struct settings *settings = request->settings;
	const struct relay_status *status;
	struct emitter *emit = &request->emit;
	struct route_decision decision;
	struct message *message = &question->message;

	route_decide(&decision, settings, message, address, 0);
	emit_object(emit, NULL);
	emit_text(emit, "address", address);
	emit_text(emit, "relay", decision.relay->name);
	emit_bool(emit, "is_default", decision.rule < 0);
	emit_text(emit, "instead_of",
	          decision.chosen == decision.relay ? NULL
	                                            : decision.chosen->name);
	shape_rule(emit, settings, "rule", decision.rule);
	emit_text(emit, "priority", priority_name(decision.priority));
	shape_rule(emit, settings, "priority_rule", decision.priority_rule);
	status = shape_relay_status(request->scheduler, decision.relay->id);
	emit_text(emit, "carried_by", status ? status->carrier : NULL);
	emit_array(emit, "fallback");
	for (size_t i = 0; i < decision.relay->fallback_count; i++)
		emit_text(
		    emit, NULL,
		    settings_find_relay(settings, decision.relay->fallback[i])
			->name);
	emit_end(emit);
	emit_text(emit, "held",
	          decision.relay->kind == RELAY_DIRECT
	              ? route_reason_to_hold(settings, message)
	              : NULL);
	shape_staging(emit, settings, decision.relay, address);
	shape_identity(emit, decision.relay, message->sender);
	emit_end(emit);
	return 0;
}

/* Rules are counted from 1, as people do; null without one. */
static void shape_rule(struct emitter *emit, const struct settings *settings,
                       const char *key, int index)
{
	const struct route_rule *rule;

	if (index < 0) {
		emit_null(emit, key);
		return;
	}
	rule = &settings->routes[index];
	emit_object(emit, key);
	emit_number(emit, "number", index + 1);
	emit_text(emit, "from", rule->from);
	emit_text(emit, "to", rule->to);
	emit_text(emit, "tag", rule->tag);
	if (rule->has_user)
		emit_number(emit, "uid", rule->user);
	if (rule->has_group)
		emit_number(emit, "gid", rule->group);
	if (rule->has_if_priority)
		emit_text(emit, "if_priority",
		          priority_name(rule->if_priority));
	emit_end(emit);
}

static void shape_staging(struct emitter *emit, const struct settings *settings,
                          const struct relay_settings *relay,
                          const char *address)
{
	char text[STAGING_TEXT_SIZE];
	bool is_refused = staging_relay_refuses(settings, relay, address, text);

	emit_text(emit, "redirected_to", staging_redirect(settings, relay));
	emit_text(emit, "refused", is_refused ? text : NULL);
}

static void shape_identity(struct emitter *emit,
                           const struct relay_settings *relay,
                           const char *sender)
{
	enum identity_reason reason =
	    *sender == '\0' ? IDENTITY_KEPT : identity_judge(relay, sender);

	emit_object(emit, "identity");
	emit_text(emit, "sender", identity_sender(relay, sender));
	emit_text(emit, "because",
	          reason == IDENTITY_KEPT ? NULL
	                                  : identity_reason_text(reason));
	emit_text(emit, "from", relay->from.address);
	emit_text(emit, "name", relay->from.name);
	emit_text(emit, "reply_to", relay->reply_to.address);
	emit_end(emit);
}
