/*
 * librelais - the public client library, see include/relais.h
 *
 * Checks what it is given, and gathers streamed content into chunks. A message
 * that is smaller than a chunk stays here until its end, and then has all the
 * second tries of one in memory.
 */
#include "config.h"

#include "relais.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outcome.h"
#include "session.h"
#include "submit_socket.h"

static enum relais_result start(struct relais_session *session,
                                const struct relais_envelope *envelope,
                                unsigned timeout_ms);
static int read_body(struct relais_session *session, int fd);
static enum relais_result send_chunk(struct relais_session *session,
                                     bool is_last);
static enum relais_result end(struct relais_session *session,
                              struct relais_answer *ret_answer);

const char *relais_version(void)
{
	return PACKAGE_VERSION;
}

struct relais_session *relais_open(const char *socket)
{
	struct relais_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->path = strdup(submit_socket_path(socket));
	if (!session->path) {
		free(session);
		return NULL;
	}
	for (unsigned i = 0; i < SESSION_LINKS; i++)
		dialogue_init(&session->links[i]);
	buffer_init(&session->chunk, 0);
	return session;
}

void relais_close(struct relais_session *session)
{
	if (!session)
		return;
	for (unsigned i = 0; i < SESSION_LINKS; i++)
		dialogue_close(&session->links[i]);
	buffer_done(&session->chunk);
	free(session->path);
	free(session);
}

enum relais_result relais_submit(struct relais_session *session,
                                 const struct relais_envelope *envelope,
                                 const void *data, size_t len,
                                 unsigned timeout_ms,
                                 struct relais_answer *ret_answer)
{
	struct relais_answer *answer = &session->answer;

	if (start(session, envelope, timeout_ms) == RELAIS_OK) {
		session_set_timeout(session, timeout_ms);
		(void)session_submit(session, 0, envelope, data, len, answer);
	}
	return end(session, ret_answer);
}

/* Checks, and forgets whatever was begun before. */
static enum relais_result start(struct relais_session *session,
                                const struct relais_envelope *envelope,
                                unsigned timeout_ms)
{
	relais_abort(session);
	session->envelope = envelope;
	session->timeout_ms = timeout_ms;
	session->size_bytes = 0;
	outcome_clear(&session->answer);
	return envelope_check(envelope, &session->answer);
}

static enum relais_result end(struct relais_session *session,
                              struct relais_answer *ret_answer)
{
	if (ret_answer)
		*ret_answer = session->answer;
	session->envelope = NULL;
	session->is_streaming = false;
	buffer_clear(&session->chunk);
	return session->answer.result;
}

enum relais_result relais_submit_fd(struct relais_session *session,
                                    const struct relais_envelope *envelope,
                                    int body_fd, unsigned timeout_ms,
                                    struct relais_answer *ret_answer)
{
	struct relais_answer *answer = &session->answer;
	struct stat status;
	off_t offset;
	int r = 0;

	if (start(session, envelope, timeout_ms) != RELAIS_OK)
		return end(session, ret_answer);
	session_set_timeout(session, timeout_ms);
	if (fstat(body_fd, &status) == 0 && S_ISREG(status.st_mode) &&
	    (offset = lseek(body_fd, 0, SEEK_CUR)) >= 0 &&
	    status.st_size > offset)
		session->size_bytes = (uint64_t)(status.st_size - offset);
	while (answer->result == RELAIS_OK &&
	       (r = read_body(session, body_fd)) > 0)
		(void)send_chunk(session, false);
	if (answer->result == RELAIS_OK && r < 0) {
		relais_abort(session);
		(void)outcome_fail(answer,
		                   r == -ENOMEM ? RELAIS_NO_MEMORY
		                                : RELAIS_BODY_UNREADABLE,
		                   -r, "reading the message: %s", strerror(-r));
	}
	if (answer->result == RELAIS_OK)
		(void)send_chunk(session, true);
	return end(session, ret_answer);
}

/* Fills the chunk. 1: there may be more; 0: that was all; -errno. */
static int read_body(struct relais_session *session, int fd)
{
	struct buffer *chunk = &session->chunk;
	int r = buffer_reserve(chunk, SESSION_CHUNK_BYTES - chunk->len);

	if (r < 0)
		return r;
	while (chunk->len < SESSION_CHUNK_BYTES) {
		ssize_t len = read(fd, chunk->data + chunk->len,
		                   SESSION_CHUNK_BYTES - chunk->len);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		if (len == 0)
			return 0;
		buffer_grow(chunk, (size_t)len);
	}
	return 1;
}

/* The last one waits for the answer. */
static enum relais_result send_chunk(struct relais_session *session,
                                     bool is_last)
{
	struct relais_answer *answer = &session->answer;
	struct buffer *chunk = &session->chunk;
	enum relais_result result = RELAIS_OK;

	if (!session->is_streaming && is_last)
		return session_submit(session, 0, session->envelope,
		                      chunk->data, chunk->len, answer);
	if (!session->is_streaming)
		result = session_begin(session, 0, session->envelope,
		                       session->size_bytes, answer);
	session->is_streaming = true;
	if (result == RELAIS_OK)
		result = dialogue_send(&session->links[0], chunk->data,
		                       chunk->len, is_last, answer);
	buffer_clear(chunk);
	if (result == RELAIS_OK && is_last)
		result = session_settle(session, 0, session->envelope, NULL, 0,
		                        answer);
	return result;
}

enum relais_result relais_begin(struct relais_session *session,
                                const struct relais_envelope *envelope,
                                unsigned timeout_ms,
                                struct relais_answer *ret_answer)
{
	if (start(session, envelope, timeout_ms) != RELAIS_OK)
		return end(session, ret_answer);
	if (ret_answer)
		*ret_answer = session->answer;
	return RELAIS_OK;
}

enum relais_result relais_write(struct relais_session *session,
                                const void *data, size_t len)
{
	struct relais_answer *answer = &session->answer;
	struct buffer *chunk = &session->chunk;
	const char *at = data;

	if (!session->envelope)
		return outcome_fail(answer, RELAIS_INVALID, EINVAL,
		                    "no message was begun");
	while (answer->result == RELAIS_OK && len > 0) {
		size_t room = SESSION_CHUNK_BYTES - chunk->len;
		size_t part = len < room ? len : room;

		if (room == 0) {
			session_set_timeout(session, session->timeout_ms);
			(void)send_chunk(session, false);
			continue;
		}
		if (buffer_append(chunk, at, part) < 0) {
			relais_abort(session);
			return outcome_fail(answer, RELAIS_NO_MEMORY, ENOMEM,
			                    "out of memory");
		}
		at += part;
		len -= part;
	}
	return answer->result;
}

enum relais_result relais_finish(struct relais_session *session,
                                 struct relais_answer *ret_answer)
{
	struct relais_answer *answer = &session->answer;

	if (!session->envelope && answer->result == RELAIS_OK)
		(void)outcome_fail(answer, RELAIS_INVALID, EINVAL,
		                   "no message was begun");
	if (answer->result == RELAIS_OK) {
		session_set_timeout(session, session->timeout_ms);
		(void)send_chunk(session, true);
	}
	return end(session, ret_answer);
}

void relais_abort(struct relais_session *session)
{
	if (session->is_streaming)
		dialogue_close(&session->links[0]);
	session->is_streaming = false;
	session->envelope = NULL;
	buffer_clear(&session->chunk);
}
