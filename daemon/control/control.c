#include "config.h"

#include "control/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "clock.h"
#include "control/accounts.h"
#include "control/connection.h"
#include "control/control_internal.h"
#include "control/event_hook.h"
#include "control/exporter.h"
#include "control/handlers.h"
#include "control/json.h"
#include "control/request.h"
#include "control/users.h"
#include "deliver/credentials.h"
#include "deliver/oauth.h"
#include "queue/queue.h"
#include "runtime/local_socket.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define CONNECTIONS_MAX  1024
#define ANY_METHOD       0x1ff
#define RELISTEN_DELAY_S 1
/* Whoever can reach the socket may ask; what they are told depends on them. */
#define SOCKET_MODE 0666

/* New settings on their way to the control loop. */
struct settings_letter {
	struct letter letter;
	struct control *control;
	const struct settings *settings;
};

static const struct endpoint endpoints[] = {
	{ METHOD_GET, "/v1/status", FOR_ANYONE, true, status_show, 0 },
	{ METHOD_POST, "/v1/reload", FOR_ADMINISTRATORS, false, status_reload,
	  0 },
	{ METHOD_GET, "/v1/messages", FOR_OWNERS, true, messages_list, 0 },
	{ METHOD_POST, "/v1/messages", FOR_ANYONE, false, messages_submit, 0 },
	{ METHOD_GET, "/v1/messages/{id}", FOR_OWNERS, true, messages_show, 0 },
	{ METHOD_GET, "/v1/messages/{id}/content", FOR_OWNERS, false,
	  messages_content, 0 },
	{ METHOD_POST, "/v1/messages/{id}/retry", FOR_ADMINISTRATORS, false,
	  changes_one, CHANGE_RETRY },
	{ METHOD_POST, "/v1/messages/{id}/hold", FOR_ADMINISTRATORS, false,
	  changes_one, CHANGE_HOLD },
	{ METHOD_POST, "/v1/messages/{id}/release", FOR_ADMINISTRATORS, false,
	  changes_one, CHANGE_RELEASE },
	{ METHOD_POST, "/v1/messages/{id}/cancel", FOR_OWNERS, false,
	  changes_one, CHANGE_CANCEL },
	{ METHOD_POST, "/v1/messages/{id}/reschedule", FOR_OWNERS, false,
	  changes_one, CHANGE_RESCHEDULE },
	{ METHOD_POST, "/v1/messages/{id}/resend", FOR_ADMINISTRATORS, false,
	  changes_one, CHANGE_RESEND },
	{ METHOD_POST, "/v1/messages:resend", FOR_ADMINISTRATORS, true,
	  changes_bulk, CHANGE_RESEND },
	{ METHOD_POST, "/v1/messages:retry", FOR_ADMINISTRATORS, true,
	  changes_bulk, CHANGE_RETRY },
	{ METHOD_POST, "/v1/messages:hold", FOR_ADMINISTRATORS, true,
	  changes_bulk, CHANGE_HOLD },
	{ METHOD_POST, "/v1/messages:release", FOR_ADMINISTRATORS, true,
	  changes_bulk, CHANGE_RELEASE },
	{ METHOD_POST, "/v1/messages:cancel", FOR_OWNERS, true, changes_bulk,
	  CHANGE_CANCEL },
	{ METHOD_GET, "/v1/events", FOR_OWNERS, false, events_stream, 0 },
	{ METHOD_GET, "/v1/relays", FOR_ADMINISTRATORS, true, relays_list, 0 },
	{ METHOD_POST, "/v1/relays", FOR_ADMINISTRATORS, false,
	  relay_changes_begin, RELAY_ADD },
	{ METHOD_GET, "/v1/relays/{name}", FOR_ADMINISTRATORS, true,
	  relays_show, 0 },
	{ METHOD_PUT, "/v1/relays/{name}", FOR_ADMINISTRATORS, false,
	  relay_changes_begin, RELAY_SET },
	{ METHOD_DELETE, "/v1/relays/{name}", FOR_ADMINISTRATORS, true,
	  relay_changes_begin, RELAY_REMOVE },
	{ METHOD_POST, "/v1/relays/{name}/enable", FOR_ADMINISTRATORS, false,
	  relay_changes_begin, RELAY_ENABLE },
	{ METHOD_POST, "/v1/relays/{name}/disable", FOR_ADMINISTRATORS, false,
	  relay_changes_begin, RELAY_DISABLE },
	{ METHOD_POST, "/v1/relays/{name}/default", FOR_ADMINISTRATORS, false,
	  relay_changes_begin, RELAY_DEFAULT },
	{ METHOD_POST, "/v1/relays/{name}/test", FOR_ADMINISTRATORS, false,
	  relays_test, 0 },
	{ METHOD_POST, "/v1/relays/{name}/login", FOR_ADMINISTRATORS, false,
	  relays_login, 0 },
	{ METHOD_POST, "/v1/relays/{name}/login/url", FOR_ADMINISTRATORS, false,
	  relays_login_url, 0 },
	{ METHOD_GET, "/v1/providers", FOR_ANYONE, false, providers_list, 0 },
	/* Asks name servers, which is not for everybody to cause. */
	{ METHOD_GET, "/v1/providers:discover", FOR_ADMINISTRATORS, false,
	  providers_discover, 0 },
	{ METHOD_POST, "/v1/relays:test", FOR_ADMINISTRATORS, false,
	  relays_test_draft, 0 },
	{ METHOD_POST, "/v1/relays/{name}/pause", FOR_ADMINISTRATORS, false,
	  relays_pause, 0 },
	{ METHOD_POST, "/v1/relays/{name}/resume", FOR_ADMINISTRATORS, false,
	  relays_resume, 0 },
	{ METHOD_GET, "/v1/routes:explain", FOR_ADMINISTRATORS, true,
	  routes_explain, 0 },
	{ METHOD_GET, "/v1/backup", FOR_ADMINISTRATORS, false, backup_begin,
	  0 },
	{ METHOD_GET, "/metrics", FOR_ADMINISTRATORS, true, status_metrics, 0 },
};

static int listen_at(struct control *control,
                     const struct control_params *params, char **ret_error);
static unsigned connection_limit(void);
static int make_http(struct control *control, int fd);
static void on_request(struct evhttp_request *http, void *context);
static void on_accept_error(struct evconnlistener *listener, void *context);
static void on_relisten(evutil_socket_t fd, short what, void *context);
static void on_settings(struct letter *letter);
static void on_account_news(struct letter *letter);

int control_new(struct control **ret_control,
                const struct control_params *params, char **ret_error)
{
	struct control *control = xcalloc(1, sizeof(*control));
	int r;

	json_prepare();
	control->loop = params->loop;
	control->base = loop_base(params->loop);
	control->resolver = params->resolver;
	control->oauth = params->oauth;
	control->queue = params->queue;
	control->scheduler = params->scheduler;
	control->settings = settings_ref(params->settings);
	control->reload_take = params->reload_take;
	control->reload_context = params->reload_context;
	control->hand_over_take = params->hand_over_take;
	control->hand_over_context = params->hand_over_context;
	control->started_ms = (uint64_t)clock_wall_ms();
	control->started_boot_ms = (uint64_t)clock_boottime_ms();
	control->connection_limit = connection_limit();
	LIST_INIT(&control->connections);
	LIST_INIT(&control->requests);
	LIST_INIT(&control->logins);
	control->accounts = accounts_new();
	STAILQ_INIT(&control->relay_changes);
	control->users = users_new();
	r = mailbox_new(&control->mailbox, params->loop);
	if (r < 0) {
		*ret_error = xasprintf("control: %s", strerror(-r));
		goto out;
	}
	control->credentials = credentials_new(params->helper, params->oauth,
	                                       control->mailbox, true);
	oauth_listen(params->oauth, control->mailbox, on_account_news, control);
	r = queue_reader_new(&control->reader, params->queue);
	if (r < 0) {
		*ret_error = xasprintf("control: %s", strerror(-r));
		goto out;
	}
	control->streams = streams_new(control);
	r = listen_at(control, params, ret_error);
	if (r < 0)
		goto out;
	control->exporter = exporter_new(control);
	control->event_hook = event_hook_new(control, params->helper);

	*ret_control = control;
	control = NULL;
out:
	control_free(control);
	return r;
}

/* Few enough that the daemon never runs out of descriptors because of us. */
static unsigned connection_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur / 8 < CONNECTIONS_MAX)
		return (unsigned)(limit.rlim_cur / 8);
	return CONNECTIONS_MAX;
}

static int listen_at(struct control *control,
                     const struct control_params *params, char **ret_error)
{
	const char *path = params->settings->control.socket;
	int fd = params->listen_fd;
	int r;

	if (fd >= 0)
		r = local_socket_adopt(fd, ret_error);
	else
		r = local_socket_listen(&fd, path, SOCKET_MODE, ret_error);
	if (r < 0)
		return r;
	r = make_http(control, fd);
	if (r < 0)
		*ret_error = xasprintf("control: %s", strerror(-r));
	return r;
}

/* The listener owns the descriptor, evhttp the listener. */
static int make_http(struct control *control, int fd)
{
	control->listener = evconnlistener_new(
	    control->base, NULL, NULL,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!control->listener) {
		(void)close(fd);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(control->listener, on_accept_error);
	control->accept_again = event_new(control->base, -1, 0,
	                                  connection_on_accept_again, control);
	if (!control->accept_again)
		abort();
	(void)event_priority_set(control->accept_again, LOOP_CROWD);
	control->http = evhttp_new(control->base);
	if (!control->http)
		abort();
	evhttp_set_allowed_methods(control->http, ANY_METHOD);
	evhttp_set_max_headers_size(control->http, REQUEST_HEAD_MAX);
	evhttp_set_max_body_size(control->http, REQUEST_BODY_MAX);
	evhttp_set_timeout(control->http, IDLE_TIMEOUT_S);
	evhttp_set_bevcb(control->http, connection_accept, control);
	evhttp_set_gencb(control->http, on_request, control);
	if (!evhttp_bind_listener(control->http, control->listener))
		abort();
	return 0;
}

static void on_request(struct evhttp_request *http, void *context)
{
	struct connection *connection =
	    connection_find(context, evhttp_request_get_connection(http));

	if (connection)
		request_dispatch(connection, http, endpoints,
		                 sizeof(endpoints) / sizeof(endpoints[0]));
	else
		evhttp_send_error(http, 503, NULL);
}

/*
 * Without descriptors accept() would fail again at once, and for ever. The
 * context is evhttp's.
 */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
	static const struct timeval delay = { RELISTEN_DELAY_S, 0 };

	(void)context;
	log_message(LOG_LEVEL_WARNING, "control", "cannot accept: %s",
	            strerror(errno));
	evconnlistener_disable(listener);
	if (event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT,
	                    on_relisten, listener, &delay) < 0)
		abort();
}

static void on_relisten(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	evconnlistener_enable(context);
}

void control_apply_settings(struct control *control,
                            const struct settings *settings)
{
	struct settings_letter *letter = xcalloc(1, sizeof(*letter));

	letter->letter.open = on_settings;
	letter->control = control;
	letter->settings = settings_ref(settings);
	mailbox_post_take(control->mailbox, &letter->letter);
}

static void on_settings(struct letter *letter)
{
	struct settings_letter *change =
	    LETTER_OF(letter, struct settings_letter, letter);

	settings_unref(change->control->settings);
	change->control->settings = change->settings;
	event_hook_apply_settings(change->control->event_hook);
	free(change);
}

static void on_account_news(struct letter *letter)
{
	struct oauth_news *news = LETTER_OF(letter, struct oauth_news, letter);
	struct control *control = news->context;

	accounts_add_take(control->accounts, news);
}

void control_free(struct control *control)
{
	if (!control)
		return;
	exporter_stop(control->exporter);
	event_hook_stop(control->event_hook);
	/* What has come home is still opened, so that it is freed. */
	(void)event_base_loop(control->base, EVLOOP_NONBLOCK);
	exporter_free(control->exporter);
	event_hook_free(control->event_hook);
	if (control->http)
		evhttp_free(control->http);
	if (control->accept_again)
		event_free(control->accept_again);
	relay_changes_free(control);
	accounts_free(control->accounts);
	while (!LIST_EMPTY(&control->requests))
		request_free(LIST_FIRST(&control->requests));
	streams_free(control->streams);
	credentials_free(control->credentials);
	queue_reader_free(control->reader);
	mailbox_free(control->mailbox);
	users_free(control->users);
	settings_unref(control->settings);
	free(control);
}
