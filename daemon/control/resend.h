/*
 * resend - the envelope of a message that sends again what failed
 *
 * Thread: that of the reader.
 */
#ifndef RELAIS_CONTROL_RESEND_H
#define RELAIS_CONTROL_RESEND_H

struct change;
struct message;
struct queue_reader;
struct settings;

/*
 * Fills change->submission: the recipients that failed or expired, and the
 * content of the message change->id. 0, -ENOENT, -EBADMSG, -ENOMEM, or
 * -EALREADY where there is nothing to send (again).
 */
int resend_prepare(struct change *change, struct queue_reader *reader,
                   const struct settings *settings);

/* Why there is nothing to send, as in "it is …". */
const char *resend_obstacle(const struct message *message);

#endif
