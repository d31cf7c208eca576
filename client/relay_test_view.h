/*
 * relay_test_view - a relay's test, shown as it goes on
 */
#ifndef RELAIS_RELAY_TEST_VIEW_H
#define RELAIS_RELAY_TEST_VIEW_H

#include "ask.h"

struct invocation;

/*
 * Asks for a test and shows its steps. EXIT_FINE: the relay works;
 * EXIT_NOT_SO: it doesn't; or another exit code. *ret_next, if it isn't NULL:
 * the settings that would work, as in "security=tls port=465", malloc'ed; or
 * NULL.
 */
int relay_test_view(const struct invocation *invocation, const char *target,
                    const struct ask_text *body, char **ret_next);

#endif
