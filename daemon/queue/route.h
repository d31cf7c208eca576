/*
 * route - which relay a recipient's mail takes, and in which lanes
 *
 * A pure function of the settings and the envelope: asked when a message is
 * submitted, and again when settings change for what waits.
 *
 * Thread: any.
 */
#ifndef RELAIS_QUEUE_ROUTE_H
#define RELAIS_QUEUE_ROUTE_H

#include "queue/queue.h"

struct relay_settings;
struct settings;
struct message;

/*
 * Fills submission->parts and each recipient's part number: one part a relay
 * and, with `direct`, one a recipient domain (domains lower-cased). Sets the
 * message's priority and the submitter's class. Where a recipient's relay is
 * direct and this host has no full name, or the sender is a bare name, the
 * message becomes MESSAGE_HELD with the reason and the command that mends it.
 * xrelay: the relay id that the submitter asked for (checked before), or 0; it
 * is kept with the message.
 */
void route_submission(struct submission *submission,
                      const struct settings *settings, uint32_t xrelay);

/* The lane of one recipient of a stored message; key.domain is of `domain`. */
void route_recipient(struct lane_key *ret_key, char domain[LANE_DOMAIN_MAX],
                     const struct settings *settings,
                     const struct message *message, unsigned recipient);

/* What the rules say of one recipient, and which of them. */
struct route_decision {
	const struct relay_settings *relay; /* to be used */
	/* By the rules; another than `relay` where it is switched off. */
	const struct relay_settings *chosen;
	int rule;          /* index of the one that chose; -1: the default */
	int priority_rule; /* index of the one that gave the priority; -1 */
	enum priority priority;
};
void route_decide(struct route_decision *ret_decision,
                  const struct settings *settings,
                  const struct message *message, const char *recipient,
                  uint32_t xrelay);

/* Why this mail would be held where its relay is direct; or NULL. */
const char *route_reason_to_hold(const struct settings *settings,
                                 const struct message *message);

/* Would a recipient be given a lane with this relay and domain now? */
bool route_is_right(const struct settings *settings,
                    const struct message *message, unsigned recipient,
                    const struct lane_key *key);

/* Equal for settings that give every message the same relay. */
uint64_t route_digest(const struct settings *settings);

/* The class a uid's mail is queued under; unstable uids share one. */
uint32_t route_submitter_class(const struct settings *settings, uint32_t uid);

#endif
