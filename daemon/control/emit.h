/*
 * emit - JSON, written straight into a buffer
 *
 * Texts may come from anybody (mail headers, replies of relays): what is not
 * UTF-8 is replaced, so that the result is always valid JSON.
 *
 * A key is NULL inside arrays and for the outermost value. A buffer that
 * cannot grow makes all that follows a no-op; emit_result() says so at the end.
 */
#ifndef RELAIS_CONTROL_EMIT_H
#define RELAIS_CONTROL_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;

#define EMIT_DEPTH_MAX 16

struct emitter {
	struct buffer *out;
	int result;
	unsigned depth;
	struct {
		char end;
		bool has_member;
	} level[EMIT_DEPTH_MAX];
};

/* The buffer is borrowed until emit_result(). */
void emit_init(struct emitter *emitter, struct buffer *out);

void emit_object(struct emitter *emitter, const char *key);
void emit_array(struct emitter *emitter, const char *key);
/* Ends the innermost object or array. */
void emit_end(struct emitter *emitter);

/* NULL is written as null. */
void emit_text(struct emitter *emitter, const char *key, const char *value);
void emit_number(struct emitter *emitter, const char *key, int64_t value);
void emit_bool(struct emitter *emitter, const char *key, bool value);
void emit_null(struct emitter *emitter, const char *key);
/* RFC 3339, UTC, milliseconds; 0 is written as null. */
void emit_time(struct emitter *emitter, const char *key, uint64_t wall_ms);
/* A queue id in its 13 characters. */
void emit_id(struct emitter *emitter, const char *key, uint64_t id);

/* 0 or -ENOMEM, -EMSGSIZE; everything that was begun must have its end. */
int emit_result(const struct emitter *emitter);

#endif
