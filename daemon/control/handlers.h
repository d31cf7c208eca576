/*
 * handlers - who answers what; the functions behind control's table
 */
#ifndef RELAIS_CONTROL_HANDLERS_H
#define RELAIS_CONTROL_HANDLERS_H

struct control;
struct request;

/* control_messages.c */
void messages_list(struct request *request);
void messages_show(struct request *request);
void messages_content(struct request *request);

/* Ends the request with the message it is about, as it is now. */
void messages_reply_one(struct request *request);

/* control_submit.c */
void messages_submit(struct request *request);

/* control_changes.c; endpoint->detail: enum change_kind */
void changes_one(struct request *request);
void changes_bulk(struct request *request);

/* control_events.c */
void events_stream(struct request *request);
/* Ends the request when its message has ended, or after wait_s. */
void events_wait_for_message(struct request *request, unsigned wait_s);
struct streams *streams_new(struct control *control);
void streams_free(struct streams *streams);

/* control_status.c */
void status_show(struct request *request);
void status_metrics(struct request *request);
void status_reload(struct request *request);

/* control_problems.c: the array of what is wrong; a relay's name */
struct queue_counts;
struct relay_status;
void problems_shape(struct request *request, const struct queue_counts *counts);
/* The same for those who are no administrators: what is staged. */
void problems_shape_staging(struct request *request);

/* control_routes.c */
void routes_explain(struct request *request);

/* control_backup.c */
void backup_begin(struct request *request);

/* control_relays.c */
void relays_list(struct request *request);
void relays_show(struct request *request);
void relays_pause(struct request *request);
void relays_resume(struct request *request);
/* Ends the request with its relay as it is now. */
void relays_reply(struct request *request, int status);

/* control_relay_changes.c; endpoint->detail: enum relay_change_kind */
enum relay_change_kind {
	RELAY_ADD,
	RELAY_SET,
	RELAY_REMOVE,
	RELAY_ENABLE,
	RELAY_DISABLE,
	RELAY_DEFAULT,
};
void relay_changes_begin(struct request *request);
void relay_changes_free(struct control *control);

/* control_providers.c */
void providers_list(struct request *request);
void providers_discover(struct request *request);

/* control_relay_login.c */
void relays_login(struct request *request);
void relays_login_url(struct request *request);

/* control_relay_test.c */
void relays_test(struct request *request);
void relays_test_draft(struct request *request);

#endif
