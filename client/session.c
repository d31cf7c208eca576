#include "config.h"

#include "session.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "clock.h"
#include "outcome.h"

/* Larger ones are sent in pieces, so that a refusal is heard in between. */
#define PIECE_BYTES (1024 * 1024)

/* How long a relaisd that has gone is waited for, to ask it: a restart. */
#define ASK_PATIENCE_MS 10000
#define ASK_PAUSE_MS    50

static const char *key_of(struct relais_session *session, unsigned link,
                          const struct relais_envelope *envelope);
static enum relais_result ask(struct relais_session *session, unsigned link,
                              const char *key, struct relais_answer *answer);

void session_set_tracer(struct relais_session *session,
                        connection_tracer tracer)
{
	for (unsigned i = 0; i < SESSION_LINKS; i++)
		session->links[i].connection.tracer = tracer;
}

void session_set_timeout(struct relais_session *session, unsigned timeout_ms)
{
	connection_set_timeout(&session->links[0].connection, timeout_ms);
	for (unsigned i = 1; i < SESSION_LINKS; i++)
		session->links[i].connection.deadline_us =
		    session->links[0].connection.deadline_us;
}

enum relais_result session_begin(struct relais_session *session, unsigned link,
                                 const struct relais_envelope *envelope,
                                 uint64_t size_bytes,
                                 struct relais_answer *answer)
{
	struct dialogue *dialogue = &session->links[link];
	enum relais_result result;

	result = dialogue_open(dialogue, session->path, answer);
	if (result != RELAIS_OK)
		return result;
	session->keys[link][0] = '\0';
	if (!envelope->key && (dialogue->offers.private_words & PRIVATE_KEY) &&
	    uuid_v7_make(clock_wall_ms(), session->keys[link]) < 0)
		session->keys[link][0] = '\0';
	return dialogue_begin(dialogue, envelope, size_bytes,
	                      key_of(session, link, envelope), answer);
}

/* NULL where none was sent. */
static const char *key_of(struct relais_session *session, unsigned link,
                          const struct relais_envelope *envelope)
{
	if (envelope->key)
		return envelope->key;
	return session->keys[link][0] ? session->keys[link] : NULL;
}

static enum relais_result send_pieces(struct dialogue *dialogue,
                                      const char *data, size_t len,
                                      struct relais_answer *answer)
{
	enum relais_result result = RELAIS_OK;

	while (result == RELAIS_OK && len > PIECE_BYTES) {
		result =
		    dialogue_send(dialogue, data, PIECE_BYTES, false, answer);
		data += PIECE_BYTES;
		len -= PIECE_BYTES;
	}
	if (result == RELAIS_OK)
		result = dialogue_send(dialogue, data, len, true, answer);
	return result;
}

enum relais_result session_send(struct relais_session *session, unsigned link,
                                const struct relais_envelope *envelope,
                                const void *data, size_t len,
                                struct relais_answer *answer)
{
	struct dialogue *dialogue = &session->links[link];
	bool was_used;
	enum relais_result result;

	for (;;) {
		result = session_begin(session, link, envelope, len, answer);
		was_used = dialogue->is_used;
		if (result == RELAIS_OK)
			result = send_pieces(dialogue, data, len, answer);
		if (result == RELAIS_OK || !was_used)
			return result;
		/* An old link that is gone says nothing of this message. */
		if (result != RELAIS_UNAVAILABLE && answer->code != 421)
			return result;
	}
}

enum relais_result session_settle(struct relais_session *session, unsigned link,
                                  const struct relais_envelope *envelope,
                                  const void *data, size_t len,
                                  struct relais_answer *answer)
{
	struct dialogue *dialogue = &session->links[link];
	bool was_used = dialogue->is_used;
	enum relais_result result = dialogue_finish(dialogue, answer);

	if (result == RELAIS_UNKNOWN) {
		const char *key = key_of(session, link, envelope);
		struct relais_answer found;

		if (!key || ask(session, link, key, &found) == RELAIS_UNKNOWN)
			return result;
		*answer = found;
		if (answer->result == RELAIS_OK && envelope->wait_s > 0)
			answer->result = RELAIS_PENDING;
		result = answer->result;
		if (result != RELAIS_UNAVAILABLE)
			return result;
	} else if (!was_used ||
	           (result != RELAIS_UNAVAILABLE && answer->code != 421)) {
		return result;
	}
	/* It is known not to have been queued. */
	if (!data)
		return result;
	result = session_send(session, link, envelope, data, len, answer);
	return result == RELAIS_OK ? dialogue_finish(dialogue, answer) : result;
}

/*
 * What became of the message with that key: RELAIS_OK or RELAIS_PENDING;
 * RELAIS_UNAVAILABLE: it was not queued; RELAIS_UNKNOWN: could not be asked.
 */
static enum relais_result ask(struct relais_session *session, unsigned link,
                              const char *key, struct relais_answer *answer)
{
	struct dialogue *dialogue = &session->links[link];
	const int64_t give_up_us =
	    clock_monotonic_us() + ASK_PATIENCE_MS * 1000;

	do {
		enum relais_result result;

		result = dialogue_open(dialogue, session->path, answer);
		if (result == RELAIS_OK &&
		    !(dialogue->offers.private_words & PRIVATE_KEY))
			return RELAIS_UNKNOWN;
		if (result == RELAIS_OK)
			result = dialogue_ask(dialogue, key, answer);
		if (result == RELAIS_OK || result == RELAIS_PENDING)
			return result;
		if (result == RELAIS_REJECTED && answer->code == 550)
			return outcome_fail(
			    answer, RELAIS_UNAVAILABLE, ECONNRESET,
			    "relaisd has closed the connection");
		if (answer->error == ETIMEDOUT)
			return RELAIS_UNKNOWN;
		/* Gone, or busy with this very message. */
		(void)poll(NULL, 0, ASK_PAUSE_MS);
	} while (clock_monotonic_us() < give_up_us);
	return RELAIS_UNKNOWN;
}

enum relais_result session_submit(struct relais_session *session, unsigned link,
                                  const struct relais_envelope *envelope,
                                  const void *data, size_t len,
                                  struct relais_answer *answer)
{
	enum relais_result result;

	result = session_send(session, link, envelope, data, len, answer);
	if (result != RELAIS_OK)
		return result;
	return session_settle(session, link, envelope, data, len, answer);
}
