/*
 * summary - one mail about many messages that expired in a relay's outage
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_SUMMARY_H
#define RELAIS_DELIVER_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

struct message;
struct reported;
struct settings;
struct submission;
struct summary;

/* For one submitter's messages of one sender. */
struct summary *summary_new(const struct settings *settings, int64_t now_ms);
void summary_free(struct summary *summary);

/* Does this message go with those that are in already? */
bool summary_is_for(const struct summary *summary,
                    const struct message *message);

void summary_add(struct summary *summary, const struct message *message,
                 const struct reported *recipients, unsigned count);

unsigned summary_count(const struct summary *summary);

struct submission *summary_make(const struct summary *summary);

#endif
