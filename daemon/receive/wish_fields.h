/*
 * wish_fields - wishes in a header: X-Relais-Key, -Tag, -At and the others
 *
 * For clients that cannot give parameters to MAIL. The words and values are
 * those of relais-sendmail(8).
 */
#ifndef RELAIS_RECEIVE_WISH_FIELDS_H
#define RELAIS_RECEIVE_WISH_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/message.h"
#include "smtp/envelope.h"

/*
 * Fills in what MAIL has not said.
 *
 * @param message  keeps the texts; key, tag and meta are set in it as well
 * @return NULL, or what is wrong: one line
 */
const char *wish_fields_read(struct smtp_mail_params *said,
                             struct message *message, const char *header,
                             size_t len);

#endif
