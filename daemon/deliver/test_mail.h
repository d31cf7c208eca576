/*
 * test_mail - the mail by which a relay is tested
 *
 * Composed as any mail is, with the relay's identity and header fields.
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_TEST_MAIL_H
#define RELAIS_DELIVER_TEST_MAIL_H

#include "deliver/transport.h"

struct relay_settings;
struct settings;
struct test_mail;

/*
 * to: NULL: only its envelope is meant, and the recipient is the sender. All
 * are borrowed for the call. NULL: it can't be composed.
 */
struct test_mail *test_mail_new(const struct settings *settings,
                                const struct relay_settings *relay,
                                const char *to, const char *asker);
void test_mail_free(struct test_mail *mail);

/* Borrowed; to be sent once. */
const struct transport_message *test_mail_message(struct test_mail *mail);

#endif
