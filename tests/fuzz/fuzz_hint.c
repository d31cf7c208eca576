/*
 * fuzz_hint - what a relay's reply leads to and means, whatever it says
 *
 * The input is one reply. By the rules for each place of a dialogue there is a
 * verdict; hints know something about it or not. In either case soon: a relay's
 * text must not make the expressions slow.
 */
#include "config.h"

#include "hints.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "providers.h"
#include "smtp/reply.h"
#include "smtp/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Of processor time, so that a busy machine is no failure. */
#define SECONDS_MAX 2

static void explain(const struct verdict *verdict)
{
	static const char *const providers[] = { NULL, "gmail",
		                                 "microsoft365" };
	char enhanced[24] = "";

	if (verdict->enhanced[0] != 0)
		(void)snprintf(enhanced, sizeof(enhanced), "%u.%u.%u",
		               verdict->enhanced[0], verdict->enhanced[1],
		               verdict->enhanced[2]);
	for (size_t i = 0; i < sizeof(providers) / sizeof(*providers); i++) {
		const struct hint *hint = hints_find(
		    providers[i], verdict->code,
		    *enhanced != '\0' ? enhanced : NULL, verdict->text);

		assert(hint == NULL || hint->explain != NULL);
	}
}

static void judge(const struct smtp_reply *reply, enum smtp_phase phase)
{
	struct verdict verdict;

	verdict_from_reply(&verdict, reply, phase);
	assert(verdict.code == reply->code && verdict.phase == phase);
	assert(reply->code < 400 || verdict.class == VERDICT_TEMPORARY ||
	       verdict.class == VERDICT_PERMANENT);
	assert((verdict.class == VERDICT_DELIVERED) ==
	       (phase == PHASE_DOT && smtp_reply_is_positive(reply)));
	for (const char *at = verdict.text; *at != '\0'; at++)
		assert((unsigned char)*at >= ' ' && *at != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct smtp_reply_parser parser = { 0 };
	struct timespec begin, end;
	struct verdict verdict;
	struct smtp_reply reply;

	if (smtp_reply_parse(&parser, (const char *)data, len, &reply) < 0)
		return 0;
	for (unsigned i = PHASE_GREETING; i <= PHASE_QUIT; i++)
		judge(&reply, (enum smtp_phase)i);
	verdict_from_reply(&verdict, &reply, PHASE_RCPT);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	explain(&verdict);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	assert(end.tv_sec - begin.tv_sec <= SECONDS_MAX);
	return 0;
}
