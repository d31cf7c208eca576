/*
 * first_mail - a mail that goes the whole way, and what became of it
 */
#ifndef RELAIS_FIRST_MAIL_H
#define RELAIS_FIRST_MAIL_H

struct invocation;
struct json;

/*
 * Submits a mail to `to` (an address or a bare name) and waits a while for its
 * outcome. *ret_message: as the API has it then, or NULL. EXIT_FINE: it was
 * delivered to the relay; else an exit code, said why on stderr.
 */
int first_mail_send(const struct invocation *invocation, const char *to,
                    struct json **ret_message);

#endif
