/*
 * The binary interface of librelais: programs that were linked with it go on
 * working. What is here may get company, and never changes while the library's
 * name is librelais.so.0. Sizes and offsets are those of LP64 systems.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "relais.h"

#define SIZE(type, size)                                                       \
	{                                                                      \
#type, sizeof(type), size                                      \
	}
#define AT(type, member, offset)                                               \
	{                                                                      \
#type "." #member, offsetof(struct type, member), offset       \
	}
#define VALUE(name, value)                                                     \
	{                                                                      \
#name, name, value                                             \
	}
#define IS(function, ...)                                                      \
	_Static_assert(                                                        \
	    __builtin_types_compatible_p(__typeof__(function), __VA_ARGS__),   \
	    #function)

struct fact {
	const char *name;
	size_t is, was;
};

IS(relais_version, const char *(void));
IS(relais_open, struct relais_session *(const char *));
IS(relais_close, void(struct relais_session *));
IS(relais_submit,
   enum relais_result(struct relais_session *, const struct relais_envelope *,
                      const void *, size_t, unsigned, struct relais_answer *));
IS(relais_submit_fd,
   enum relais_result(struct relais_session *, const struct relais_envelope *,
                      int, unsigned, struct relais_answer *));
IS(relais_begin,
   enum relais_result(struct relais_session *, const struct relais_envelope *,
                      unsigned, struct relais_answer *));
IS(relais_write,
   enum relais_result(struct relais_session *, const void *, size_t));
IS(relais_finish,
   enum relais_result(struct relais_session *, struct relais_answer *));
IS(relais_abort, void(struct relais_session *));
IS(relais_submit_batch, size_t(struct relais_session *,
                               struct relais_submission *, size_t, unsigned));
IS(relais_status,
   enum relais_result(const char *, const char *, unsigned, unsigned,
                      struct relais_message **, struct relais_answer *));
IS(relais_message_free, void(struct relais_message *));

static void check(const struct fact *facts, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (facts[i].is != facts[i].was)
			fail_msg("%s is %zu, was %zu", facts[i].name,
			         facts[i].is, facts[i].was);
}

static void structs_have_the_layout_they_had(void **state)
{
	static const struct fact facts[] = {
		SIZE(struct relais_answer, 376),
		AT(relais_answer, result, 0),
		AT(relais_answer, code, 4),
		AT(relais_answer, error, 8),
		AT(relais_answer, id, 12),
		AT(relais_answer, status, 28),
		AT(relais_answer, text, 48),
		AT(relais_answer, recipient, 304),
		AT(relais_answer, is_duplicate, 312),
		AT(relais_answer, reserved, 316),
		SIZE(struct relais_envelope, 160),
		AT(relais_envelope, sender, 0),
		AT(relais_envelope, recipients, 8),
		AT(relais_envelope, recipient_count, 16),
		AT(relais_envelope, key, 24),
		AT(relais_envelope, tag, 32),
		AT(relais_envelope, meta, 40),
		AT(relais_envelope, relay, 48),
		AT(relais_envelope, wait_s, 56),
		AT(relais_envelope, hold_s, 60),
		AT(relais_envelope, deadline_s, 64),
		AT(relais_envelope, priority, 68),
		AT(relais_envelope, notify, 72),
		AT(relais_envelope, return_what, 76),
		AT(relais_envelope, envelope_id, 80),
		AT(relais_envelope, is_7bit, 88),
		AT(relais_envelope, is_smtputf8, 92),
		AT(relais_envelope, reserved, 96),
		SIZE(struct relais_submission, 400),
		AT(relais_submission, envelope, 0),
		AT(relais_submission, data, 8),
		AT(relais_submission, len, 16),
		AT(relais_submission, answer, 24),
		SIZE(struct relais_recipient, 872),
		AT(relais_recipient, address, 0),
		AT(relais_recipient, state, 512),
		AT(relais_recipient, attempts, 516),
		AT(relais_recipient, next_attempt_ms, 520),
		AT(relais_recipient, code, 528),
		AT(relais_recipient, status, 532),
		AT(relais_recipient, text, 552),
		AT(relais_recipient, reserved, 808),
		SIZE(struct relais_message, 120),
		AT(relais_message, id, 0),
		AT(relais_message, state, 16),
		AT(relais_message, submitted_ms, 24),
		AT(relais_message, ended_ms, 32),
		AT(relais_message, recipients, 40),
		AT(relais_message, recipient_count, 48),
		AT(relais_message, reserved, 56),
	};

	(void)state;
	if (sizeof(void *) != 8 || sizeof(long) != 8)
		skip();
	check(facts, sizeof(facts) / sizeof(facts[0]));
}

static void constants_have_the_values_they_had(void **state)
{
	static const struct fact facts[] = {
		VALUE(RELAIS_OK, 0),
		VALUE(RELAIS_PENDING, 1),
		VALUE(RELAIS_FAILED, 2),
		VALUE(RELAIS_PARTIAL, 3),
		VALUE(RELAIS_REJECTED, 16),
		VALUE(RELAIS_TRY_LATER, 17),
		VALUE(RELAIS_UNAVAILABLE, 18),
		VALUE(RELAIS_UNKNOWN, 19),
		VALUE(RELAIS_UNSUPPORTED, 20),
		VALUE(RELAIS_INVALID, 21),
		VALUE(RELAIS_BODY_UNREADABLE, 22),
		VALUE(RELAIS_NO_MEMORY, 23),
		VALUE(RELAIS_NO_SUCH_MESSAGE, 24),
		VALUE(RELAIS_TIMED_OUT, 25),
		VALUE(RELAIS_STATE_OTHER, 0),
		VALUE(RELAIS_STATE_QUEUED, 1),
		VALUE(RELAIS_STATE_DELIVERING, 2),
		VALUE(RELAIS_STATE_HELD, 3),
		VALUE(RELAIS_STATE_PARKED, 4),
		VALUE(RELAIS_STATE_DELIVERED, 16),
		VALUE(RELAIS_STATE_FAILED, 17),
		VALUE(RELAIS_STATE_EXPIRED, 18),
		VALUE(RELAIS_STATE_CANCELLED, 19),
		VALUE(RELAIS_STATE_PARTIAL, 20),
		VALUE(RELAIS_RETURN_UNSTATED, 0),
		VALUE(RELAIS_RETURN_HEADERS, 1),
		VALUE(RELAIS_RETURN_FULL, 2),
		VALUE(RELAIS_ID_SIZE, 16),
		VALUE(RELAIS_STATUS_SIZE, 20),
		VALUE(RELAIS_ADDRESS_SIZE, 512),
		VALUE(RELAIS_TEXT_SIZE, 256),
		VALUE(RELAIS_NOTIFY_NEVER, 1),
		VALUE(RELAIS_NOTIFY_SUCCESS, 2),
		VALUE(RELAIS_NOTIFY_FAILURE, 4),
		VALUE(RELAIS_NOTIFY_DELAY, 8),
	};

	(void)state;
	check(facts, sizeof(facts) / sizeof(facts[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structs_have_the_layout_they_had),
		cmocka_unit_test(constants_have_the_values_they_had),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
